"""Re-ranking by k-reciprocal neighbours (arXiv 1701.08398), in memory that grows linearly with the number of rows.

Two rows are similar if they have the same reciprocal neighbours. The expanded reciprocal neighbours of each row are
kept in a sparse vector, weighted by exp(-squared distance / largest squared distance of the row). The vector is
averaged over the nearest rows. The new distance is a weighted sum of the Jaccard distance of two such vectors and the
original distance.
"""

from collections.abc import Iterator

import numpy as np
import torch

from omlzoo.errors import BadInput
from omlzoo.ops.nearest import nearest
from omlzoo.ops.rows import Rows, as_rows, conditioned

__all__ = ["k_reciprocal"]

ROWS = 256  # queries that are processed at once


def k_reciprocal(
    queries: Rows,
    gallery: Rows,
    k: int = 10,
    *,
    neighbours: int = 20,
    averaged: int = 6,
    weight: float = 0.3,
    own: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest gallery rows of each query by the weighted sum of Jaccard distance and original distance.

    Args:
        queries: (Q, D).
        gallery: (G, D).
        k: The number of rows to find for each query; at most G are found.
        neighbours: k1 of the paper, the number of neighbours that are tested for being reciprocal, at least 1.
        averaged: k2 of the paper, the number of nearest rows to average over, at least 1; 1 does not average.
        weight: lambda of the paper, the weight of the original distance, in [0, 1].
        own: (Q,) position of each query in the gallery, which is left out; -1 where the query is not in it. Such a
            query and its gallery row count as one row.

    Returns:
        Distances (Q, k), ascending, and positions (Q, k); infinite and -1 where fewer rows are left.

    Raises:
        BadInput: A setting is out of its range, or a vector is not finite or above 1e15.
    """
    if not 0 <= weight <= 1 or neighbours < 1 or averaged < 1:
        settings = f"weight is {weight}, neighbours {neighbours}, averaged {averaged}"
        raise BadInput(f"{settings}; they must be in [0, 1], 1 or more, 1 or more")
    positions = np.full(len(queries), -1) if own is None else np.asarray(own)
    outside = np.flatnonzero(positions < 0)
    given = as_rows(queries, "queries").float(), as_rows(gallery, "gallery").float()
    if given[0].shape[1] != given[1].shape[1]:
        raise BadInput(f"queries and gallery have {given[0].shape[1]} and {given[1].shape[1]} columns; make them equal")
    rows = conditioned(torch.cat([given[1], given[0][torch.from_numpy(outside)]]))[0].float()
    mine = positions.copy()
    mine[outside] = len(gallery) + np.arange(len(outside))  # the row of each query
    near = nearest(rows, rows, neighbours + 1, similarity="euclidean")[1].numpy()
    largest = _largest(rows)
    encoded = _average(_encode(rows, near, largest), near[:, :averaged])
    columns = _by_column(encoded, len(rows))
    width = min(k, len(gallery))
    distances, ids = np.full((len(queries), width), np.inf), np.full((len(queries), width), -1)
    norms = rows.square().sum(dim=1)
    for start in range(0, len(queries), ROWS):
        part = mine[start : start + ROWS]
        left = rows[torch.from_numpy(part)]
        squares = (norms[part][:, None] + norms[: len(gallery)] - 2 * left @ rows[: len(gallery)].T).clamp(min=0)
        mixed = weight * squares.numpy().astype(np.float64) / largest[part][:, None]
        for number, row in enumerate(part):
            mixed[number] += (1 - weight) * _jaccard(encoded[row], columns, len(rows))[: len(gallery)]
        there = positions[start : start + ROWS]
        mixed[np.flatnonzero(there >= 0), there[there >= 0]] = np.inf
        best = np.argpartition(mixed, width - 1, axis=1)[:, :width]
        best = np.sort(best, axis=1)  # equal distances: the lower position first
        order = np.argsort(np.take_along_axis(mixed, best, axis=1), axis=1, kind="stable")
        ids[start : start + ROWS] = np.take_along_axis(best, order, axis=1)
        distances[start : start + ROWS] = np.take_along_axis(mixed, ids[start : start + ROWS], axis=1)
    return distances, np.where(np.isfinite(distances), ids, -1)


Sparse = list[tuple[np.ndarray, np.ndarray]]  # for each row its columns, ascending, and their values


def _largest(rows: torch.Tensor) -> np.ndarray:
    """The largest squared distance (N,) of each row to another."""
    norms = rows.square().sum(dim=1)
    blocks = [
        (norms[start : start + ROWS, None] + norms - 2 * rows[start : start + ROWS] @ rows.T).amax(dim=1)
        for start in range(0, len(rows), ROWS)
    ]
    largest = torch.cat(blocks).numpy().astype(np.float64)
    return np.where(largest > 0, largest, 1.0)  # 0 where all rows are equal


def _reciprocal(near: np.ndarray) -> list[np.ndarray]:
    """The neighbours of each row that have the row among their own neighbours."""
    rows = np.arange(len(near))
    neighbours = []
    for start in range(0, len(near), ROWS):
        mine = near[start : start + ROWS]  # (R, k)
        back = (near[mine] == rows[start : start + ROWS, None, None]).any(axis=2)
        neighbours += [each[keep] for each, keep in zip(mine, back, strict=True)]
    return neighbours


def _encode(rows: torch.Tensor, near: np.ndarray, largest: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The expanded reciprocal neighbours of each row and their weights, which sum to 1."""
    half = round(near.shape[1] / 2 - 0.5) + 1  # k1 / 2, rounded as numpy rounds, plus the row itself
    whole, closer = _reciprocal(near), _reciprocal(near[:, :half])
    small = [set(each.tolist()) for each in closer]
    for row, first in enumerate(whole):
        around = set(first.tolist())
        wider = set(around)
        for candidate in first.tolist():
            if len(small[candidate] & around) > 2 / 3 * len(small[candidate]):
                wider |= small[candidate]
        columns = np.array(sorted(wider), dtype=np.int64)
        squares = (rows[columns] - rows[row]).square().sum(dim=1).numpy().astype(np.float64)
        weights = np.exp(-squares / largest[row])
        yield columns, weights / weights.sum()


def _average(encoded: Iterator[tuple[np.ndarray, np.ndarray]], near: np.ndarray) -> Sparse:
    """For each row the mean of the sparse vectors of its nearest rows."""
    plain = list(encoded)
    if near.shape[1] == 1:
        return plain
    averages = []
    for each in near:
        columns = np.concatenate([plain[row][0] for row in each])
        values = np.concatenate([plain[row][1] for row in each])
        names, inverse = np.unique(columns, return_inverse=True)
        averages.append((names, np.bincount(inverse, values) / len(each)))
    return averages


def _by_column(encoded: Sparse, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The sparse vectors sorted by column: the start of each column, and the rows and values."""
    columns = np.concatenate([each[0] for each in encoded])
    rows = np.repeat(np.arange(len(encoded)), [len(each[0]) for each in encoded])
    values = np.concatenate([each[1] for each in encoded])
    order = np.argsort(columns, kind="stable")
    return np.searchsorted(columns[order], np.arange(count + 1)), rows[order], values[order]


def _jaccard(
    one: tuple[np.ndarray, np.ndarray], columns: tuple[np.ndarray, np.ndarray, np.ndarray], count: int
) -> np.ndarray:
    """Jaccard distances (count,) of a sparse vector to those of all rows; each vector sums to 1."""
    starts, rows, values = columns
    sizes = starts[one[0] + 1] - starts[one[0]]
    flat = np.repeat(starts[one[0]] - np.r_[0, sizes.cumsum()[:-1]], sizes) + np.arange(sizes.sum())
    shared = np.bincount(rows[flat], np.minimum(values[flat], np.repeat(one[1], sizes)), minlength=count)
    return np.asarray(1 - shared / (2 - shared))
