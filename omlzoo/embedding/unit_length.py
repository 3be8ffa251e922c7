"""Vectors whose record says that they have an L2 norm of 1, and which have another."""

import numpy as np

from omlzoo.errors import notice
from omlzoo.ops.directions import directions

__all__ = ["not_unit"]

NEAR = 1e-5  # from a norm of 1: what arithmetic rounds
FAR = 0.02  # what float16 rounds at most


def not_unit(vectors: np.ndarray, where: str, rounding: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """The rows (M,) of vectors that have another L2 norm than 1, and their directions (M, D), which have it.

    Norms that rounding does not explain are said. Rows of zeros and of NaN are none.

    Args:
        vectors: (N, D), which stay as they are.
        where: What they are, for the notice.
        rounding: How far their form rounds norms, beyond what float16 does.
    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        off = np.abs(np.sqrt(np.einsum("nd,nd->n", vectors, vectors)) - 1)
    rows = np.flatnonzero(off > NEAR)  # NaN is not
    chosen = vectors[rows]
    far = np.flatnonzero((off[rows] > FAR + rounding) & chosen.any(axis=1))
    if len(far):
        length = float(np.linalg.norm(chosen[far[0]].astype(np.float64)))
        notice(
            f"{where}: {len(far)} vectors have other L2 norms than 1, the first {length:.3g}, though their record says "
            "normalized; they were scaled"
        )
    return rows, directions(chosen)
