"""omlzoo select."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from omlzoo.cli.output import print_line

__all__ = ["select_command"]


def select_command(
    embeddings: Path,
    *,
    count: Annotated[int, Parameter(name=["--count", "-n"])],
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    diversity: float = 1.0,
    typicality: float = 1.0,
    least_distance: float = 0.0,
    balance: str | None = None,
) -> None:
    """Choose the pictures to label next: unlike each other, and like many others.

    Parameters
    ----------
    embeddings
        A file or folder that `omlzoo embed` wrote.
    count
        Number of pictures to choose.
    out
        The csv to write: the chosen rows in the order in which they were chosen, with their labels exactly as they are.
        In a spreadsheet import them as text: it takes a label that begins with = + - or @ for a formula.
    diversity
        Weight of the distance from what is chosen already; 0 turns it off.
    typicality
        Weight of being similar to many others; 0 turns it off.
    least_distance
        Pictures nearer than that to a chosen one are left out.
    balance
        A column whose values are to be chosen equally often.
    """
    from omlzoo.curation import Balance, Diversity, Objective, Typicality, choose
    from omlzoo.data.written_text import escaped, is_writable
    from omlzoo.embedding.embeddings import ERROR
    from omlzoo.embedding.shards import load_embeddings
    from omlzoo.errors import BadInput, UnknownName, notice
    from omlzoo.files import new_file

    loaded = load_embeddings(embeddings)
    failed = int((~loaded.good).sum())
    left_out = f"; {failed} without a vector were left out" if failed else ""
    loaded = loaded.rows(loaded.good)
    objectives: list[Objective] = [Diversity(least_distance, diversity)]
    if typicality:
        objectives.append(Typicality(strength=typicality))
    if balance is not None:
        if balance not in loaded.table:
            raise UnknownName(str(embeddings), balance, [str(name) for name in loaded.table.columns])
        objectives.append(Balance(loaded.table[balance].astype(str).to_numpy(), count))
    if count > len(loaded):
        notice(f"--count is {count:,}, more than the {len(loaded):,} with a vector, so all are chosen")
    rows = choose(loaded.vectors, count, objectives)
    frame = loaded.table.iloc[rows].drop(columns=ERROR)
    root = Path(loaded.record.root)
    if not is_writable(str(root)):
        raise BadInput(f"{escaped(str(root))} is not UTF-8, so no csv can name the pictures there; rename the folder")
    frame = frame.assign(path=[str(root / path) for path in frame["path"]])
    with new_file(out) as temporary:
        frame.to_csv(temporary, index=False)
    print_line(f"{out}: {len(rows)} of {len(loaded)} pictures{left_out}")
