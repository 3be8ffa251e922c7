"""What stands out: rows far from all others, and groups of rows that are nearly one."""

import numpy as np
import torch

from omlzoo.errors import BadInput
from omlzoo.ops.nearest import nearest

__all__ = ["near_duplicates", "outliers"]

LOOKED_AT = 16  # neighbours at first


def outliers(vectors: np.ndarray, k: int = 5) -> np.ndarray:
    """How far each row stands from the others: its distance to the k-th nearest row, divided by the median row's.

    Args:
        vectors: (N, D), N above k.
        k: A group of at most k odd rows counts as outliers too.

    Returns:
        (N,) around 1; several times 1 is worth a look.
    """
    rows = _rows(vectors)
    if not 1 <= k < len(rows):
        raise BadInput(f"k is {k}; it must be from 1 to {len(rows) - 1}")
    scores, _ = nearest(rows, rows, k, similarity="euclidean", own=torch.arange(len(rows)))
    apart = -scores[:, -1].double().numpy()
    return np.asarray(apart / max(float(np.median(apart)), 1e-12))


def near_duplicates(vectors: np.ndarray, most: float) -> list[np.ndarray]:
    """Groups of rows that chains of pairs at distance ``most`` or less connect, the largest first.

    Args:
        vectors: (N, D).
        most: Euclidean distance.
    """
    rows = _rows(vectors)
    parent = np.arange(len(rows))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = int(parent[row])
        return row

    pending, k = np.arange(len(rows)), min(LOOKED_AT, max(1, len(rows) - 1))
    while len(pending) and len(rows) > 1:
        own = torch.from_numpy(pending)
        scores, ids = nearest(rows[own], rows, k, similarity="euclidean", own=own)
        near = (-scores.numpy() <= most) & (ids.numpy() >= 0)
        for query, rank in zip(*np.nonzero(near), strict=True):
            first, second = sorted((root(int(pending[query])), root(int(ids[query, rank]))))
            parent[second] = first
        # Rows whose k neighbours are all near may have further near ones: search these again with a larger k.
        pending = pending[near[:, -1]] if k < len(rows) - 1 else pending[:0]
        k = min(4 * k, len(rows) - 1)
    roots = np.array([root(row) for row in range(len(rows))])
    order = np.argsort(roots, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(roots[order])) + 1) if len(rows) else []
    return sorted((group for group in groups if len(group) > 1), key=lambda group: (-len(group), group[0]))


def _rows(vectors: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(vectors, dtype=np.float32))
