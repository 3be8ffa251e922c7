"""How vectors are stored in a file: as float32, or in a half or a quarter of that size."""

from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa

from omlzoo.errors import BadInput

__all__ = ["SCALE", "VECTOR", "VectorFormat", "check_form", "pack", "unpack"]

VectorFormat = Literal["float32", "float16", "int8"]
VECTOR, SCALE = "vector", "omlzoo:vector_scale"
LEVELS = 127  # of int8, to either side
TINY = float(np.finfo(np.float32).tiny)
WRONG = 1e-3  # of a row's L2 norm, the largest error in float16


def check_form(form: str) -> None:
    """Raise BadInput for an unknown form."""
    if form not in get_args(VectorFormat):
        raise BadInput(f"form is {form!r}; it must be one of {', '.join(get_args(VectorFormat))}")


def pack(table: pa.Table, vectors: np.ndarray, good: np.ndarray, form: VectorFormat) -> pa.Table:
    """The table with its vectors as a fixed-size list, null where ``good`` (N,) is false.

    float16 rounds to 11 bits, a relative error of at most 5e-4 of each number above 6e-5 and of 3e-8 below; a row whose
    error would be above a thousandth of its L2 norm is refused. int8 rounds each number with an error of at most a
    254th of the row's largest one, which must be 1.5e-36 or more; the scale of each row is a column of its own.

    Args:
        table: N rows.
        vectors: (N, dim) float32.
        good: (N,) bool, whether a row has a vector.
        form: "float32", "float16" or "int8".

    Raises:
        BadInput: There is no such form, or it cannot hold the numbers of a row.
    """
    check_form(form)
    dim = vectors.shape[1]
    flat = np.ascontiguousarray(np.where(good[:, None], vectors, 0), dtype=np.float32)
    if form == "float16":
        with np.errstate(over="ignore"):
            exact, flat = flat, flat.astype(np.float16)
        if not np.isfinite(flat).all():
            raise BadInput(
                "a number of the vectors is above 65,504, the largest of float16; save them as float32 or int8"
            )
        _check_small(exact, flat)
    scale = None
    if form == "int8":
        largest = np.abs(flat).max(axis=1, initial=0)
        small = (largest > 0) & (largest < LEVELS * TINY)
        if small.any():
            raise BadInput(
                f"row {int(small.argmax())}: its largest number is {float(largest[small][0]):.3g}; int8 needs "
                f"{LEVELS * TINY:.2g} or more, save the vectors as float32"
            )
        scale = largest / LEVELS
        flat = np.round(flat / np.where(scale > 0, scale, 1)[:, None]).astype(np.int8)
    lists = pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel()), dim, mask=pa.array(~good))
    table = table.append_column(VECTOR, lists)
    return table if scale is None else table.append_column(SCALE, pa.array(scale.astype(np.float32)))


def _check_small(exact: np.ndarray, halves: np.ndarray) -> None:
    """Refuse rows (N, D) of which float16 loses much, because their numbers are below its normal range."""
    with np.errstate(over="ignore", under="ignore"):
        norms = np.linalg.norm(exact, axis=1)
    short = np.flatnonzero(norms < 1e-4 * np.sqrt(exact.shape[1]))  # others lose 3e-8 a number at most, or a 2000th
    rows = exact[short].astype(np.float64)
    lost, lengths = np.linalg.norm(rows - halves[short], axis=1), np.linalg.norm(rows, axis=1)
    wrong = np.flatnonzero(lost > WRONG * lengths)
    if len(wrong):
        first = wrong[0]
        raise BadInput(
            f"{len(wrong)} rows are too small for float16: row {short[first]} of the L2 norm {lengths[first]:.3g} "
            f"would change by {lost[first] / lengths[first]:.1%} of it, the most is {WRONG:.1%}; save them as float32"
        )


def unpack(table: pa.Table, vectors: np.ndarray) -> None:
    """Take the vectors out of a table, NaN where there is none.

    Args:
        table: N rows, with the columns that :func:`pack` appended, in any form.
        vectors: (N, dim) float32, which are overwritten.
    """
    start = 0
    for chunk in table.column(VECTOR).chunks:
        rows: Any = vectors[start : start + len(chunk)]
        kept = chunk.is_valid().to_numpy(zero_copy_only=False) if chunk.null_count else slice(None)
        if chunk.null_count:
            rows[:] = np.nan
        rows[kept] = chunk.flatten().to_numpy(zero_copy_only=False).reshape(-1, vectors.shape[1])
        start += len(chunk)
    if SCALE in table.column_names:
        vectors *= table.column(SCALE).to_numpy()[:, None]
