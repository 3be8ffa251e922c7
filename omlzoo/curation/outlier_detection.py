"""Outliers, which are far from all other rows, and groups of rows that are nearly equal."""

import numpy as np
import torch

from omlzoo.errors import BadInput
from omlzoo.ops.nearest import nearest
from omlzoo.ops.rows import Rows, as_rows

__all__ = ["near_duplicates", "outliers"]

LOOKED_AT = 16  # neighbours that are found at first
EQUAL = 1e-12  # share of the largest distance that stands for a median of 0


def outliers(vectors: Rows, k: int = 5) -> np.ndarray:
    """How far each row is from the others: its distance to the k-th nearest row, divided by the median of all rows.

    Args:
        vectors: (N, D), N above k.
        k: Rank of the neighbour whose distance counts, at least 1. Groups of up to k rows that are near each other but
            far from all others count as outliers too.

    Returns:
        (N,), around 1 for typical rows; rows with several times 1 are worth a look.

    Raises:
        BadInput: ``k`` is below 1, or not below the number of rows, or a vector is not finite or above 1e15.
    """
    rows = _rows(vectors)
    if not 1 <= k < len(rows):
        raise BadInput(f"k is {k}; it must be from 1 to {len(rows) - 1}")
    scores, _ = nearest(rows, rows, k, similarity="euclidean", own=torch.arange(len(rows)))
    apart = -scores[:, -1].double().numpy()
    return np.asarray(apart / (max(float(np.median(apart)), EQUAL * float(apart.max())) or 1.0))


def near_duplicates(vectors: Rows, most: float) -> list[np.ndarray]:
    """Groups of rows that are connected by chains of pairs with small distances, the largest group first.

    Args:
        vectors: (N, D).
        most: The largest Euclidean distance of a pair in a chain.

    Returns:
        The row numbers of each group of two or more rows.

    Raises:
        BadInput: ``most`` is below 0, or a vector is not finite or above 1e15.
    """
    rows = _rows(vectors)
    if not most >= 0:
        raise BadInput(f"most is {most}; it is a distance, 0 or more")
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


def _rows(vectors: Rows) -> torch.Tensor:
    return as_rows(vectors, "vectors").float()
