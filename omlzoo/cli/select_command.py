"""omlzoo select."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from omlzoo.cli.output import print_line

if TYPE_CHECKING:
    from omlzoo.data.table import Table

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
    html: Path | None = None,
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
    html
        Also write one page with the chosen pictures.
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
    table = loaded.pictures().part(rows)
    frame = table.frame.drop(columns=ERROR)
    root = Path(loaded.record.root)
    if not is_writable(str(root)):
        raise BadInput(f"{escaped(str(root))} is not UTF-8, so no csv can name the pictures there; rename the folder")
    frame = frame.assign(path=[str(root / path) for path in frame["path"]])
    with new_file(out) as temporary:
        frame.to_csv(temporary, index=False)
    if html is not None:
        _write_page(table, loaded.record.model, f"{len(rows):,} of {len(loaded):,} pictures", html)
    print_line(f"{out}: {len(rows)} of {len(loaded)} pictures{left_out}")


def _write_page(table: "Table", model: str, count: str, path: Path) -> None:
    """Write the pictures of a table's rows, in their order."""
    from omlzoo.files import new_file
    from omlzoo.pages.album import Album
    from omlzoo.pages.parts import Heading, Row
    from omlzoo.pages.render import gallery_page

    album = Album(path)
    names = [str(name) for name in table.frame["path"]]
    rows = enumerate(zip(table.files(), table.boxes(), names, strict=True), 1)
    first, *others = [
        album.card(file, box, str(number), Path(name).name, name=name, why=f"chosen as number {number}")
        for number, (file, box, name) in rows
    ]
    facts = [f"{count}, in the order in which they were chosen", *album.notes()]
    with new_file(path) as temporary:
        temporary.write_text(gallery_page(Heading("Pictures to label", model), facts, [Row(first, others)]), "utf-8")
