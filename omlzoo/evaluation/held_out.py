"""split_table(): which rows of a table are held out, so that nothing that is measured was seen in training."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from omlzoo.curation._grey import ALIKE, SIDE, grey_levels
from omlzoo.curation.outlier_detection import near_duplicates
from omlzoo.data import table as tables
from omlzoo.data.addresses import is_address
from omlzoo.data.equal_files import equal_files
from omlzoo.data.splitting import deal_folds, draw_share, newest, times_of, with_roles
from omlzoo.data.table import Table
from omlzoo.errors import BadInput, UnknownName, notice
from omlzoo.files import new_file
from omlzoo.metrics._folds import join_groups
from omlzoo.ops.all_pairs import say_if_long
from omlzoo.ops.codes import label_codes
from omlzoo.ops.components import components
from omlzoo.ops.nearest import nearest

__all__ = ["TableSplit", "check_ending", "split_table"]

FOLD = "fold"
ENDINGS = (".csv", ".parquet")
TRIES = 10  # searches for copies across the sides before it is given up


@dataclass(frozen=True)
class TableSplit:
    """A table with its split.

    Attributes:
        table: All rows, with the columns split, is_query and is_gallery; of folds those of the first, and "fold".
        facts: What was done and how often: values, groups, what joined them, what is on both sides.
        folds: How many folds there are; None where there is one split.
    """

    table: Table
    facts: dict[str, Any]
    folds: int | None = None

    @property
    def frame(self) -> pd.DataFrame:
        """The rows."""
        return self.table.frame

    def fold(self, number: int) -> pd.DataFrame:
        """The rows with a fold as validation.

        Args:
            number: From 0.

        Raises:
            BadInput: There is no such fold.
        """
        if not 0 <= number < (self.folds or 0):
            raise BadInput(f"fold is {number}; the split has {self.folds or 'no'} folds, counted from 0")
        return with_roles(self.frame, (self.frame[FOLD] == number).to_numpy())

    def save(self, path: str | Path) -> list[Path]:
        """Write the table as csv or Parquet; of folds one file each, ``NAME-0.csv`` and so on.

        Paths stay as they are where the file lies in the folder that they start from, and are made absolute elsewhere.

        Args:
            path: The file.

        Returns:
            The files that were written.

        Raises:
            BadInput: It is neither .csv nor .parquet, or the table that was read.
        """
        path = Path(path)
        check_ending(path)
        names = [path] if self.folds is None else [path.with_stem(f"{path.stem}-{n}") for n in range(self.folds)]
        for name in names:
            if name.exists() and Path(self.table.name).exists() and name.samefile(self.table.name):
                raise BadInput(f"{name} is the table that was read; give another file, which this one does not replace")
        root = self.table.root.resolve()
        moved = path.parent.resolve() != root
        for number, name in enumerate(names):
            frame = self.frame if self.folds is None else self.fold(number)
            if moved:
                frame = frame.assign(path=[each if is_address(each) else str(root / each) for each in frame["path"]])
            with new_file(name) as temporary:
                if name.suffix.lower() == ".csv":
                    frame.to_csv(temporary, index=False)
                else:
                    frame.to_parquet(temporary, index=False)
        return names


def check_ending(path: Path) -> None:
    """Refuse a file that no table could be read from.

    Raises:
        BadInput: It is neither .csv nor .parquet.
    """
    if path.suffix.lower() not in ENDINGS:
        raise BadInput(f"{path}: a table is a .csv or .parquet file; give a name that ends so")


def split_table(
    table: str | Path | pd.DataFrame,
    *,
    by: str = "label",
    validation: float = 0.2,
    folds: int | None = None,
    time: str | None = None,
    since: str | float | None = None,
    seed: int = 0,
    copies: bool = True,
    alike: float = ALIKE,
    root: str | Path | None = None,
) -> TableSplit:
    """Split a table into train and validation rows; what belongs together is on one side.

    Rows belong together that have one value of ``by``, one ``sequence``, files of equal bytes and equal boxes, or
    nearly the same picture; and through each other. So one copy with two labels joins both labels. A split that is
    there already is replaced. Validation rows are query and gallery.

    Args:
        table: A csv or parquet file, a DataFrame, or a folder with a sub-folder per label.
        by: The column whose values lie whole on one side: "label", "category", or any other; "path" for pictures, where
            a label may be on both sides.
        validation: Share of the values of ``by``, or of the rows by time, that is held out, above 0 and below 1.
        folds: Deal the values into that many folds, of which each is the validation of one table.
        time: A column of dates or numbers: the latest rows are held out, and labels may be on both sides.
        since: The first time that is held out, with ``time``; by default that of the share ``validation``.
        seed: Of the order in which groups are drawn.
        copies: Look for nearly equal pictures too, of which all are read; equal files are found in any case.
        alike: Correlation of 32 x 32 grey levels from which on two pictures are copies, above 0 and at most 1.
        root: Where relative paths start; the table's folder by default.

    Raises:
        BadTable: The table has faults.
        UnknownName: It has no such column.
        BadInput: An option breaks its rule, a value of the column is missing, or all rows belong together.
    """
    _check(validation, folds, time, since, alike, by)
    rows = tables.read(table, "split", root)
    for text in rows.notices:
        notice(text)
    frame = rows.frame
    for column in (by,) if time is None else (time,):
        if column not in frame:
            raise UnknownName(f"{rows.name}", column, [str(name) for name in frame.columns])
    if folds is not None and FOLD in frame:
        notice(f"{rows.name}: the column {FOLD} is written by split; the one given is left out")
    units = _units(frame, by) if time is None else np.arange(len(frame))
    times, dated = (None, False) if time is None else times_of(frame[time], time)
    start = None if since is None or time is None else _moment(since, dated, time)
    links = _links(rows, copies, alike)
    groups = units
    for codes in links.groups.values():
        groups = join_groups(groups, codes)
    facts: dict[str, Any] = {"by": by if time is None else f"time, {time}", "seed": seed}
    for _ in range(TRIES):
        if times is not None:
            held, cut = newest(groups, times, validation, start)
            part = held.astype(np.int64)
            facts |= {"since": _written(cut, dated), "earlier rows held out": int((held & (times < cut)).sum())}
        elif folds is None:
            part = draw_share(groups, units, validation, seed).astype(np.int64)
        else:
            part = deal_folds(groups, units, folds, seed)
        pairs = _copies_across(links.vectors, part, alike)
        if not len(pairs):
            break
        # The search among all had missed these.
        groups = join_groups(groups, _several(components(len(groups), *pairs.T)))
    if len(pairs):
        notice(f"{len(pairs)} pictures are on one side and a near copy of them on the other; give another seed")
    held = part == (1 if folds is None else 0)
    facts |= _counts(frame, part, groups, units, links, copies, len(pairs))
    made = with_roles(frame.assign(**({} if folds is None else {FOLD: part})), held)
    return TableSplit(replace(rows, frame=made, notices=()), facts, folds)


def _check(
    validation: float, folds: int | None, time: str | None, since: str | float | None, alike: float, by: str
) -> None:
    if not 0 < validation < 1:
        raise BadInput(f"validation is {validation}; it is a share, above 0 and below 1")
    if not 0 < alike <= 1:
        raise BadInput(f"alike is {alike}; it is a correlation, above 0 and at most 1")
    if folds is not None and time is not None:
        raise BadInput("folds and time are given together; deal folds by a column, or hold out the latest rows")
    if since is not None and time is None:
        raise BadInput("since is given without time; name the column of times")
    if time is not None and by != "label":
        raise BadInput(f"time is given together with by {by!r}; give one of them")


@dataclass(frozen=True)
class _Links:
    """What joins rows: groups (N,) by the name of their kind, -1 for none; and the pictures' grey levels."""

    groups: Mapping[str, np.ndarray]
    vectors: np.ndarray | None


