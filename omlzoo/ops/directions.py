"""Directions of vectors: rows scaled to L2 norm 1, right for numbers of every size that float32 holds."""

import numpy as np

__all__ = ["LARGE", "SMALL", "directions"]

# Between these L2 norms the squares of the numbers that matter stay in float32. Rows outside are scaled first.
SMALL, LARGE = 1e-12, 1e18


def directions(vectors: np.ndarray, unless: float | None = None) -> np.ndarray:
    """The rows (N, D) scaled to L2 norm 1; rows of zeros stay zeros, and rows that are not finite become NaN.

    Args:
        vectors: (N, D), float.
        unless: Rows whose norm differs from 1 by at most this much stay as they are; None scales all.
    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        if unless is not None:
            norms = np.where(np.abs(norms - 1) <= unless, norms.dtype.type(1), norms)
        within = (norms > SMALL) & (norms < LARGE)
        if within.all():
            return np.asarray(vectors / norms)
        found = vectors / np.where(within, norms, 1)
        extreme = ~within[:, 0]
        rows = vectors[extreme]
        largest = np.abs(rows).max(axis=1, keepdims=True, initial=0)
        rows = rows / np.where(largest > 0, largest, 1)
        found[extreme] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1)
    return np.asarray(found)
