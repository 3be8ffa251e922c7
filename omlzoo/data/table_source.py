"""What a table is read from: a csv or Parquet file, or a folder, as a DataFrame of the values that are there."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from omlzoo.data.containers import open_container
from omlzoo.data.csv_file import MOST_COLUMNS, Written, count_lines, how_written
from omlzoo.data.faults import Fault
from omlzoo.data.folder import find_pictures, passed_over
from omlzoo.data.folder_roles import flat_splits, lone_split, roles_in
from omlzoo.data.swallowed_rows import swallowed_rows, with_line_breaks
from omlzoo.data.table_rules import COLUMNS, Purpose
from omlzoo.errors import BadInput, BadTable
from omlzoo.files import check_regular

__all__ = ["Read", "read_container", "read_file", "read_folder"]

HELD_OUT = 0.2  # share of the labels that become the validation split of a folder without splits


class Read(NamedTuple):
    """What a file or folder holds.

    Attributes:
        frame: The values.
        notices: What a user should be told.
        first_row: The number of the row at position 0: in a csv that of a spreadsheet, where the header is row 1.
        lines: The lines of a csv file, header and all; None for anything else.
    """

    frame: pd.DataFrame
    notices: tuple[str, ...] = ()
    first_row: int = 0
    lines: int | None = None


def read_file(path: Path, root: Path) -> Read:
    """The values of a csv file as text, those of a Parquet file with their types.

    Args:
        path: The file.
        root: The folder that relative paths start from.

    Raises:
        BadTable: The file cannot be read as a table.
        BadInput: There is no such file, or it is neither csv nor parquet.
    """
    _check_opens(path)
    kind = path.suffix.lower()
    if kind not in (".csv", ".parquet"):
        raise BadInput(f"{path}: a table is a .csv or .parquet file, not {path.suffix or 'one without an ending'}")
    try:
        return Read(_read_parquet(path)) if kind == ".parquet" else _read_csv(path, root)
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


def _read_csv(path: Path, root: Path) -> Read:
    """All values of a csv file as text; blank lines are kept, so that rows keep their numbers."""
    written = how_written(path)
    names, first_row = written.names, 2 + written.above
    _check_width(len(names))
    twice = sorted({name for name in names if name in COLUMNS and names.count(name) > 1})
    if twice:
        raise BadTable(str(path), [Fault(None, ", ".join(twice), "", "the column stands in the table twice; keep one")])
    frame = _values(path, written)
    lines = count_lines(path, written.encoding)
    if lines > len(frame) + written.above + written.hidden + 1:  # the header, and no line break inside a value
        faults = list(swallowed_rows(frame, with_line_breaks(frame), written.separator, root, first_row))
        if faults:
            raise BadTable(str(path), faults)
    nameless = [name for name in frame if str(name).startswith("Unnamed: ") and (frame[name].fillna("") == "").all()]
    return Read(frame.drop(columns=nameless), tuple(written.notices(path)), first_row, lines)


def _values(path: Path, written: Written) -> pd.DataFrame:
    """The rows of a csv file, all values as text."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # for rows with more values than there are columns
        opened = path.open(encoding=written.encoding, newline="")
        with opened:
            for _ in range(written.above + written.hidden):
                next(opened)  # which pandas would take for values, quotes and all
            beginning = opened if written.above + written.hidden else path
            frame: pd.DataFrame = pd.read_csv(
                beginning, dtype=str, keep_default_na=False, encoding=written.encoding, sep=written.separator,
                index_col=False, skip_blank_lines=False,
            )  # fmt: skip
    return frame


def _check_width(count: int) -> None:
    if count > MOST_COLUMNS:
        raise ValueError(f"it has {count:,} columns; a table has at most {MOST_COLUMNS:,}")


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
        BadInput: The folder cannot be opened, has splits beside other sub-folders, or splits without labels.
    """
    found = find_pictures(folder)
    parts = [name.split("/") for name in found.pictures]
    frame = pd.DataFrame({"path": found.pictures}, dtype="str")
    return _with_roles(frame, parts, folder, purpose, found.notices(folder))


def read_container(path: Path, purpose: Purpose) -> Read:
    """A row for each picture in an archive or the like, whose ``path`` leads through it: ``photos.zip/shoes/1.jpg``.

    Where it has no column of labels, they are its folders, as those of a folder.

    Args:
        path: The file.
        purpose: What the table is for, which decides its columns.

    Raises:
        BadInput: It is damaged, or has splits beside other folders, or splits without labels.
    """
    check_regular(path)
    frame, said, foldered, passed = open_container(path).contents()
    notices = [*said, *passed_over(path, passed)]
    names = frame["path"].tolist()
    frame = frame.assign(path=[f"{path.name}/{name}" for name in names])
    if foldered and "label" not in frame and names:
        return _with_roles(frame, [name.split("/") for name in names], path, purpose, notices)
    if purpose in ("embed", "split") or "split" in frame or "label" not in frame:
        return Read(frame, tuple(notices))
    return _with_splits(frame, None, [], path, purpose, notices)


def _with_roles(
    frame: pd.DataFrame, parts: list[list[str]], folder: Path, purpose: Purpose, notices: list[str]
) -> Read:
    """The rows (N,) with what the folders on their paths, ``parts``, say: labels, or splits and roles above labels."""
    roles = roles_in(folder, parts)
    if purpose != "embed" and (names := flat_splits(parts)):
        raise BadInput(
            f"{folder}: {', '.join(map(repr, names))} are names of splits, and pictures lie right below them; "
            "put a folder for each label between, or give a csv with the columns label and split"
        )
    level = 0 if roles is None else 1
    if any(len(p) > level + 1 for p in parts) or purpose != "embed":
        labels = [p[level] if len(p) > level + 1 else "" for p in parts]
        frame = frame.assign(label=pd.Series(labels, dtype="str"))
    if roles is None and (lone := lone_split(parts)):
        notices.append(f"{folder}: the sub-folder {lone!r} is taken for a label; for a split, call one beside it test")
    if purpose in ("embed", "split"):
        return Read(frame, tuple(notices))
    return _with_splits(frame, roles, parts, folder, purpose, notices)


def _with_splits(
    frame: pd.DataFrame,
    roles: dict[str, str] | None,
    parts: list[list[str]],
    folder: Path,
    purpose: Purpose,
    notices: list[str],
) -> Read:
    """The rows, which have labels, with splits and flags: by the roles of their folders, or set apart here."""
    if len(set(frame["label"])) == 1:
        only = frame["label"].iloc[0]
        notices.append(f"{folder}: all {len(frame)} pictures have the label {only!r}; is the right folder below it?")
    role = np.array([""] * len(frame) if roles is None else [roles[p[0]] for p in parts], dtype=object)
    if roles is not None and (set(roles.values()) != {"train"} or purpose == "evaluate"):
        frame["split"] = np.where(role == "train", "train", "validation")
    elif purpose == "evaluate":
        frame["split"] = "validation"
    else:
        labels = sorted(set(frame["label"]), key=str)
        count = max(1, round(HELD_OUT * len(labels)))
        held = set(np.random.default_rng(0).permutation(labels)[:count]) if len(labels) > 1 else set()
        frame["split"] = ["validation" if label in held else "train" for label in frame["label"]]
        notices.append(f"{folder}: no split is given, so {count} of {len(labels)} labels were set apart as validation")
    held_out = np.asarray(frame["split"] == "validation")
    flags = {name: np.where(held_out, np.where(role == other, "false", "true"), "")
             for name, other in (("is_query", "gallery"), ("is_gallery", "query"))}  # fmt: skip
    return Read(frame.assign(**flags), tuple(notices))
