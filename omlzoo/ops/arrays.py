"""Rows of numbers as arrays, refused by name where an answer would be wrong. Nothing here imports torch."""

from typing import NoReturn

import numpy as np

from omlzoo.errors import BadInput

__all__ = ["LARGEST", "as_array", "check_array", "check_shape", "refuse_rows"]

LARGEST = 1e15  # largest number whose squares, summed over a row, stay in float32


def as_array(values: object, name: str) -> np.ndarray:
    """Rows as an array of float32, or of float64 where they are, or where float32 would round them.

    Args:
        values: (N, D): an array or a list of lists, of real numbers.
        name: What to call the rows in messages.

    Raises:
        BadInput: They are not real numbers in rows of equal length.
    """
    if hasattr(values, "toarray"):
        raise BadInput(f"{name} are sparse ({type(values).__name__}); give them as .toarray()")
    if np.ma.is_masked(values):
        raise BadInput(f"{name} are an array of which some numbers are masked; fill them, or leave those rows out")
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:  # rows of different lengths, or what is no number
        raise BadInput(f"{name} are no rows of numbers of equal length ({error}); give an array (rows, dim)") from error
    if array.dtype.kind not in "fiu":
        raise BadInput(f"{name} are of the kind {array.dtype}; give real numbers, such as float32")
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float64 if array.dtype.itemsize > 4 else np.float32)
    check_shape(array.shape, name)
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))


def check_shape(shape: tuple[int, ...], name: str) -> None:
    """Refuse numbers that are not in rows.

    Args:
        shape: Their shape.
        name: What to call the rows in messages.

    Raises:
        BadInput: It is not (rows, dim), or rows have no number.
    """
    if len(shape) != 2:
        raise BadInput(f"{name} have the shape {shape}; it must be (rows, dim)")
    if shape[0] and not shape[1]:
        raise BadInput(f"{name} have the shape {shape}; a row needs at least one number")


def check_array(name: str, rows: np.ndarray, remedy: str = "leave those rows out") -> None:
    """Refuse rows (N, D) with a number that is NaN, infinite, or so large that its square would leave float32.

    Args:
        name: Of the rows, for the message.
        rows: (N, D).
        remedy: What to do about rows that are not finite.

    Raises:
        BadInput: A row holds one.
    """
    if rows.size and not (rows.min() >= -LARGEST and rows.max() <= LARGEST):  # NaN anywhere gives NaN
        refuse_rows(name, rows, remedy)


def refuse_rows(name: str, rows: np.ndarray, remedy: str) -> NoReturn:
    """Say which of the rows (N, D) is wrong.

    Args:
        name: Of the rows.
        rows: (N, D), with a number that :func:`check_array` refuses.
        remedy: What to do about rows that are not finite.

    Raises:
        BadInput: Always.
    """
    bad = ~np.isfinite(rows).all(axis=1)
    if bad.any():
        first, problem = int(bad.argmax()), f"{int(bad.sum())} of {len(rows)} rows hold NaN or infinity"
        raise BadInput(f"{name}: {problem}, the first is row {first}; {remedy}")
    largest = np.abs(rows).max(axis=1)
    raise BadInput(
        f"{name}: row {int(largest.argmax())} holds a number of {float(largest.max()):.3g}; squares of numbers above "
        f"{LARGEST:g} leave float32, divide all rows by one number or normalise them"
    )
