"""omlzoo split."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from omlzoo.cli.output import print_line

__all__ = ["split_command"]


def split_command(
    table: Path,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    by: str = "label",
    validation: float = 0.2,
    folds: int | None = None,
    time: str | None = None,
    since: str | None = None,
    seed: int = 0,
    copies: bool = True,
    alike: float = 0.995,
    root: Path | None = None,
) -> None:
    """Split a table into train and validation rows; sequences and copies of a picture are never on both sides.

    Parameters
    ----------
    table
        A csv or parquet file, or a folder with a sub-folder per label. A split that is there already is replaced.
    out
        The csv or parquet file to write; with --folds one for each fold, OUT-0.csv and so on.
    by
        The column whose values lie whole on one side: label, category or any other; path for single pictures.
    validation
        Share of the values, or with --time of the rows, that is held out.
    folds
        Deal the values into that many folds; each is the validation of one file.
    time
        A column of dates or numbers: the latest rows are held out, and labels may be on both sides.
    since
        The first time that is held out; by default that of the share.
    seed
        Seed of the draw.
    copies
        Look for nearly equal pictures too, for which all are read. Equal files are found in any case.
    alike
        Correlation of small grey pictures from which on two are copies.
    root
        Where relative paths start; the table's folder by default.
    """
    from omlzoo.evaluation.held_out import check_ending, split_table

    check_ending(out)
    found = split_table(
        table, by=by, validation=validation, folds=folds, time=time, since=since, seed=seed, copies=copies, alike=alike,
        root=root,
    )  # fmt: skip
    for number, file in enumerate(found.save(out)):
        frame = found.frame if folds is None else found.fold(number)
        labels = frame.groupby("split")["label"].nunique()
        counts = frame["split"].value_counts()
        sides = [f"{split} {counts[split]} pictures of {labels[split]} labels" for split in ("train", "validation")]
        print_line(f"{file}: {', '.join(sides)}")
    facts = found.facts
    joins = ", ".join(f"{count} groups of {name}" if "seq" not in name else f"{count} {name}"
                      for name, count in facts["found"].items())  # fmt: skip
    if time is None:
        joined = f"{facts['values joined']} are joined with others, {facts['largest group']} in the largest group"
        print_line(f"kept whole: {facts['values']} values of {by} in {facts['groups']} groups; {joined}")
    else:
        earlier = f"{facts['earlier rows held out']} earlier rows that belong to later ones"
        print_line(f"held out: {time} from {facts['since']} on, and {earlier}")
    print_line(f"found: {joins}")
    sides = [f"{facts['labels on both sides']} labels", *(f"{n} {name}" for name, n in facts["on both sides"].items())]
    print_line(f"on both sides: {', '.join(sides)}")
    if facts["not compared"]:
        print_line(f"{facts['not compared']} pictures were not compared by their look" + (
            "" if not copies else ": they cannot be read or have nearly one colour"))  # fmt: skip
