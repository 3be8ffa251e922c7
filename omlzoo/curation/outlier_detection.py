"""Outliers, which are far from all other rows, and groups of rows that are nearly equal.

Up to 20,000 rows all are compared with all. Of more rows those are compared that a graph of neighbours proposes, from
trees of random splits, and their distances are computed directly: the time grows about as the rows.
"""

import numpy as np
import torch
from torch import Tensor

from omlzoo.curation._how import compares_all, say_how
from omlzoo.errors import BadInput
from omlzoo.ops.components import components
from omlzoo.ops.direct_scores import scores_of
from omlzoo.ops.forest import leaves, neighbors_in_leaves
from omlzoo.ops.nearest import nearest
from omlzoo.ops.rows import Rows, as_rows, conditioned

__all__ = ["near_duplicates", "outliers"]

LOOKED_AT = 16  # neighbours that are found at first
EQUAL = 1e-12  # share of the largest distance that stands for a median of 0
TREES = 12  # of the graph for near-duplicates: a pair is missed if every tree parts it
FEWER = 6  # of the graph for outliers, of which the strangest are searched exactly
STRANGEST, SAMPLE = 512, 512  # rows that are searched exactly: the strangest, and some for the median
DIRECT = 1 << 20  # numbers that one step of direct scoring gathers
KEPT = 1 << 22  # near pairs that are kept before they are reduced to one for each row


def outliers(vectors: Rows, k: int = 5, *, exhaustive: bool | None = None) -> np.ndarray:
    """How far each row is from the others: its distance to the k-th nearest row, divided by the median of all rows.

    Not exhaustive, the distance is that to the k-th nearest row of a graph. It is exact for the 512 rows where it is
    largest. A graph's distance is never too small: those of the other rows are divided by the share by which they are
    too large for 512 random rows, whose distances are exact and make the median.

    Args:
        vectors: (N, D), N above k.
        k: Rank of the neighbour whose distance counts, at least 1. Groups of up to k rows that are near each other but
            far from all others count as outliers too.
        exhaustive: Compare all rows with all; None does so up to 20,000 rows.

    Returns:
        (N,), around 1 for typical rows; rows with several times 1 are worth a look.

    Raises:
        BadInput: ``k`` is below 1, or not below the number of rows, or a vector is not finite or above 1e15.
    """
    rows = _rows(vectors)
    if not 1 <= k < len(rows):
        raise BadInput(f"k is {k}; it must be from 1 to {len(rows) - 1}")
    say_how(len(rows), exhaustive, "outliers")
    if compares_all(len(rows), exhaustive):
        apart = _to_nearest(rows, np.arange(len(rows)), k)
        middle = float(np.median(apart))
    else:
        apart, middle = _by_graph(rows, k)
    return np.asarray(apart / (max(middle, EQUAL * float(apart.max())) or 1.0))


def near_duplicates(vectors: Rows, most: float, *, exhaustive: bool | None = None) -> list[np.ndarray]:
    """Groups of rows that are connected by chains of pairs with small distances, the largest group first.

    Not exhaustive, pairs come from a graph of neighbours: each counts by its exact distance, but one that all trees of
    the graph part is missed. On a million rows the nearer pairs are, the rarer that is; docs/search.md has the figures.

    Args:
        vectors: (N, D).
        most: The largest Euclidean distance of a pair in a chain.
        exhaustive: Compare all rows with all; None does so up to 20,000 rows.

    Returns:
        The row numbers of each group of two or more rows.

    Raises:
        BadInput: ``most`` is below 0, or a vector is not finite or above 1e15.
    """
    rows = _rows(vectors)
    if not most >= 0:
        raise BadInput(f"most is {most}; it is a distance, 0 or more")
    say_how(len(rows), exhaustive, "near-duplicates")
    pairs = _pairs_of_all(rows, most) if compares_all(len(rows), exhaustive) else _pairs_of_graph(rows, most)
    roots = components(len(rows), *pairs)
    order = np.argsort(roots, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(roots[order])) + 1) if len(rows) else []
    return sorted((group for group in groups if len(group) > 1), key=lambda group: (-len(group), group[0]))


