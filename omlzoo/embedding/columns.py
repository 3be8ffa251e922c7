"""Our columns beside those of a user's table: the rows of embeddings as a Parquet table, and back, checked.

``path``, ``error`` and ``vector`` are named in the documentation. Every other column of ours begins with ``omlzoo:``,
which no column of a user's table may, so that none of the two is ever taken for the other.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from omlzoo.embedding.quantization import SCALE, VECTOR, VectorFormat, pack, unpack
from omlzoo.embedding.unit_length import make_unit
from omlzoo.errors import BadInput, notice

__all__ = [
    "ERROR",
    "NOT_FINITE",
    "OURS",
    "check_names",
    "check_writable",
    "error_column",
    "from_arrow",
    "from_parts",
    "is_text",
    "split_names",
    "table_from_arrow",
    "table_to_arrow",
    "to_arrow",
]

PATH, ERROR, OURS = "path", "error", "omlzoo:"
OLD_SCALE = "vector_scale"  # what earlier versions called the scale of int8
NOT_FINITE = "the model gave numbers that are not finite"


def check_names(frame: pd.DataFrame, where: str) -> None:
    """Refuse a user's table that has a column of a name of ours.

    Args:
        frame: The table.
        where: Name of the table, for messages.

    Raises:
        BadInput: There is such a column.
    """
    ours = [str(name) for name in frame.columns if str(name).startswith(OURS) or name == VECTOR]
    if ours:
        raise BadInput(f"{where}: the column {ours[0]!r} has a name that omlzoo keeps for itself; rename it")


def check_writable(frame: pd.DataFrame, where: str) -> pa.Table:
    """The columns of a user's table as Parquet takes them.

    Args:
        frame: The table.
        where: Name of the table, for messages.

    Raises:
        BadInput: A column has a name of ours, or cannot be written as Parquet.
    """
    check_names(frame, where)
    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        said = str(error).partition("\n")[0]
        raise BadInput(f"{where}: a column cannot be written as Parquet: {said}; make its values alike") from error


def error_column(errors: Sequence[str], index: pd.Index) -> "pd.Series[str]":
    """The column ``error``. Names of files in it that are no UTF-8 are written with escapes.

    Args:
        errors: (N,) texts.
        index: The index of the table, (N,).
    """
    texts = [error.encode("utf-8", "backslashreplace").decode() for error in errors]
    return pd.Series(texts, dtype="str", index=index)


def table_to_arrow(frame: pd.DataFrame) -> pa.Table:
    """The table of embeddings, without vectors, as Parquet takes it.

    Raises:
        BadInput: A column has a name of ours or cannot be written, or "path" or "error" is missing or has missing
            values.
    """
    table = check_writable(frame, "the embeddings")
    _check_texts(table)
    return table


def table_from_arrow(rest: pa.Table) -> pd.DataFrame:
    """The table of embeddings that :func:`table_to_arrow` made, or an earlier version, without columns of ours.

    Raises:
        BadInput: A column is missing, or is not what it must be.
    """
    _check_texts(rest)
    rest = rest.drop_columns([name for name in rest.column_names if name.startswith(OURS)])
    frame: pd.DataFrame = rest.to_pandas()
    if list(map(str, frame.columns)) != rest.column_names:
        raise BadInput("its description of the table is damaged; embed again")
    return frame


def to_arrow(
    frame: pd.DataFrame, vectors: np.ndarray, form: VectorFormat, ours: Mapping[str, np.ndarray] | None = None
) -> pa.Table:
    """Rows as a Parquet table.

    Args:
        frame: N rows with "path" and "error".
        vectors: (N, dim) float32.
        form: Form of the vectors.
        ours: Further columns of ours, (N,) each, by names that begin with ``omlzoo:``.

    Raises:
        BadInput: A column has a name of ours or cannot be written, "path" or "error" is missing or has missing values,
            or a row without an error has numbers that are not finite.
    """
    table = table_to_arrow(frame)
    good = np.asarray(frame[ERROR].array == "", dtype=bool)
    wrong = np.flatnonzero(good & ~_finite(vectors))
    if len(wrong):
        raise BadInput(f"row {wrong[0]} has a vector that is not finite, and no error; say why in the column {ERROR}")
    for name, values in (ours or {}).items():
        table = table.append_column(name, pa.array(values))
    return pack(table, vectors, good, form)


def from_arrow(table: pa.Table, dim: int, normalized: bool, where: str) -> tuple[pd.DataFrame, np.ndarray]:
    """The table without columns of ours, and the vectors (N, dim) float32, as :func:`from_parts` gives them.

    Args:
        table: What :func:`to_arrow` made, or an earlier version.
        dim: Dimension of the vectors.
        normalized: Whether they have a length of 1.
        where: Name of the file, for messages.

    Raises:
        BadInput: As there.
    """
    rest, ours = split_names(table.schema)
    return from_parts(table.select(rest), [table.select(ours)], dim, normalized, where)


def split_names(schema: pa.Schema) -> tuple[list[str], list[str]]:
    """Names of columns: those beside the vectors, and those that have the vectors.

    Raises:
        BadInput: One is there twice, or there are no vectors.
    """
    names = schema.names
    _check_once(names)
    if len(set(names)) < len(names) or VECTOR not in names:
        raise BadInput(f"its columns are {', '.join(names)[:200]}; each must be there once, and {VECTOR} among them")
    kind = schema.field(VECTOR).type
    old = SCALE not in names and pa.types.is_int8(getattr(kind, "value_type", kind))
    ours = [name for name in names if name in (VECTOR, SCALE) or (old and name == OLD_SCALE)]
    return [name for name in names if name not in ours], ours


def from_parts(
    rest: pa.Table, parts: Iterable[pa.Table], dim: int, normalized: bool, where: str
) -> tuple[pd.DataFrame, np.ndarray]:
    """The table without columns of ours, and the vectors (N, dim) float32, NaN in rows with an error.

    A row whose vector is missing or not finite gets an error if it has none, and it is said.

    Args:
        rest: N rows, the columns beside those of the vectors.
        parts: The columns of the vectors, in parts of consecutive rows, of which one is in memory at a time.
        dim: Dimension of the vectors.
        normalized: Whether they have a length of 1. Smaller forms round; they are scaled again.
        where: Name of the file, for messages.

    Raises:
        BadInput: A column is missing, or is not what it must be.
    """
    frame, rounding = table_from_arrow(rest), 0.0
    vectors, start = np.empty((len(rest), dim), dtype=np.float32), 0
    for part in parts:
        checked = _checked_vectors(part, dim)
        rounding = np.sqrt(dim) / 254 if pa.types.is_int8(checked.schema.field(VECTOR).type.value_type) else 0.0
        unpack(checked, vectors[start : start + len(part)])
        start += len(part)
    vectors[start:] = np.nan
    good = np.asarray(frame[ERROR].array == "", dtype=bool)
    vectors[~good] = np.nan
    wrong = good & ~_finite(vectors)
    if wrong.any():
        vectors[wrong] = np.nan
        frame[ERROR] = frame[ERROR].mask(wrong, NOT_FINITE)
        notice(f"{where}: {wrong.sum()} rows have no error and no finite vector; they have an error now")
    if normalized:
        make_unit(vectors, where, rounding)
    return frame, vectors


def _check_texts(table: pa.Table) -> None:
    _check_once(table.column_names)
    for name in (PATH, ERROR):
        column = table.column(name)
        if not is_text(column.type) or column.null_count:
            raise BadInput(f"the column {name} is of type {column.type}, {column.null_count} missing; it must be text")


def _check_once(names: Sequence[str]) -> None:
    for name in (PATH, ERROR):
        if names.count(name) != 1:
            raise BadInput(f"there {'is no' if name not in names else 'is more than one'} column {name}; one is needed")


def is_text(kind: Any) -> bool:
    """Whether a type of a column is text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _checked_vectors(table: pa.Table, dim: int) -> pa.Table:
    """The table, whose vectors have ``dim`` numbers each, of a form that there is, with a scale where it needs one."""
    names = table.column_names
    column: Any = table.column(VECTOR)
    kind = column.type
    lists = pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind)
    if not lists or not (pa.types.is_floating(kind.value_type) or pa.types.is_int8(kind.value_type)):
        raise BadInput(f"the column {VECTOR} is of type {kind}; it must be lists of float32, float16 or int8")
    lengths = pc.list_value_length(column).drop_null()
    if len(lengths) and not pc.all(pc.equal(lengths, dim)).as_py():
        raise BadInput(f"a vector has not {dim} numbers, which the record says")
    if any(chunk.flatten().null_count for chunk in column.chunks):
        raise BadInput("a number of a vector is missing")
    if not pa.types.is_int8(kind.value_type):
        return table
    if SCALE not in names:
        renamed = table.rename_columns([SCALE if name == OLD_SCALE else name for name in names])
        table = renamed.replace_schema_metadata(table.schema.metadata)
    scale = table.column(SCALE) if SCALE in table.column_names else None
    if scale is None or not pa.types.is_floating(scale.type) or scale.null_count:
        raise BadInput(f"vectors as int8 need a column of their scales, {SCALE}, without missing values")
    if not (scale.to_numpy() >= 0).all():
        raise BadInput("a scale of a vector is below 0 or no number")
    return table


def _finite(vectors: np.ndarray) -> np.ndarray:
    """Whether all numbers of each row are finite, (N,) bool, without a copy of the vectors."""
    with np.errstate(over="ignore", invalid="ignore"):
        finite = np.isfinite(np.einsum("ij,ij->i", vectors, vectors))
    unsure = np.flatnonzero(~finite)  # a square may overflow where its number is finite
    finite[unsure] = np.isfinite(vectors[unsure]).all(axis=1)
    return np.asarray(finite)
