"""Rows of a csv file that vanished in a value: a quote that is never closed makes one value of all up to the next."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from omlzoo.data.faults import Fault
from omlzoo.data.formats import SUFFIXES, suffix_of

__all__ = ["swallowed_rows", "with_line_breaks"]

RULE = (
    "holds rows of the table: a quote is opened and closed only rows below; write a quote that belongs to a value as "
    "two quotes within quotes, or take it away"
)


def with_line_breaks(frame: pd.DataFrame) -> np.ndarray:
    """The positions, rising, of the rows with a line break in a value; all values are text."""
    broken = [np.flatnonzero(values.str.contains("[\n\r]")) for _, values in frame.items()]
    return np.unique(np.concatenate([np.empty(0, np.int64), *broken]))


def swallowed_rows(
    frame: pd.DataFrame, rows: np.ndarray, separator: str, root: Path, first_row: int
) -> Iterator[Fault]:
    """A fault for each value with a line break that holds the beginning or the end of another row.

    A line of such a value is a row where it has separators and, at the place of the column "path", the name of a
    picture. Other line breaks, as in a note, are the user's own.

    Args:
        frame: The values of the file as text.
        rows: The positions of the rows to look at.
        separator: What stands between two values of the file.
        root: The folder that relative paths start from.
        first_row: The number of the row at position 0.
    """
    if "path" not in frame:
        return
    place = list(frame.columns).index("path")
    for position, *values in frame.iloc[rows].fillna("").set_axis(rows).itertuples():
        for column, (name, value) in enumerate(zip(frame.columns, values, strict=True)):
            if ("\n" in value or "\r" in value) and _holds_a_row(value, separator, column, place, root):
                yield Fault(int(position) + first_row, str(name), value, RULE)


def _holds_a_row(value: str, separator: str, column: int, place: int, root: Path) -> bool:
    first, *others = value.splitlines()
    pieces = [(first.split(separator), place - column), *((line.split(separator), place) for line in others)]
    return any(_has_picture(piece, at, root) for piece, at in pieces)


def _has_picture(values: Sequence[str], place: int, root: Path) -> bool:
    if len(values) < 2 or not 0 <= place < len(values):
        return False
    name = values[place].strip().strip('"')
    return suffix_of(name) in SUFFIXES or bool(name and os.path.isfile(root / name))
