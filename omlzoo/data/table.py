"""The table of pictures, which is read from a csv or parquet file, a DataFrame or a folder and checked as a whole.

All faults are found and reported at once. Rows of a csv file are numbered as in a spreadsheet, where the header is row
1; rows of other tables are numbered from 0.
"""

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from omlzoo.data.images import Box, check_box, find_pictures, read_size
from omlzoo.data.table_rules import BOX, TRUE, Fault, Lint, Purpose
from omlzoo.errors import BadImage, BadInput, BadTable

__all__ = ["COLUMNS", "Table", "find_faults", "read"]

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
)
HELD_OUT_NAMES = ("validation", "val", "valid", "test")  # folders beside "train" that become the validation split
HELD_OUT = 0.2  # share of the labels that become the validation split of a folder without splits

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
    """

    frame: pd.DataFrame
    root: Path
    name: str
    notices: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.frame)

    def files(self) -> list[Path]:
        """The picture file of each row."""
        return [self.root / path for path in self.frame["path"]]

    def boxes(self) -> list[Box | None]:
        """The crop box of each row as (left, top, right, bottom) in pixels; None for the whole picture."""
        if "x_1" not in self.frame:
            return [None] * len(self)
        sides = self.frame[["x_1", "y_1", "x_2", "y_2"]].itertuples(index=False)
        return [None if pd.isna(box[0]) else (int(box[0]), int(box[1]), int(box[2]), int(box[3])) for box in sides]

    def rows(self, keep: np.ndarray) -> "Table":
        """A table of the rows where ``keep`` (N,) bool is true."""
        return Table(self.frame[keep].reset_index(drop=True), self.root, self.name, self.notices)


def read(source: Source, purpose: Purpose, root: str | Path | None = None) -> Table:
    """Read and check a table.

    Args:
        source: A csv or parquet file, a DataFrame, or a folder, which has a sub-folder for each label if labels are
            needed.
        purpose: What the table is for, which decides what it must have: "embed" needs paths only; "evaluate" also needs
            label, split, is_query, is_gallery and validation rows; "train" also needs train rows.
        root: The folder that relative paths start from. None is the folder of the table, or the working directory for
            a DataFrame.

    Raises:
        BadTable: The table has faults; all of them are listed.
        BadInput: There is no such file or folder, or the file is neither csv nor parquet.
    """
    text, table = _load(source, purpose, root)
    faults = list(_lint(text, table).faults(purpose))
    if faults:
        raise BadTable(table.name, _in_order(faults))
    frame = _typed(text, table.frame).reset_index(drop=True)
    return Table(frame, table.root, table.name, table.notices)


def find_faults(source: Source, root: str | Path | None = None) -> list[Fault]:
    """All faults of a table for training and evaluation, including unreadable pictures and wrong boxes.

    Of the pictures only the headers are read.

    Args:
        source: A csv or parquet file, a DataFrame, or a folder with a sub-folder for each label.
        root: The folder that relative paths start from. None is the folder of the table, or the working directory for
            a DataFrame.

    Raises:
        BadInput: There is no such file or folder, or the file is neither csv nor parquet.
    """
    try:
        text, table = _load(source, "check", root)
    except BadTable as error:
        return [fault for fault in error.faults if isinstance(fault, Fault)]
    faults = list(_lint(text, table).faults("check"))
    if not any(fault.row is None for fault in faults):
        faulty = np.isin(text.index.to_numpy() + _first_row(table), [fault.row or 0 for fault in faults])
        faults += _picture_faults(text[~faulty], table)
    return _in_order(faults)


def _picture_faults(text: pd.DataFrame, table: Table) -> Iterator[Fault]:
    """Faults of pictures whose header cannot be read and of boxes outside them, for the rows of ``text``."""
    rows = Table(_typed(text, table.frame.loc[text.index]), table.root, table.name)
    for position, path, file, box in zip(text.index, text["path"], rows.files(), rows.boxes(), strict=True):
        try:
            size = read_size(file)
            if box is not None:
                check_box(box, size, str(file))
        except BadImage as error:
            reason = str(error).removeprefix(f"{file}: ")
            column = ", ".join(BOX) if reason.startswith("the box") else "path"
            yield Fault(int(position) + _first_row(table), column, path, reason)


def _in_order(faults: list[Fault]) -> list[Fault]:
    """Faults sorted by row, then by column; those of the whole table come first."""
    order = {column: number for number, column in enumerate(COLUMNS)}
    return sorted(faults, key=lambda f: (-1 if f.row is None else f.row, order.get(f.column.split(",")[0], -1)))


def _load(source: Source, purpose: Purpose, root: str | Path | None) -> tuple[pd.DataFrame, Table]:
    """The source with all values as text, which is empty where a value is missing, and with its own values."""
    if isinstance(source, pd.DataFrame):
        return _own(source.reset_index(drop=True), Path(root or "."), "the DataFrame")
    path = Path(source)
    if path.is_dir():
        frame, notices = _folder(path, purpose)
        return _text(frame), Table(frame, Path(root or path), str(path), notices)
    if not path.is_file():
        raise BadInput(f"{path}: there is no such file or folder; give a csv, a parquet file or a folder of pictures")
    if path.suffix.lower() not in (".csv", ".parquet"):
        raise BadInput(f"{path}: a table is a .csv or .parquet file, not {path.suffix or 'one without an ending'}")
    try:
        frame = pd.read_parquet(path) if path.suffix.lower() == ".parquet" else _read_csv(path)
    except (ValueError, OSError, pd.errors.ParserError, pd.errors.ParserWarning) as error:
        raise BadTable(str(path), [Fault(None, "(all)", path.name, f"cannot be read: {error}")]) from error
    return _own(frame, Path(root or path.parent), str(path))


def _own(frame: pd.DataFrame, root: Path, name: str) -> tuple[pd.DataFrame, Table]:
    """The table without the columns that this package writes, and without blank rows."""
    twice = sorted(set(frame.columns[frame.columns.duplicated()].map(str)))
    if twice:
        raise BadTable(name, [Fault(None, ", ".join(twice), "", "the column stands in the table twice; keep one")])
    ours = [column for column in ("vector", "error") if column in frame]
    notices = [f"{name}: the columns {', '.join(ours)} are written by embed; those given are left out"] * bool(ours)
    frame = frame.drop(columns=ours)
    text = _text(frame)
    blank = (text == "").all(axis=1) & bool(len(text.columns))
    return text[~blank], Table(frame[~blank], root, name, tuple(notices))


def _read_csv(path: Path) -> pd.DataFrame:
    """All values of a csv file as text; blank lines are kept, so that rows keep their numbers."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # for rows with more values than there are columns
        frame = pd.read_csv(
            path, dtype=str, keep_default_na=False, encoding="utf-8-sig", index_col=False, skip_blank_lines=False
        )
    if len(frame.columns) == 1 and (separators := [mark for mark in ";\t|" if mark in str(frame.columns[0])]):
        raise ValueError(f"its columns are separated by {separators[0]!r}; save it with commas")
    return frame


