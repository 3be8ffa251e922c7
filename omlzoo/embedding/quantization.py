"""How vectors are stored in a file: as float32, or in a half or a quarter of that size."""

from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa

from omlzoo.errors import BadInput

__all__ = ["SCALE", "VECTOR", "VectorFormat", "check_form", "pack", "unpack"]

VectorFormat = Literal["float32", "float16", "int8"]
VECTOR, SCALE = "vector", "omlzoo:vector_scale"
LEVELS = 127  # of int8, to either side


def check_form(form: str) -> None:
    """Raise BadInput for an unknown form."""
    if form not in get_args(VectorFormat):
        raise BadInput(f"form is {form!r}; it must be one of {', '.join(get_args(VectorFormat))}")


def pack(table: pa.Table, vectors: np.ndarray, good: np.ndarray, form: VectorFormat) -> pa.Table:
    """The table with its vectors as a fixed-size list, null where ``good`` (N,) is false.

    float16 rounds to 11 bits, a relative error of at most 5e-4 of each number. int8 rounds each number with an error of
    at most a 254th of the row's largest one; the scale of each row is a column of its own.

    Args:
        table: N rows.
        vectors: (N, dim) float32.
        good: (N,) bool, whether a row has a vector.
        form: "float32", "float16" or "int8".

    Raises:
        BadInput: There is no such form, or a number is above the largest of float16.
    """
    check_form(form)
    dim = vectors.shape[1]
    flat = np.ascontiguousarray(np.where(good[:, None], vectors, 0), dtype=np.float32)
    if form == "float16":
        with np.errstate(over="ignore"):
            flat = flat.astype(np.float16)
        if not np.isfinite(flat).all():
            raise BadInput(
                "a number of the vectors is above 65,504, the largest of float16; save them as float32 or int8"
            )
    scale = None
    if form == "int8":
        scale = np.abs(flat).max(axis=1) / LEVELS
        flat = np.round(flat / np.where(scale > 0, scale, 1)[:, None]).astype(np.int8)
    lists = pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel()), dim, mask=pa.array(~good))
    table = table.append_column(VECTOR, lists)
    return table if scale is None else table.append_column(SCALE, pa.array(scale.astype(np.float32)))


def unpack(table: pa.Table, dim: int) -> tuple[pa.Table, np.ndarray]:
    """The table without its vectors, and the vectors (N, dim) float32, NaN where there is none.

    Args:
        table: N rows that :func:`pack` returned, in any form.
        dim: Dimension of the vectors.
    """
    vectors = np.full((len(table), dim), np.nan, dtype=np.float32)
    start = 0
    for chunk in table.column(VECTOR).chunks:
        rows: Any = vectors[start : start + len(chunk)]
        kept = chunk.is_valid().to_numpy(zero_copy_only=False) if chunk.null_count else slice(None)
        rows[kept] = chunk.flatten().to_numpy(zero_copy_only=False).reshape(-1, dim)
        start += len(chunk)
    if SCALE in table.column_names:
        vectors *= table.column(SCALE).to_numpy()[:, None]
        table = table.drop_columns([SCALE])
    return table.drop_columns([VECTOR]), vectors
