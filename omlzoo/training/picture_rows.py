"""The rows of pictures that need no labels, with the columns that a run takes."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from omlzoo.data.picture_list import source_table
from omlzoo.data.table import Table
from omlzoo.errors import BadInput

__all__ = ["rows_of_pictures"]

FLAGS = ("is_query", "is_gallery")


def rows_of_pictures(source: Any, root: str | Path | None, act: str, folders_are_labels: bool) -> Table:
    """The table of a source with the columns label, "" where a row has none, and split.

    Args:
        source: A folder, a table, a DataFrame, or a list of files.
        root: The folder where relative paths start.
        act: What the rows are for, for messages.
        folders_are_labels: Whether the sub-folders of a folder are labels; otherwise their names say nothing.

    Raises:
        BadTable: The table has faults; all are listed.
        BadInput: Pictures are in memory, no row is train, a split is unknown, or validation rows have no role.
    """
    table, listed = source_table(source, root)
    if any(not isinstance(picture, Path) for picture in listed or ()):
        raise BadInput(f"{act} reads pictures from files, again in each epoch; give a folder, a table or paths")
    frame = table.frame
    frame = frame if "split" in frame else frame.assign(split="train")
    if isinstance(source, str | Path) and Path(source).is_dir() and not folders_are_labels:
        frame = frame.drop(columns=[column for column in ("label", "category") if column in frame])
    frame = frame if "label" in frame else frame.assign(label="")
    wrong = sorted(set(frame["split"].astype(str)) - {"train", "validation"})
    if wrong:
        raise BadInput(f"{table.name}: split is {wrong[0]!r} in some rows; it must be train or validation")
    if not (frame["split"] == "train").any():
        raise BadInput(f"{table.name}: no row is train; {act} learns from the train rows, or leave split out")
    measured = (frame["split"] == "validation") & (frame["label"].astype(str) != "")
    if measured.any() and not set(FLAGS) <= set(frame.columns):
        raise BadInput(f"{table.name}: validation rows need {' and '.join(FLAGS)}; add them, or leave those rows out")
    return replace(table, frame=frame)