def _links(rows: Table, copies: bool, alike: float) -> _Links:
    groups: dict[str, np.ndarray] = {}
    if "sequence" in rows.frame:
        groups["sequences"] = _several(label_codes(rows.frame["sequence"], "sequences", missing=True)[0])
    files, boxes = rows.files(), rows.boxes()
    equal = pd.DataFrame({"file": equal_files(files), "box": boxes}).groupby(["file", "box"], dropna=False).ngroup()
    groups["equal files"] = _several(equal.to_numpy())
    if not copies:
        return _Links(groups, None)
    vectors = grey_levels(files, boxes)
    usable = np.flatnonzero(np.isfinite(vectors[:, 0]))
    say_if_long("the search for copies", len(usable), len(usable), SIDE**2)
    near = np.full(len(rows), -1)
    if len(usable) > 1:  # for rows of norm 1 the squared distance is twice what the correlation lacks of 1
        for number, group in enumerate(near_duplicates(vectors[usable], float(np.sqrt(max(0.0, 2 - 2 * alike))))):
            near[usable[group]] = number
    groups["near copies"] = near
    return _Links(groups, vectors)


def _several(codes: np.ndarray) -> np.ndarray:
    """The codes, -1 for those that one row has alone; -1 stays."""
    return np.where(np.bincount(codes + 1)[codes + 1] > 1, codes, -1)


