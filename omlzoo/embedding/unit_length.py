"""Vectors whose record says that they have an L2 norm of 1, and which have another."""

import numpy as np

from omlzoo.errors import notice
from omlzoo.ops.directions import directions

__all__ = ["make_unit", "not_unit"]

NEAR = 1e-5  # from a norm of 1: what arithmetic rounds
FAR = 0.02  # what float16 rounds at most
BLOCK = 1 << 20  # numbers that are looked at together


def not_unit(vectors: np.ndarray, where: str) -> tuple[np.ndarray, np.ndarray]:
    """The rows (M,) of vectors that have another L2 norm than 1, and their directions (M, D), which have it.

    Norms that rounding does not explain are said. Rows of zeros and of NaN are none.

    Args:
        vectors: (N, D), which stay as they are.
        where: What they are, for the notice.
    """
    rows, far = _off(vectors, 0.0)
    _say(len(far), vectors[far[0]] if len(far) else None, where)
    return rows, directions(vectors[rows])


def make_unit(vectors: np.ndarray, where: str, rounding: float = 0.0) -> None:
    """Scale in place the rows that :func:`not_unit` finds, a block at a time; norms are said as there.

    Args:
        vectors: (N, D).
        where: What they are, for the notice.
        rounding: How far their form rounds norms, beyond what float16 does.
    """
    step, count, first = max(1, BLOCK // max(1, vectors.shape[1])), 0, None
    for start in range(0, len(vectors), step):
        part = vectors[start : start + step]
        rows, far = _off(part, rounding)
        if len(far) and first is None:
            first = part[far[0]].copy()
        count += len(far)
        part[rows] = directions(part[rows])
    _say(count, first, where)


def _off(vectors: np.ndarray, rounding: float) -> tuple[np.ndarray, np.ndarray]:
    """The rows whose L2 norm is not 1, and those of them that rounding does not explain."""
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        off = np.abs(np.sqrt(np.einsum("nd,nd->n", vectors, vectors)) - 1)
    rows = np.flatnonzero(off > NEAR)  # NaN is not
    far = rows[off[rows] > FAR + rounding]
    return rows, far[vectors[far].any(axis=1)]


def _say(count: int, first: np.ndarray | None, where: str) -> None:
    if first is not None:
        length = float(np.linalg.norm(first.astype(np.float64)))
        notice(
            f"{where}: {count} vectors have other L2 norms than 1, the first {length:.3g}, though their record says "
            "normalized; they were scaled"
        )