def _folder(folder: Path, purpose: Purpose) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """A row for each picture. Its label is the first sub-folder, or the second one below train and validation."""
    pictures, others = find_pictures(folder)
    parts = [path.relative_to(folder).parts for path in pictures]
    columns: dict[str, list[str]] = {"path": ["/".join(p) for p in parts]}
    tops = {p[0] for p in parts}
    split = "train" in tops and len(tops) > 1 and tops <= {"train", *HELD_OUT_NAMES}
    level = 1 if split else 0
    if any(len(p) > level + 1 for p in parts) or purpose != "embed":
        columns["label"] = [p[level] if len(p) > level + 1 else "" for p in parts]
    frame = pd.DataFrame(columns, dtype=object)
    notices = [f"{folder}: {others} files are no pictures and were passed over"] * bool(others)
    if purpose == "embed":
        return frame, tuple(notices)
    if split:
        frame["split"] = ["train" if p[0] == "train" else "validation" for p in parts]
    elif purpose == "evaluate":
        frame["split"] = "validation"
    else:
        labels = sorted(set(frame["label"]))
        count = max(1, round(HELD_OUT * len(labels)))
        held = set(np.random.default_rng(0).permutation(labels)[:count]) if len(labels) > 1 else set()
        frame["split"] = ["validation" if label in held else "train" for label in frame["label"]]
        notices.append(f"{folder}: no split is given, so {count} of {len(labels)} labels were set apart as validation")
    flags = np.where(frame["split"] == "validation", "true", "")
    return frame.assign(is_query=flags, is_gallery=flags), tuple(notices)


def _lint(text: pd.DataFrame, table: Table) -> Lint:
    return Lint(text, table.root, table.name, _first_row(table))


def _first_row(table: Table) -> int:
    return 2 if table.name.lower().endswith(".csv") else 0


def _text(frame: pd.DataFrame) -> pd.DataFrame:
    """The known columns as text, "" for missing values, floats that are whole numbers without a decimal point."""
    columns = {}
    for column in (c for c in frame.columns if c in COLUMNS):
        values = frame[column]
        empty = values.isna()
        if pd.api.types.is_float_dtype(values):
            values = values.map(lambda v: str(int(v)) if float(v).is_integer() else str(v), na_action="ignore")
        columns[str(column)] = values.astype(object).where(~empty, "").map(str).str.strip()
    text = pd.DataFrame(columns, index=frame.index, dtype=object)
    unknown = {str(c): "" for c in frame.columns if c not in COLUMNS}
    return text.assign(**unknown)  # only the names, from which similar ones to a missing column are suggested


def _typed(text: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    """The frame with its known columns converted to their types."""
    typed = frame.copy()
    for column in (c for c in COLUMNS if c in text):
        value = text[column]
        if column in BOX:
            typed[column] = pd.to_numeric(value.where(value != ""), errors="coerce").astype("Int64")
        elif column in ("is_query", "is_gallery"):
            typed[column] = value.str.lower().isin(TRUE)
        elif column in ("label", "category", "sequence"):
            typed[column] = _ids(value)
        else:
            typed[column] = value.astype("str")
    return typed


def _ids(value: "pd.Series[str]") -> "pd.Series[str] | pd.Series[int]":
    """The ids as integers if all are written as integers, else as text; "007" is text."""
    if len(value) and value.str.fullmatch(r"0|-?[1-9]\d{0,17}").all():
        return value.astype("int64")
    return value.astype("str")
