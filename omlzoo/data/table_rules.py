"""The rules of a table, checked for all rows at once; a fault has its row, column, value and remedy."""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

__all__ = ["BOX", "FALSE", "TRUE", "Fault", "Lint", "Purpose"]

BOX = ("x_1", "x_2", "y_1", "y_2")
TRUE, FALSE = {"true", "1", "1.0"}, {"false", "0", "0.0"}

Purpose = Literal["embed", "check", "evaluate", "train"]


@dataclass(frozen=True)
class Fault:
    """One fault of a table.

    Attributes:
        row: The row of a csv file, where the header is row 1, or the position from 0; None for the whole table.
        column: The name of the column, or the names separated by commas.
        value: The value there.
        remedy: The rule that is broken and what to do.
    """

    row: int | None
    column: str
    value: str
    remedy: str

    def __str__(self) -> str:
        where = f"column {self.column}" if self.row is None else f"row {self.row}, column {self.column}"
        return f"{where}: {self.value!r}: {self.remedy}"


@dataclass(frozen=True)
class Lint:
    """The check of a table.

    Attributes:
        text: The known columns as text, "" for missing values; the index holds the positions of the rows from 0.
        root: The folder that relative paths start from.
        name: The name of the table, for messages.
        first_row: The number of the row at position 0, 2 in a csv file and else 0.
    """

    text: pd.DataFrame
    root: Path
    name: str
    first_row: int

    def faults(self, purpose: Purpose) -> Iterator[Fault]:
        """All faults of the table for a purpose: those of its columns, or if it has none, those of its rows."""
        text = self.text
        if not len(text):
            yield Fault(None, "(all)", self.name, "has no rows; a table needs at least one picture")
            return
        needed = ["path"] if purpose == "embed" else ["path", "label", "split"]
        if "split" in needed and "split" in text and (text["split"] == "validation").any():
            needed += ["is_query", "is_gallery"]
        missing = [column for column in needed if column not in text]
        for column in missing:
            near = get_close_matches(column, list(text.columns), n=1, cutoff=0.7)
            remedy = f"rename {near[0]!r}" if near else f"the table has {', '.join(map(str, text.columns))}"
            yield Fault(None, column, "", f"the column is missing; {remedy}")
        boxes = [column for column in BOX if column in text]
        if boxes and len(boxes) < len(BOX):
            absent = ", ".join(sorted(set(BOX) - set(boxes)))
            yield Fault(None, ", ".join(boxes), "", f"a box needs all of {', '.join(BOX)}; add {absent}")
        if missing or 0 < len(boxes) < len(BOX):
            return
        yield from self._rows(purpose)
        if purpose in ("evaluate", "train"):
            parts = {"train": text["split"] == "train"} if purpose == "train" else {}
            held = text["split"] == "validation"
            if held.any() or purpose == "evaluate":
                flags = {
                    c: text[c].str.lower().isin(TRUE) if c in text else held & False for c in ("is_query", "is_gallery")
                }
                parts |= {f"validation {column}": held & flag for column, flag in flags.items()}
            for name, rows in parts.items():
                if not rows.any():
                    yield Fault(None, "split", name, f"no row is {name}; at least one is needed to {purpose}")

    def _rows(self, purpose: Purpose) -> Iterator[Fault]:
        text, first = self.text, self.first_row

        def faults(bad: "pd.Series[bool] | np.ndarray", column: str, remedy: str) -> Iterator[Fault]:
            for position in np.flatnonzero(np.asarray(bad)):
                yield Fault(int(text.index[int(position)]) + first, column, str(text[column].iloc[position]), remedy)

        path = text["path"]
        yield from faults(path == "", "path", "is empty; give the picture's file")
        known = {value: _is_file(self.root / value) for value in set(path) - {""}}
        yield from faults(
            ~path.map({**known, "": True}).astype(bool), "path", f"there is no such file below {self.root}"
        )
        boxes = text[list(BOX)] if "x_1" in text else pd.DataFrame(index=text.index)
        yield from self._boxes(boxes)
        key = pd.concat([path, boxes], axis=1)
        again = key.duplicated() & (path != "")
        yield from faults(again, "path", "stands in the table twice with the same box; keep one row")
        for column in (c for c in ("is_query", "is_gallery") if c in text):
            value = text[column].str.lower()
            yield from faults(~value.isin({*TRUE, *FALSE, ""}), column, "must be true or false, 1 or 0")
        if purpose == "embed":
            return
        yield from faults(text["label"] == "", "label", "is empty; give the item's id, an integer or text")
        split = text["split"]
        yield from faults(~split.isin(["train", "validation"]), "split", "must be train or validation")
        for column in ("is_query", "is_gallery"):
            if column not in text:
                continue
            value = text[column].str.lower()
            yield from faults(
                (value == "") & (split == "validation"), column, "is empty; a validation row needs true or false"
            )
            yield from faults(value.isin(TRUE) & (split == "train"), column, "must be empty on a train row")
        if {"is_query", "is_gallery"} <= set(text.columns):
            off = text["is_query"].str.lower().isin(FALSE) & text["is_gallery"].str.lower().isin(FALSE)
            unused = "is false and so is is_gallery: the row would not be used; set one, or remove the row"
            yield from faults(off & (split == "validation"), "is_query", unused)

    def _boxes(self, boxes: pd.DataFrame) -> Iterator[Fault]:
        first = self.first_row
        if boxes.empty:
            return
        filled = boxes != ""
        whole = boxes.apply(lambda side: side.str.fullmatch(r"\d+(\.0*)?"))
        for column in BOX:
            whole_number = "must be a whole number of pixels, 0 or more"
            together = "is empty while other sides of the box are not; fill or clear all"
            wrong = ((filled[column] & ~whole[column], whole_number), (~filled[column] & filled.any(axis=1), together))
            for bad, remedy in wrong:
                for position in np.flatnonzero(bad):
                    row = int(boxes.index[int(position)]) + first
                    yield Fault(row, column, str(boxes[column].iloc[int(position)]), remedy)
        good = whole.all(axis=1)
        sides = boxes[good].astype(float)
        for low, high in (("x_1", "x_2"), ("y_1", "y_2")):
            turned = sides.index[sides[low] >= sides[high]]
            for position in turned:
                value = f"{boxes[low][position]}, {boxes[high][position]}"
                yield Fault(int(position) + first, f"{low}, {high}", value, f"{low} must be below {high}")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # the name is not valid in the file system
        return False
