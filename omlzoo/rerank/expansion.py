"""Vectors moved towards their neighbours: alpha query expansion (arXiv 1711.02512) and database augmentation."""

import numpy as np
import torch

from omlzoo.errors import BadInput
from omlzoo.ops.nearest import nearest
from omlzoo.ops.rows import Rows, as_rows
from omlzoo.ops.unit_rows import normalize

__all__ = ["expand"]

ROWS = 4096  # vectors that are expanded at once


def expand(vectors: Rows, among: Rows, *, k: int = 10, alpha: float = 3.0, own: np.ndarray | None = None) -> np.ndarray:
    """Replace each vector by the normalized sum of itself and its k nearest vectors, weighted by cosine^alpha.

    Applied to queries among a gallery it is query expansion; applied to a gallery among itself, with
    ``own=arange(G)``, it is database augmentation. If the gallery is augmented, expand the queries among the augmented
    gallery.

    Args:
        vectors: (N, D), the vectors to expand; they are normalized first.
        among: (M, D), the vectors from which neighbours are taken; they are normalized first.
        k: The number of neighbours, at least 1.
        alpha: The power of the cosine, 0 or more; 0 gives all neighbours the same weight, 3 is the value of the paper.
            Neighbours with a negative cosine do not count.
        own: (N,) position of each vector in ``among``, which is left out; -1 where the vector is not in it.

    Returns:
        (N, D) float32, with L2 norm 1.

    Raises:
        BadInput: ``alpha`` is below 0, ``k`` is below 1, or a vector is not finite or above 1e15.
    """
    if not alpha >= 0:
        raise BadInput(f"alpha is {alpha}; it must be 0 or more")
    rows, others = (normalize(as_rows(each, name).float()) for each, name in ((vectors, "vectors"), (among, "among")))
    positions = None if own is None else torch.as_tensor(own)
    scores, ids = nearest(rows, others, k, similarity="cosine", own=positions)
    weights = torch.where(ids >= 0, scores.clamp(min=0), 0.0)
    weights = torch.where(ids >= 0, weights.pow(alpha), 0.0)
    expanded = torch.empty_like(rows)
    for start in range(0, len(rows), ROWS):
        part = slice(start, start + ROWS)
        near = others[ids[part].clamp(min=0)]  # (R, k, D)
        expanded[part] = rows[part] + torch.einsum("rk,rkd->rd", weights[part], near)
    return normalize(expanded).numpy()
