"""What a table is read from: a csv or Parquet file, or a folder, as a DataFrame of the values that are there."""

import csv
import itertools
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from omlzoo.data.faults import Fault
from omlzoo.data.folder import find_pictures
from omlzoo.data.folder_roles import roles_in
from omlzoo.data.table_rules import COLUMNS, Purpose
from omlzoo.errors import BadInput, BadTable
from omlzoo.files import check_regular

__all__ = ["MOST_COLUMNS", "read_file", "read_folder"]

MOST_COLUMNS = 16_384  # as in a spreadsheet
HELD_OUT = 0.2  # share of the labels that become the validation split of a folder without splits

Read = tuple[pd.DataFrame, tuple[str, ...]]  # the values, and what a user should be told


def read_file(path: Path) -> Read:
    """The values of a csv file as text, those of a Parquet file with their types.

    Raises:
        BadTable: The file cannot be read as a table.
        BadInput: There is no such file, or it is neither csv nor parquet.
    """
    _check_opens(path)
    kind = path.suffix.lower()
    if kind not in (".csv", ".parquet"):
        raise BadInput(f"{path}: a table is a .csv or .parquet file, not {path.suffix or 'one without an ending'}")
    try:
        return (_read_parquet(path), ()) if kind == ".parquet" else _read_csv(path)
    except (BadTable, MemoryError):
        raise
    except UnicodeDecodeError as error:
        raise BadTable(str(path), list(_undecoded(path))) from error
    except Exception as error:  # readers raise anything on damaged files
        reason = " ".join(str(error).split()) or type(error).__name__
        raise BadTable(str(path), [Fault(None, "(all)", path.name, f"cannot be read: {reason}")]) from error


def _check_opens(path: Path) -> None:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:
        message = "there is no such file or folder; give a csv, a parquet file or a folder of pictures"
        raise BadInput(f"{path}: {message}") from error
    except OSError as error:
        raise BadInput(f"{path}: cannot be opened ({error.strerror})") from error
    check_regular(path)


def _read_parquet(path: Path) -> pd.DataFrame:
    with path.open("rb") as opened:
        file = pq.ParquetFile(opened, page_checksum_verification=True)
        _check_width(len(file.schema_arrow.names))
        table = file.read()
    table.validate(full=True)  # or text that is no UTF-8 would be found later, one by one
    frame: pd.DataFrame = table.to_pandas(ignore_metadata=True)
    return frame.drop(columns=[name for name in frame.columns if str(name).startswith("__index_level_")])


def _read_csv(path: Path) -> Read:
    """All values of a csv file as text; blank lines are kept, so that rows keep their numbers."""
    names = _header(path)
    _check_width(len(names))
    twice = sorted({name for name in names if name in COLUMNS and names.count(name) > 1})
    if twice:
        raise BadTable(str(path), [Fault(None, ", ".join(twice), "", "the column stands in the table twice; keep one")])
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # for rows with more values than there are columns
        frame = pd.read_csv(
            path, dtype=str, keep_default_na=False, encoding="utf-8-sig", index_col=False, skip_blank_lines=False
        )
    if len(frame.columns) == 1 and (separators := [mark for mark in ";\t|" if mark in str(frame.columns[0])]):
        raise ValueError(f"its columns are separated by {separators[0]!r}; save it with commas")
    return frame, _broken_lines(path, frame)


def _header(path: Path) -> list[str]:
    """The names of the columns. A first row of more values is refused here, any other by pandas."""
    with path.open("rb") as file:
        if file.read(2) in (b"\xff\xfe", b"\xfe\xff"):
            raise ValueError("it is UTF-16; save it as UTF-8")
    with path.open(encoding="utf-8-sig", newline="") as opened:
        lines = iter(opened)
        names = next(csv.reader(lines), [])
        row = next(lines, "")
        try:
            count = len(next(csv.reader(itertools.chain([row], lines)), []))
        except csv.Error:  # a value of more than 131,072 characters
            count = row.count(",") if row.count(",") > MOST_COLUMNS else 0
    if count > len(names) > 0:
        raise ValueError(f"row 2 has {count:,} values and the header {len(names):,} names; give as many")
    return names


def _check_width(count: int) -> None:
    if count > MOST_COLUMNS:
        raise ValueError(f"it has {count:,} columns; a table has at most {MOST_COLUMNS:,}")


def _broken_lines(path: Path, frame: pd.DataFrame) -> tuple[str, ...]:
    """Notice of a value that goes over more than one line: two stray quotes make one value of all between them."""
    with path.open("rb") as file:
        lines = sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
    if lines <= len(frame) + 1:  # the header, and no line break inside a value
        return ()
    broken = [np.flatnonzero(values.str.contains("\n", regex=False)) for _, values in frame.items()]
    rows = np.unique(np.concatenate(broken))
    if not len(rows):
        return ()
    first = f"row {rows[0] + 2} is the first of {len(rows)} with a line break inside quotes"
    return (f"{path}: {first}; if rows are missing, write a quote that belongs to a value as two quotes",)


def _undecoded(path: Path) -> Iterator[Fault]:
    """A fault for each line that is not UTF-8; of more than a message lists, the first ones."""
    count = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode()
            except UnicodeDecodeError:
                shown = line.decode("utf-8", "backslashreplace").strip()
                yield Fault(number, "(all)", shown, "is not UTF-8; save the table as UTF-8, or rename the file")
                count += 1
                if count == BadTable.listed:
                    return


def read_folder(folder: Path, purpose: Purpose) -> Read:
    """A row for each picture. Its label is the first sub-folder, or the second one below splits and roles.

    Args:
        folder: The folder.
        purpose: What the table is for, which decides its columns.

    Raises:
        BadInput: The folder cannot be opened, or has splits beside other sub-folders.
    """
    found = find_pictures(folder)
    parts = [name.split("/") for name in found.pictures]
    columns: dict[str, list[str]] = {"path": found.pictures}
    roles = roles_in(folder, parts)
    level = 0 if roles is None else 1
    if any(len(p) > level + 1 for p in parts) or purpose != "embed":
        columns["label"] = [p[level] if len(p) > level + 1 else "" for p in parts]
    frame = pd.DataFrame(columns, dtype="str")
    notices = found.notices(folder)
    if purpose == "embed":
        return frame, tuple(notices)
    if len(set(frame["label"])) == 1:
        only = frame["label"].iloc[0]
        notices.append(f"{folder}: all {len(frame)} pictures have the label {only!r}; is the right folder below it?")
    role = np.array(["" if roles is None else roles[p[0]] for p in parts], dtype=object)
    if roles is not None and (set(roles.values()) != {"train"} or purpose == "evaluate"):
        frame["split"] = np.where(role == "train", "train", "validation")
    elif purpose == "evaluate":
        frame["split"] = "validation"
    else:
        labels = sorted(set(frame["label"]))
        count = max(1, round(HELD_OUT * len(labels)))
        held = set(np.random.default_rng(0).permutation(labels)[:count]) if len(labels) > 1 else set()
        frame["split"] = ["validation" if label in held else "train" for label in frame["label"]]
        notices.append(f"{folder}: no split is given, so {count} of {len(labels)} labels were set apart as validation")
    held_out = np.asarray(frame["split"] == "validation")
    flags = {name: np.where(held_out, np.where(role == other, "false", "true"), "")
             for name, other in (("is_query", "gallery"), ("is_gallery", "query"))}  # fmt: skip
    return frame.assign(**flags), tuple(notices)
