"""Vectors moved towards their neighbours: alpha query expansion (arXiv 1711.02512) and database augmentation."""

import numpy as np
import torch

from omlzoo.errors import BadInput
from omlzoo.ops.nearest import nearest

__all__ = ["expand"]

ROWS = 4096


def expand(
    vectors: np.ndarray, among: np.ndarray, *, k: int = 10, alpha: float = 3.0, own: np.ndarray | None = None
) -> np.ndarray:
    """Each vector and its k nearest, weighted by their cosine to the power alpha, summed and brought to length 1.

    Of queries among a gallery it is query expansion; of a gallery among itself, with ``own=arange(G)``, database
    augmentation. Queries should be expanded among the augmented gallery, or neither among the other.

    Args:
        vectors: (N, D); they are brought to length 1.
        among: (M, D); likewise.
        k: At least 1.
        alpha: 0 weights all alike; 3 is the paper's. Negative cosines count as 0.
        own: (N,) position of a vector among the others, which is left out; -1 where it is not there.

    Returns:
        (N, D) float32 of length 1.
    """
    if alpha < 0:
        raise BadInput(f"alpha is {alpha}; it must be 0 or more")
    rows, others = (
        torch.nn.functional.normalize(torch.as_tensor(each, dtype=torch.float32)) for each in (vectors, among)
    )
    positions = None if own is None else torch.as_tensor(own)
    scores, ids = nearest(rows, others, k, similarity="cosine", own=positions)
    weights = torch.where(ids >= 0, scores.clamp(min=0), 0.0)
    weights = torch.where(ids >= 0, weights.pow(alpha), 0.0)
    expanded = torch.empty_like(rows)
    for start in range(0, len(rows), ROWS):
        part = slice(start, start + ROWS)
        near = others[ids[part].clamp(min=0)]  # (R, k, D)
        expanded[part] = rows[part] + torch.einsum("rk,rkd->rd", weights[part], near)
    return torch.nn.functional.normalize(expanded).numpy()
