"""Rows of numbers as callers give them: arrays, tensors or lists, refused by name where an answer would be wrong."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from omlzoo.errors import BadInput
from omlzoo.ops.arrays import LARGEST, as_array, check_shape, refuse_rows

__all__ = ["LARGEST", "Rows", "as_numbers", "as_rows", "check_rows", "conditioned", "half_squares"]

Rows = np.ndarray | Tensor | Sequence[Sequence[float]]

NEAR = 0.9  # share of the longest row from which on the mean makes up most of every row
APART = 1e-9  # share of the longest row below which a row needs float64
BLOCK = 1 << 22  # numbers that are squared at once
USUAL = 2.0**20  # longest rows between this and its inverse need no scaling


def as_numbers(values: Rows, name: str) -> Tensor:
    """Rows (N, D) as float32, or float64 where they are; whether they are finite is not checked.

    Whole numbers are rounded to the nearest of float32, a relative error of at most 6e-8, as numbers of float64 are
    where a search needs float32.

    Args:
        values: (N, D): an array, a tensor or a list of lists, of real numbers.
        name: What to call the rows in messages.

    Raises:
        BadInput: They are not real numbers in rows of equal length.
    """
    rows = values.detach() if isinstance(values, Tensor) else _of_array(values, name)
    if (
        rows.layout != torch.strided
        or rows.is_quantized
        or rows.is_meta
        or rows.is_complex()
        or rows.dtype == torch.bool
    ):
        what = "quantised" if rows.is_quantized else f"{str(rows.layout)[6:]}, {str(rows.dtype)[6:]}, on {rows.device}"
        raise BadInput(f"{name} are a tensor that is {what}; give real numbers in a dense tensor, such as float32")
    check_shape(tuple(rows.shape), name)
    return rows if rows.dtype in (torch.float32, torch.float64) else rows.float()


def as_rows(values: Rows, name: str) -> Tensor:
    """Rows (N, D) as :func:`as_numbers` gives them, all of which can be compared by their distances.

    Args:
        values: (N, D): an array, a tensor or a list of lists, of real numbers.
        name: What to call the rows in messages.

    Raises:
        BadInput: They are not real numbers in rows of equal length, or one is not finite or above 1e15.
    """
    rows = as_numbers(values, name)
    check_rows(name, rows)
    return rows


def check_rows(name: str, rows: Tensor, remedy: str = "leave those rows out") -> None:
    """Refuse rows (N, D) with a number that is NaN, infinite, or so large that its square would leave float32.

    Args:
        name: Of the rows, for the message.
        rows: (N, D).
        remedy: What to do about rows that are not finite.

    Raises:
        BadInput: A row holds one.
    """
    if not rows.numel():
        return
    rows = rows.detach()
    low, high = torch.aminmax(rows)  # one pass; NaN anywhere gives NaN
    if bool((low >= -LARGEST) & (high <= LARGEST)):
        return
    refuse_rows(name, rows.double().cpu().numpy(), remedy)


def half_squares(rows: Tensor) -> Tensor:
    """Half of the squared L2 norms (N,), without a copy of the rows (N, D)."""
    step = max(1, BLOCK // max(1, rows.shape[1]))
    found = rows.new_empty(len(rows))
    for start in range(0, len(rows), step):
        found[start : start + step] = rows[start : start + step].square().sum(dim=1)
    return found.div_(2)


def conditioned(rows: Tensor) -> tuple[Tensor, float, Tensor | None]:
    """Rows for distances by products: without the first where they are all near it, and with lengths near 1.

    Without that, squared norms minus products cancel for rows far from the origin, and squares of numbers around
    1e-25 are 0. Usual rows are returned as they are.

    Args:
        rows: (N, D), float, as :func:`as_rows` gives them.

    Returns:
        (N, D) of the same kind, or float64 where their lengths differ much; the power of two that distances between
        them are larger by; and the row (D,) that was subtracted first, or None.
    """
    shortest, longest = _lengths(rows)
    if not longest:
        return rows, 1.0, None
    if shortest < APART * longest:  # products of the short ones would be lost beside those of the long ones
        rows = rows.double()
    near = float(rows.mean(dim=0, dtype=torch.float64).norm()) > NEAR * longest
    moved = rows - rows[0] if near else rows  # a difference of numbers that are near each other is exact
    longest = _lengths(moved)[1] if near else longest
    factor = 1.0 if not longest or 1 / USUAL < longest < USUAL else 2.0 ** -round(float(np.log2(longest)))
    scaled = moved if factor == 1.0 else (moved.double() * factor).to(rows.dtype)
    return scaled, factor, rows[0] if near else None


def _lengths(rows: Tensor) -> tuple[float, float]:
    """The smallest L2 norm above 0 and the largest; 0 where there is none."""
    norms = torch.linalg.vector_norm(rows, dim=1)
    if not len(norms) or float(norms.min()) < 1e-15:  # squares may have been lost
        norms = torch.linalg.vector_norm(rows, dim=1, dtype=torch.float64)
    norms = norms[norms > 0]
    return (float(norms.min()), float(norms.max())) if len(norms) else (0.0, 0.0)


def _of_array(values: object, name: str) -> Tensor:
    if isinstance(values, list | tuple) and values and all(isinstance(row, Tensor) for row in values):
        rows = [row.detach().cpu() for row in values]  # numpy takes no bfloat16
        values = [row.float() if row.dtype == torch.bfloat16 else row for row in rows]
    array = as_array(values, name)
    return torch.from_numpy(array if array.flags.writeable else array.copy())  # torch warns of one that is not
