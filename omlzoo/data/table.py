"""The table of pictures, which is read from a csv or parquet file, a DataFrame or a folder and checked as a whole.

All faults are found and reported at once. Rows of a csv file are numbered as in a spreadsheet, where the header is row
1; rows of other tables are numbered from 0.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from omlzoo.catalog import shared
from omlzoo.data.addresses import Named, as_named, is_address, late_picture
from omlzoo.data.containers import is_container
from omlzoo.data.csv_file import MOST_COLUMNS
from omlzoo.data.faults import Broken, Fault, Faults
from omlzoo.data.images import Box, check_box, read_size
from omlzoo.data.late_picture import Picture
from omlzoo.data.remarks import Remarks
from omlzoo.data.table_cells import as_text, as_typed
from omlzoo.data.table_hints import emptied, near_misses, shared_bursts
from omlzoo.data.table_rules import BOX, COLUMNS, ROLES, Lint, Purpose
from omlzoo.data.table_source import Read, read_container, read_file, read_folder
from omlzoo.data.written_text import escaped, is_writable
from omlzoo.errors import BadImage, BadInput, BadTable

__all__ = ["Table", "find_faults", "read"]

Source = str | Path | pd.DataFrame


@dataclass(frozen=True)
class Table:
    """A checked table of pictures.

    Attributes:
        frame: A row for each picture, with index 0 to N - 1. The columns are those of the source, with known types:
            label is int or str, is_query and is_gallery are bool, the columns of boxes are Int64.
        root: The folder that relative paths start from.
        name: The name of the file or folder, for messages.
        notices: Messages that a user should get once, such as about files that were passed over.
        lines: The lines of the csv file that was read, header and all; None for anything else.
        remote: Schemes and hosts of addresses in ``path`` that are followed, such as "s3://shop-photos".
    """

    frame: pd.DataFrame
    root: Path
    name: str
    notices: tuple[str, ...] = ()
    lines: int | None = None
    remote: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.frame)

    def _repr_html_(self) -> str:
        return str(shared("pages.notebook", "table_html")(self))

    def files(self) -> list[Path]:
        """The picture file of each row."""
        return [self.root / path for path in self.frame["path"]]

    def pictures(self) -> list[Picture]:
        """What the picture of each row is read from: its file, or its address when its turn comes."""
        return [
            late_picture(path, self.remote) if is_address(path) else self.root / path for path in self.frame["path"]
        ]

    def boxes(self) -> list[Box | None]:
        """The crop box of each row as (left, top, right, bottom) in pixels; None for the whole picture."""
        if "x_1" not in self.frame:
            return [None] * len(self)
        sides = self.frame[["x_1", "y_1", "x_2", "y_2"]].itertuples(index=False)
        return [None if pd.isna(box[0]) else (int(box[0]), int(box[1]), int(box[2]), int(box[3])) for box in sides]

    def masks(self) -> list[Path | None]:
        """The label image of each row; None where it has none."""
        names = self.frame["mask"] if "mask" in self.frame else [""] * len(self)
        return [self.root / name if name else None for name in names]

    def rows(self, keep: np.ndarray) -> "Table":
        """A table of the rows where ``keep`` (N,) bool is true."""
        return replace(self, frame=self.frame[keep].reset_index(drop=True), lines=None)

    def part(self, rows: np.ndarray | slice) -> "Table":
        """A table of some rows, by their numbers, without what a user should be told of all."""
        return replace(self, frame=self.frame.iloc[rows], notices=(), lines=None)


def read(source: Source, purpose: Purpose, root: str | Path | None = None, remote: Named = None) -> Table:
    """Read and check a table.

    Args:
        source: A csv or parquet file, a DataFrame, or a folder, which has a sub-folder for each label if labels are
            needed.
        purpose: What the table is for, which decides what it must have: "embed" needs paths only; "evaluate" also needs
            label, split, is_query, is_gallery and validation rows; "train" also needs train rows; "split" needs
            labels and passes over the splits that are there.
        root: The folder that relative paths start from. None is the folder of the table, or the working directory for
            a DataFrame.
        remote: Schemes and hosts of addresses that are followed, such as "s3://shop-photos"; none by default.

    Raises:
        BadTable: The table has faults; all of them are listed.
        BadInput: There is no such file or folder, the file is neither csv nor parquet, or memory does not suffice.
    """
    with _memory(source):
        loaded = _load(source, purpose, root, as_named(remote))
        faults = loaded.lint.faults(purpose)
        if faults:
            raise BadTable(loaded.lint.name, faults)
        return loaded.table()


def find_faults(source: Source, root: str | Path | None = None) -> Sequence[Fault]:
    """All faults of a table for training and evaluation, including unreadable pictures and wrong boxes.

    Of the pictures only the headers are read.

    Args:
        source: A csv or parquet file, a DataFrame, or a folder with a sub-folder for each label.
        root: The folder that relative paths start from. None is the folder of the table, or the working directory for
            a DataFrame.

    Raises:
        BadInput: There is no such file or folder, the file is neither csv nor parquet, or memory does not suffice.
    """
    with _memory(source):
        try:
            loaded = _load(source, "check", root)
        except BadTable as error:
            return [fault for fault in error.faults if isinstance(fault, Fault)]
        faults = loaded.lint.faults("check")
        if faults.whole:
            return faults
        pictures = _picture_faults(loaded, ~faults.faulty())
        return Faults([], loaded.lint.text, loaded.lint.first_row, [*faults.broken, *pictures])


@contextmanager
def _memory(source: Source) -> Iterator[None]:
    try:
        yield
    except MemoryError as error:
        name = "the DataFrame" if isinstance(source, pd.DataFrame) else source
        raise BadInput(f"{name}: there is not enough memory to read it; split the table into smaller ones") from error


def _picture_faults(loaded: "_Loaded", keep: np.ndarray) -> Iterator[Broken]:
    """Faults of pictures whose header cannot be read and of boxes outside them, for some rows of the text."""
    positions, rows = np.flatnonzero(keep), loaded.table(keep)
    reasons: dict[str, dict[int, str]] = {"path": {}, "box": {}}
    remarks = Remarks()
    for position, file, box in zip(positions.tolist(), rows.files(), rows.boxes(), strict=True):
        try:
            size = read_size(file, remarks)
        except BadImage as error:
            reasons["path"][position] = str(error).removeprefix(f"{file}: ")
            continue
        try:
            if box is not None:
                check_box(box, size, str(file))
        except BadImage as error:
            reasons["box"][position] = str(error).removeprefix(f"{file}: ")
    remarks.say()
    unread, outside = reasons["path"], reasons["box"]
    yield Broken(("path",), np.array(list(unread), int), "the picture cannot be read", unread.__getitem__)
    yield Broken(BOX, np.array(list(outside), int), "the box is not inside the picture", outside.__getitem__)


@dataclass(frozen=True)
class _Loaded:
    """A source before it is checked: its known columns as text in ``lint``, the others with their own values.

    A value is kept once, as there may be many millions.
    """

    lint: Lint
    others: pd.DataFrame
    order: list[str]  # of all columns
    notices: tuple[str, ...] = ()
    lines: int | None = None

    def table(self, keep: np.ndarray | None = None) -> Table:
        """The table of the rows where ``keep`` (N,) bool is true, of all by default."""
        text, others = self.lint.text, self.others
        if keep is not None:
            text, others = text[keep], others[keep]
        typed = pd.concat([as_typed(text), others], axis=1)[self.order].reset_index(drop=True)
        return Table(typed, self.lint.root, self.lint.name, self.notices, self.lines, tuple(self.lint.remote))


def _load(source: Source, purpose: Purpose, root: str | Path | None, remote: tuple[str, ...] = ()) -> _Loaded:
    if isinstance(source, pd.DataFrame):
        return _own(Read(source.reset_index(drop=True)), Path(root or "."), "the DataFrame", purpose, remote)
    if not isinstance(source, str | Path):
        raise BadInput(f"a table is a csv or parquet file, a folder or a DataFrame, not {type(source).__name__}")
    path = Path(source)
    if os.path.isdir(path):  # where Path.is_dir raises errors
        frame, notices, *_ = read_folder(path, purpose)
        return _Loaded(Lint(as_text(frame), Path(root or path), str(path), 0), frame[[]], list(frame.columns), notices)
    if is_container(path):
        return _own(read_container(path, purpose), path.parent, str(path), purpose)
    root = Path(root or path.parent)
    return _own(read_file(path, root), root, str(path), purpose, remote)


def _own(source: Read, root: Path, name: str, purpose: Purpose, remote: tuple[str, ...] = ()) -> _Loaded:
    """The table without the columns that this package writes, and without blank rows."""
    frame, notices = source.frame, source.notices
    if len(frame.columns) > MOST_COLUMNS:
        message = f"it has {len(frame.columns):,} columns; a table has at most {MOST_COLUMNS:,}"
        raise BadTable(name, [Fault(None, "(all)", name, message)])
    if frame.columns.nlevels > 1:
        message = f"the columns have names of {frame.columns.nlevels} levels; give each one name"
        raise BadTable(name, [Fault(None, "(all)", name, message)])
    twice = sorted(set(frame.columns[frame.columns.duplicated()].map(str)))
    if twice:
        raise BadTable(name, [Fault(None, ", ".join(twice), "", "the column stands in the table twice; keep one")])
    for ours, act in ((("vector", "error"), "embed"), (ROLES if purpose == "split" else (), "split")):
        if given := [column for column in ours if column in frame]:
            notices += (f"{name}: the columns {', '.join(given)} are written by {act}; those given are left out",)
            frame = frame.drop(columns=given)
    order = list(frame.columns)
    others = [column for column in order if column not in COLUMNS]
    frame, unwritable = _escaped(frame, others, name)
    text, rest = as_text(frame), frame[others]
    first, lines = source.first_row, source.lines
    del frame, source  # or its memory would be held until the end of the check
    blank = (text == "").all(axis=1).to_numpy() & bool(len(text.columns))
    if blank.any():
        values = rest[blank]
        blank[blank] = (values.isna() | (values == "")).all(axis=1)
    if blank.any():
        text, rest = text[~blank], rest[~blank]
        unwritable = {column: rows[~blank] for column, rows in unwritable.items()}
    text, said = emptied(text, name)
    names = [str(column) for column in others]
    notices += (*near_misses(COLUMNS, list(text.columns), names, name), *said, *shared_bursts(text, name))
    return _Loaded(Lint(text, root, name, first, names, unwritable, remote), rest, order, notices, lines)


def _escaped(frame: pd.DataFrame, others: list[str], name: str) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """The table with text that is not UTF-8 as escapes, and in which rows of which known columns there is some."""
    changed: dict[str, pd.Series] = {}
    unwritable: dict[str, np.ndarray] = {}
    for (column, values), kind in zip(frame.items(), frame.dtypes, strict=True):
        if not (isinstance(kind, pd.CategoricalDtype) or pd.api.types.is_object_dtype(kind)):
            continue
        texts = [str(value) if isinstance(value, str | Path) else "" for value in values.astype(object)]
        rows = np.array([not (text.isascii() or is_writable(text)) for text in texts], dtype=bool)
        if rows.any():
            replaced = values.astype(object).to_numpy(copy=True)
            replaced[rows] = [escaped(text) for text, wrong in zip(texts, rows, strict=True) if wrong]
            changed[str(column)] = pd.Series(replaced, index=frame.index, dtype=object)
            unwritable[str(column)] = rows
    wrong = [c for c in others if str(c) in unwritable or not is_writable(str(c))]
    if wrong:
        message = "the column's name or values are not UTF-8, so they cannot be written; rename them"
        raise BadTable(name, [Fault(None, escaped(str(column)), "", message) for column in wrong])
    return frame.assign(**changed) if changed else frame, unwritable
