"""The rules of a table, checked for all rows at once; a fault has its row, column, value and remedy."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from omlzoo.data.addresses import is_address, is_followed
from omlzoo.data.faults import Broken, Fault, Faults
from omlzoo.data.same_files import find_files
from omlzoo.data.table_hints import alike, meaning, near_misses, twice_written

__all__ = ["BOX", "COLUMNS", "FALSE", "ROLES", "TRUE", "Lint", "Purpose"]

COLUMNS = (
    "path",
    "label",
    "split",
    "is_query",
    "is_gallery",
    "category",
    "sequence",
    "x_1",
    "x_2",
    "y_1",
    "y_2",
    "mask",
)
BOX = ("x_1", "x_2", "y_1", "y_2")
TRUE, FALSE = {"true", "1", "1.0"}, {"false", "0", "0.0"}
FLAGS = ("is_query", "is_gallery")
ROLES = ("split", *FLAGS)
# Words for a value, beside which a fault says the one that the table takes.
SPLITS = dict.fromkeys(("val", "valid", "test", "testing", "dev", "validation"), "validation")
SPLITS |= dict.fromkeys(("train", "training", "trn"), "train")
WORDS = dict.fromkeys(("yes", "y", "t", "on", "x"), "true") | dict.fromkeys(("no", "n", "f", "off"), "false")
NAMED = 12  # columns that a message names
SIDE = r"[0-9]{1,9}(?:\.0*)?"  # pixels; a longer number is beyond any picture

Purpose = Literal["embed", "check", "evaluate", "train", "split"]


@dataclass(frozen=True)
class Lint:
    """The check of a table.

    Attributes:
        text: The known columns as text, "" for missing values; the index holds the positions of the rows from 0.
        root: The folder that relative paths start from.
        name: The name of the table, for messages.
        first_row: The number of the row at position 0, 2 in a csv file and else 0.
        others: Names of the other columns, among which a misspelt one may be.
        unwritable: For columns with text that is not UTF-8, which rows these are, (N,) bool.
        remote: Schemes and hosts of addresses that are followed.
    """

    text: pd.DataFrame
    root: Path
    name: str
    first_row: int
    others: Sequence[str] = ()
    unwritable: Mapping[str, np.ndarray] = field(default_factory=dict)
    remote: Sequence[str] = ()

    def faults(self, purpose: Purpose) -> Faults:
        """All faults of the table for a purpose: those of its columns, or if it has none, those of its rows."""
        columns = list(self._columns(purpose))
        if columns:
            return Faults(columns, self.text)
        broken = list(self._rows(purpose))
        return Faults(self._splits(purpose), self.text, self.first_row, broken)

    def _columns(self, purpose: Purpose) -> Iterator[Fault]:
        text = self.text
        if not len(text):
            yield Fault(None, "(all)", self.name, "has no rows; a table needs at least one picture")
            return
        needed = ["path", "label", "split"][: {"embed": 1, "split": 2}.get(purpose, 3)]
        if "split" in needed and "split" in text and (text["split"] == "validation").any():
            needed += FLAGS
        names = [*map(str, text.columns), *self.others]
        for column in (column for column in needed if column not in text):
            near = [name for name in names if meaning(name, [column])]
            near = near or get_close_matches(column, names[:1000], n=1, cutoff=0.7)
            more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
            remedy = f"rename {near[0]!r}" if near else f"the table has {', '.join(names[:NAMED])}{more}"
            yield Fault(None, column, "", f"the column is missing; {remedy}")
        boxes = [column for column in BOX if column in text]
        meant = near_misses(BOX, boxes, self.others, self.name, synonyms=False)
        if len(meant) == len(BOX):  # a whole box
            yield Fault(None, ", ".join(BOX), "", f"{meant[0].partition(': ')[2]}, as all four sides of the box")
        if boxes and len(boxes) < len(BOX):
            absent = ", ".join(sorted(set(BOX) - set(boxes)))
            yield Fault(None, ", ".join(boxes), "", f"a box needs all of {', '.join(BOX)}; add {absent}")

    def _splits(self, purpose: Purpose) -> Iterator[Fault]:
        """Parts of the table that the purpose needs and that have no row."""
        if purpose not in ("evaluate", "train"):
            return
        text = self.text
        parts = {"train": text["split"] == "train"} if purpose == "train" else {}
        held = text["split"] == "validation"
        if held.any() or purpose == "evaluate":
            flags = {c: text[c].str.lower().isin(TRUE) if c in text else held & False for c in FLAGS}
            parts |= {f"validation {column}": held & flag for column, flag in flags.items()}
        for name, rows in parts.items():
            if not rows.any():
                yield Fault(None, "split", name, f"no row is {name}; at least one is needed to {purpose}")

    def _rows(self, purpose: Purpose) -> Iterator[Broken]:
        text = self.text
        for column, rows in self.unwritable.items():
            yield _broken(rows, column, "is not UTF-8, so it cannot be written; rename it")
        yield from self._paths()
        for column in (c for c in FLAGS if c in text):
            value = text[column].str.lower()
            yield self._reworded(~value.isin({*TRUE, *FALSE, ""}), column, "must be true or false, 1 or 0", WORDS)
        if purpose in ("train", "check") and "mask" in text:
            lost = (text["mask"] != "").to_numpy() & ~find_files(self.root, text["mask"])[0]
            yield _broken(lost, "mask", f"there is no such label image below {self.root}; empty is none")
        if purpose == "embed":
            return
        yield _broken(text["label"] == "", "label", "is empty; give the item's id, an integer or text")
        for column in (c for c in ("label", "category", "sequence") if c in text):
            rule = "stands beside the same number without its zeros; write it in one way"
            yield _broken(twice_written(text[column]), column, rule)
            yield self._alike(column)
        if purpose == "split":
            return
        split = text["split"]
        wrong = ~split.isin(["train", "validation"])
        yield self._reworded(wrong, "split", "must be train or validation", SPLITS)
        for column in (c for c in FLAGS if c in text):
            value = text[column].str.lower()
            needs = "is empty; a validation row needs true or false"
            yield _broken((value == "") & (split == "validation"), column, needs)
            yield _broken(value.isin(TRUE) & (split == "train"), column, "must be empty on a train row")
        if set(FLAGS) <= set(text.columns):
            off = text["is_query"].str.lower().isin(FALSE) & text["is_gallery"].str.lower().isin(FALSE)
            unused = "is false and so is is_gallery: the row would not be used; set one, or remove the row"
            yield _broken(off & (split == "validation"), "is_query", unused)

    def _reworded(self, rows: "pd.Series[bool]", column: str, rule: str, words: Mapping[str, str]) -> Broken:
        """Rows whose value must be another; where it is a known word for an allowed one, that is said."""
        values = self.text[column]
        said = {
            v: f"{rule}; write {words[v.strip().lower()]}" for v in values[rows].unique() if v.strip().lower() in words
        }
        return Broken((column,), np.flatnonzero(rows), rule, of_value=said)

    def _alike(self, column: str) -> Broken:
        """Values that are to the eye the same as another one."""
        text, others = self.text[column], alike(self.text[column])

        def remedy(position: int) -> str:
            value = text.array[position]
            return f"({value!a}) is to the eye the same as {others[value]!a}; write both in one way"

        rule = "is to the eye the same as another value; write both in one way"
        return Broken((column,), np.flatnonzero(text.isin(list(others))), rule, remedy)

    def _paths(self) -> Iterator[Broken]:
        """Paths that are empty or lead to no file, wrong boxes, and a picture that stands in the table twice."""
        path = self.text["path"]
        there, first = find_files(self.root, path)
        distant = np.array(
            [not found and is_address(name) for name, found in zip(path, there, strict=True)], dtype=bool
        )
        closed = distant.copy()
        closed[distant] = [not is_followed(name, self.remote) for name in path[distant]]
        rule = "is an address; embed and evaluate follow those whose scheme and host remote= (--remote) names"
        yield Broken(("path",), np.flatnonzero(closed), rule)
        there |= distant
        bare = path.str.strip()
        known = there | (bare == "").to_numpy() | self.unwritable.get("path", np.zeros(len(path), bool))
        spaced = ~known & (bare != path).to_numpy()
        spaced[spaced] = find_files(self.root, bare[spaced])[0]
        yield _broken(bare == "", "path", "is empty; give the picture's file")
        yield _broken(~known & ~spaced, "path", f"there is no such file below {self.root}")
        rule = "there is no such file, but one without the spaces around the name; remove them"
        yield Broken(("path",), np.flatnonzero(spaced), rule)
        sides = self._sides()
        if sides is not None:
            yield from self._boxes(sides)
        if (first != np.arange(len(first))).any():
            yield self._again(first, pd.DataFrame(index=path.index) if sides is None else sides)

    def _again(self, first: np.ndarray, sides: pd.DataFrame) -> Broken:
        """Rows of a file and a box that an earlier row has too; ``first`` (N,) is the first row of each row's file."""
        path, key = self.text["path"], sides.assign(file=first)
        for column in sides.columns:  # a wrong side is like no other
            wrong = sides[column].isna() & (self.text[column] != "")
            key[column] = sides[column].mask(wrong, pd.Series(-1.0 - np.arange(len(key)), index=key.index))
        group = key.groupby(list(key.columns), sort=False, dropna=False).ngroup().to_numpy()
        earlier = np.unique(group, return_index=True)[1]  # the first row of each group

        def remedy(position: int) -> str:
            other = int(earlier[group[position]])
            row = int(path.index[other]) + self.first_row
            if path.array[other] == path.array[position]:
                return f"stands in the table twice with the same box, first in row {row}; keep one row"
            same = f"is the same picture as {path.array[other]!r} in row {row}, with the same box"
            return f"{same}: it would find itself; keep one row"

        rule = "stands in the table twice with the same box; keep one row"
        return Broken(("path",), np.flatnonzero(key.duplicated()), rule, remedy)

    def _sides(self) -> pd.DataFrame | None:
        """The sides of the boxes as numbers; NaN where one is empty or is no number of pixels."""
        if "x_1" not in self.text:
            return None
        sides = {}
        for column in BOX:
            side = self.text[column]
            sides[column] = pd.to_numeric(side.where(side.str.fullmatch(SIDE))).astype(float)
        return pd.DataFrame(sides)

    def _boxes(self, sides: pd.DataFrame) -> Iterator[Broken]:
        filled = self.text[list(BOX)] != ""
        for column in BOX:
            wrong = filled[column] & sides[column].isna()
            yield _broken(wrong, column, "must be a whole number of pixels from 0 to 999999999")
            together = "is empty while other sides of the box are not; fill or clear all"
            yield _broken(~filled[column] & filled.any(axis=1), column, together)
        good = sides.notna().all(axis=1)
        for low, high in (("x_1", "x_2"), ("y_1", "y_2")):
            turned = np.flatnonzero(good & (sides[low] >= sides[high]))
            yield Broken((low, high), turned, f"{low} must be below {high}")


def _broken(rows: "pd.Series[bool] | np.ndarray", column: str, rule: str) -> Broken:
    return Broken((column,), np.flatnonzero(np.asarray(rows, dtype=bool)).astype(np.int32), rule)