def _pairs_of_all(rows: Tensor, most: float) -> tuple[np.ndarray, np.ndarray]:
    """The ends of near pairs, enough of them to connect each group."""
    ends: tuple[list[np.ndarray], list[np.ndarray]] = ([np.empty(0, np.int64)], [np.empty(0, np.int64)])
    pending, k = np.arange(len(rows)), min(LOOKED_AT, max(1, len(rows) - 1))
    while len(pending) and len(rows) > 1:
        own = torch.from_numpy(pending)
        asked = rows if len(pending) == len(rows) else rows[own]  # one memory, which halves the products
        scores, ids = nearest(asked, rows, k, similarity="euclidean", own=own)
        near = (-scores.numpy() <= most) & (ids.numpy() >= 0)
        query, rank = np.nonzero(near)
        ends[0].append(pending[query])
        ends[1].append(ids.numpy()[query, rank])
        # Rows whose k neighbours are all near may have further near ones: search these again with a larger k.
        pending = pending[near[:, -1]] if k < len(rows) - 1 else pending[:0]
        k = min(4 * k, len(rows) - 1)
    return np.concatenate(ends[0]), np.concatenate(ends[1])


def _pairs_of_graph(rows: Tensor, most: float) -> tuple[np.ndarray, np.ndarray]:
    """As :func:`_pairs_of_all`, among the rows that share a leaf."""
    near, factor, _ = conditioned(rows)
    near = near.float()
    # What products in float32 may be off by is added, so that direct scores alone decide.
    longest = float(torch.linalg.vector_norm(near, dim=1).max())
    limit = (most * factor) ** 2 * (1 + 1e-5) + near.shape[1] * 2.0**-21 * longest**2
    left, right = np.empty(0, np.int64), np.empty(0, np.int64)
    for ids, squares in leaves(near, TREES):
        leaf, one, other = (squares <= limit).nonzero(as_tuple=True)
        upper = one < other
        pairs = ids[leaf[upper], one[upper]], ids[leaf[upper], other[upper]]
        close = _apart(rows, *pairs) <= most
        left, right = np.r_[left, pairs[0][close].numpy()], np.r_[right, pairs[1][close].numpy()]
        if len(left) > KEPT:
            left, right = np.arange(len(rows)), components(len(rows), left, right)
    return left, right


def _by_graph(rows: Tensor, k: int) -> tuple[np.ndarray, float]:
    """Distances (N,) to the k-th nearest row, exact for the largest ones, and their median."""
    best, found = neighbors_in_leaves(conditioned(rows)[0].float(), k, FEWER)
    every = torch.arange(len(rows))
    apart = _apart(rows, every, found[:, -1].clamp(min=0)).double().numpy()
    apart[torch.isinf(best[:, -1]).numpy()] = np.inf  # a leaf of few rows: searched exactly below
    strange = np.sort(np.argsort(-apart, kind="stable")[: max(STRANGEST, int(np.isinf(apart).sum()))])
    sample = np.sort(np.random.default_rng(0).choice(len(rows), min(SAMPLE, len(rows)), replace=False))
    middle = float(np.median(_to_nearest(rows, sample, k)))
    apart /= max(1.0, float(np.median(apart[sample])) / middle) if middle > 0 else 1.0
    apart[strange] = _to_nearest(rows, strange, k)
    return apart, middle


def _to_nearest(rows: Tensor, some: np.ndarray, k: int) -> np.ndarray:
    """Distances of some rows, given in ascending order, to their k-th nearest of all."""
    own = torch.from_numpy(some)
    asked = rows if len(some) == len(rows) else rows[own]
    return -nearest(asked, rows, k, similarity="euclidean", own=own)[0][:, -1].double().numpy()


def _apart(rows: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """Euclidean distances (P,) of pairs of rows, computed directly."""
    step = max(1, DIRECT // rows.shape[1])
    parts = [
        -scores_of(rows[left[i : i + step]], rows[right[i : i + step]][:, None], "euclidean")[:, 0]
        for i in range(0, len(left), step)
    ]
    return torch.cat([torch.empty(0), *parts])


def _rows(vectors: Rows) -> Tensor:
    return as_rows(vectors, "vectors").float()