def _units(frame: pd.DataFrame, by: str) -> np.ndarray:
    codes = label_codes(frame[by], by, missing=True)[0]
    empty = codes < 0
    if empty.any():
        raise BadInput(f"{by} is empty in {int(empty.sum())} rows, the first number {int(np.argmax(empty))}; fill it, "
                       "or split by another column")  # fmt: skip
    return codes


def _moment(since: str | float, dated: bool, column: str) -> float:
    found, is_date = times_of(pd.Series([since], dtype=object), "since")
    if is_date != dated:
        raise BadInput(f"since is {since!r}, but {column} has {'dates' if dated else 'numbers'}; write it as they are")
    return float(found[0])


def _written(time: float, dated: bool) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if dated else f"{time:g}"


def _copies_across(vectors: np.ndarray | None, part: np.ndarray, alike: float) -> np.ndarray:
    """Pairs (P, 2) of rows of different parts that are copies: each row with its most similar one elsewhere."""
    found = [np.empty((0, 2), dtype=np.int64)]
    if vectors is None:
        return found[0]
    usable = np.isfinite(vectors[:, 0])
    numbers = np.unique(part)
    for number in numbers[1:] if len(numbers) == 2 else numbers:
        here, there = np.flatnonzero(usable & (part == number)), np.flatnonzero(usable & (part != number))
        if len(here) and len(there):
            sides = torch.from_numpy(vectors[here]), torch.from_numpy(vectors[there])
            scores, ids = nearest(*sides, 1, similarity="cosine")
            near = np.flatnonzero(scores[:, 0].numpy() >= alike)
            found.append(np.stack([here[near], there[ids[near, 0].numpy()]], axis=1))
    return np.concatenate(found)


def _counts(
    frame: pd.DataFrame, part: np.ndarray, groups: np.ndarray, units: np.ndarray, links: _Links, copies: bool, left: int
) -> dict[str, Any]:
    """What is kept together, and what is on both sides, as it is in the finished split."""
    labels = label_codes(frame["label"], "labels")[0]
    several = pd.Series(units).groupby(groups).nunique()
    return {
        "values": len(np.unique(units)),
        "groups": len(several),
        "values joined": int(several[several > 1].sum()),
        "largest group": int(several.max()),
        "found": {name: len(np.unique(codes[codes >= 0])) for name, codes in links.groups.items()},
        "labels on both sides": _on_both(labels, part),
        "on both sides": {
            **{name: _on_both(codes, part) for name, codes in links.groups.items()}, **({"pairs of near copies": left}
               if copies else {})},
        "not compared": len(frame) if links.vectors is None else int((~np.isfinite(links.vectors[:, 0])).sum()),
    }  # fmt: skip


def _on_both(codes: np.ndarray, part: np.ndarray) -> int:
    """How many codes have rows of several parts; -1 is none."""
    return int((pd.Series(part[codes >= 0]).groupby(codes[codes >= 0]).nunique() > 1).sum())
