"""The files of a folder of shards: their names, the columns of ours in them, and which rows were taken out."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from omlzoo.embedding.columns import OURS, is_text
from omlzoo.embedding.embeddings import Embeddings, record_in, rows_in
from omlzoo.embedding.latest_rows import BOX
from omlzoo.embedding.parquet import open_parquet, read_table, write_parquet
from omlzoo.embedding.record import Record
from omlzoo.errors import BadInput

__all__ = [
    "CHANGED",
    "SIZE",
    "number_of",
    "read_columns",
    "read_rows",
    "removed_files",
    "removed_rows",
    "row_files",
    "texts_of",
    "write_removed",
]

SIZE, CHANGED = f"{OURS}file_size", f"{OURS}file_changed_ns"
OLD = {SIZE: "file_size", CHANGED: "file_changed_ns"}  # what earlier versions called them
PLACES, LARGEST = ("shard", "row"), 2**31


def row_files(folder: Path) -> list[Path]:
    """The Parquet files of rows, in the order they were written.

    Raises:
        BadInput: The name of a file begins as theirs do and is another.
    """
    return _numbered(folder, "")


def removed_files(folder: Path) -> list[Path]:
    """The files that say which rows were taken out.

    Raises:
        BadInput: The name of a file begins as theirs do and is another.
    """
    return _numbered(folder, "removed-")


def number_of(path: Path) -> int:
    """The number of a file."""
    return int(path.stem[-8:])


def _numbered(folder: Path, begin: str) -> list[Path]:
    found = sorted(folder.glob(f"{begin}*.parquet" if begin else "[0-9]*.parquet"))
    for path in found:
        if not re.fullmatch(begin + "[0-9]{8}", path.stem):
            raise BadInput(f"{path} is no file of ours: these have numbers of eight digits; remove that file")
    return found


def read_columns(path: Path, record: Record, columns: Sequence[str]) -> pd.DataFrame:
    """Some columns of a file of rows, under the names that they have now; those that it does not have are left out.

    Args:
        path: The file.
        record: The record that it must have.
        columns: Names of columns.

    Raises:
        BadInput: The file is damaged or of another record, or a column of ours is not what it must be.
    """
    with open_parquet(path) as parquet:
        if record_in(parquet) != record:
            raise BadInput("has vectors of other settings than shards.json says; remove that file")
        names = parquet.schema_arrow.names
        there = _names(names)
        wanted = {there[name]: name for name in dict.fromkeys(columns) if name in there}
        found = read_table(parquet, list(wanted))
        table = found.rename_columns(list(wanted.values())).replace_schema_metadata(found.schema.metadata)
        for name in table.column_names:
            _check(table.column(name), name)
        if BOX[0] in wanted.values() and not set(BOX) <= set(wanted.values()):
            raise BadInput(f"has some of the columns {', '.join(BOX)}; all are needed, or none")
        frame: pd.DataFrame = table.to_pandas()
        return frame


def read_rows(path: Path) -> Embeddings:
    """The rows of a file, without the columns of ours.

    Raises:
        BadInput: The file is damaged.
    """
    with open_parquet(path, whole=True) as parquet:
        rows = rows_in(parquet, path)
        if SIZE not in parquet.schema_arrow.names:
            rows = Embeddings(rows.vectors, rows.table.drop(columns=list(OLD.values())), rows.record)
        return rows


def removed_rows(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of the files and of the rows in them that were taken out, two arrays (R,) int64.

    Raises:
        BadInput: A file that says so is damaged.
    """
    places = [[np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]]
    for path in removed_files(folder):
        with open_parquet(path, whole=True) as parquet:
            table = read_table(parquet, PLACES)
            for found, name in zip(places, PLACES, strict=True):
                column = table.column(name)
                if column.type != pa.int64() or column.null_count:
                    raise BadInput(
                        f"its column {name} is of type {column.type}, {column.null_count} missing; remove that file"
                    )
                found.append(column.to_numpy())
                if len(column) and not 0 <= found[-1].min() <= found[-1].max() < LARGEST:
                    raise BadInput(f"its column {name} has numbers that no {name} has; remove that file")
    return np.concatenate(places[0]), np.concatenate(places[1])


def write_removed(folder: Path, files: np.ndarray, rows: np.ndarray) -> None:
    """Say that rows are taken out.

    Args:
        folder: The folder.
        files: (R,) numbers of their files.
        rows: (R,) their numbers in these.
    """
    last = [number_of(path) for path in removed_files(folder)[-1:]]
    path = folder / f"removed-{max(last, default=-1) + 1:08d}.parquet"
    write_parquet(path, pa.table({"shard": files, "row": rows}))


def texts_of(frame: pd.DataFrame, columns: Sequence[str]) -> list[tuple[str, ...]]:
    """The values of each row as text; a column that is not there has none.

    Args:
        frame: N rows.
        columns: Names of columns.
    """
    texts = [frame[name].astype("string").fillna("") if name in frame else [""] * len(frame) for name in columns]
    return list(zip(*texts, strict=True)) if texts else [()] * len(frame)


def _names(names: Sequence[str]) -> dict[str, str]:
    """What each column is called now, and what it is called in a file that has these."""
    if SIZE in names:
        return {name: name for name in names}
    ours = {now: old for now, old in OLD.items() if old in names}
    return {name: name for name in names if name not in ours.values()} | ours


def _check(column: Any, name: str) -> None:
    """Refuse a column by which rows are told apart that is not what it must be."""
    kind = column.type
    right = {"path": is_text(kind), SIZE: kind == pa.int64(), CHANGED: kind == pa.int64()}
    right |= {side: pa.types.is_integer(kind) or pa.types.is_null(kind) for side in BOX}
    if not right.get(name, True) or (name in ("path", SIZE, CHANGED) and column.null_count):
        raise BadInput(f"its column {name} is of type {kind}, {column.null_count} missing; remove that file")
