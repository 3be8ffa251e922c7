"""MAP@R and R-precision of queries with many relevant rows, whose ranks are counted without sorting the gallery.

Both ask how many rows of other labels stand before each relevant row, not which. So the squared distances of all
gallery rows are computed by products in float64, and the others are counted between the relevant ones. Where two rows,
of which one is relevant, are so near in distance that the rounding of direct scores decides, both are scored directly:
the answer is that of a search for as many neighbours as there are relevant rows.
"""

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from omlzoo.metrics._selection import Selection
from omlzoo.metrics._squares import Squares
from omlzoo.ops.similarity import Similarity

__all__ = ["at_relevant", "usual_rank"]

NUMBERS = 1 << 22  # squared distances of a block of queries, 16 MB
LEAST = 32  # queries of a block at least: products with fewer rows are slow
COUNTED = 1 / 16  # time of counting past a gallery row, as a share of finding one more neighbour


def usual_rank(relevant: np.ndarray, shown: int, gallery: int) -> int:
    """Up to how many neighbours all queries are searched for; those with more relevant rows are counted instead.

    Args:
        relevant: (Q,) how many relevant rows each query has.
        shown: Neighbours that are needed of every query.
        gallery: Number of gallery rows.
    """
    sizes, queries = np.unique(np.maximum(relevant, shown), return_counts=True)
    if not len(sizes):
        return shown
    beyond = len(relevant) - queries.cumsum()
    return int(sizes[np.argmin(len(relevant) * sizes + COUNTED * gallery * beyond)])


def at_relevant(
    vectors: Tensor, selection: Selection, positions: np.ndarray, relevant: np.ndarray, similarity: Similarity
) -> tuple[np.ndarray, np.ndarray]:
    """MAP@R and R-precision (Q,) each of some queries, to the last bit those of ``metrics_of_hits``.

    Args:
        vectors: (N, D) of all rows, finite.
        selection: The queries, each with a relevant row, and the gallery.
        positions: (N,) position of each row in the gallery, or NOBODY.
        relevant: (Q,) how many relevant rows a query has.
        similarity: What orders the gallery.
    """
    found = np.zeros((2, len(selection.queries)))
    if not len(selection.queries):
        return found[0], found[1]
    codes, columns = selection.labels[selection.queries], _by_label(selection)
    squares = Squares(vectors, selection, positions, similarity)
    for label in np.unique(codes):
        mine = np.flatnonzero(codes == label)
        size = max(LEAST, NUMBERS // max(1, len(selection.gallery)))
        for rows in np.split(mine, range(size, len(mine), size)):
            found[:, rows] = _of_block(squares, selection.queries[rows], columns[int(label)], relevant[rows])
    return found[0], found[1]


def _by_label(selection: Selection) -> dict[int, np.ndarray]:
    """The gallery positions of the rows of each label that has a query."""
    codes = selection.labels[selection.gallery]
    order = np.argsort(codes, kind="stable")
    wanted = np.unique(selection.labels[selection.queries])
    starts, ends = (np.searchsorted(codes[order], wanted, side=side) for side in ("left", "right"))
    return {int(code): order[low:high] for code, low, high in zip(wanted, starts, ends, strict=True)}


def _of_block(squares: Squares, rows: np.ndarray, columns: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """MAP@R and R-precision (2, B) of queries of one label, whose gallery positions (n,) ``columns`` are."""
    apart = squares.of(rows)
    near, order = apart[:, torch.from_numpy(columns)].sort(dim=1)
    apart[:, torch.from_numpy(columns)] = torch.inf
    others = apart.numpy()
    low = (near * (1 - squares.share) - squares.slack).clamp_(min=0).abs_().numpy()
    high = (near * (1 + squares.share) + squares.slack).numpy()
    depth = _depths(others, low, relevant)
    reach = np.maximum((low <= high[np.arange(len(rows)), np.maximum(depth - 1, 0)][:, None]).sum(axis=1), depth)
    reach[depth == 0] = 0
    query, position = _within(others, np.where(reach, high[np.arange(len(rows)), np.maximum(reach - 1, 0)], -1.0))
    value, width = others[query, position], len(columns)
    after = _places(low, query, value, "right")  # relevant rows from here on are surely farther than this other row
    first = _places(high, query, value, "left")  # and those before this one surely nearer
    unsure = first < np.minimum(after, reach[query])
    before = _counts(query, after, len(rows), width).cumsum(axis=1)
    marks = _counts(query[unsure], first[unsure], len(rows), width)
    marks -= _counts(query[unsure], np.minimum(after, reach[query])[unsure], len(rows), width)
    whose, which = np.nonzero(marks.cumsum(axis=1) > 0)
    if len(whose):
        sure = _counts(query[~unsure], after[~unsure], len(rows), width).cumsum(axis=1)
        pairs = (
            np.concatenate([query[unsure], whose]),
            np.concatenate([position[unsure], columns[order.numpy()[whose, which]]]),
        )
        stands = _others_before(squares.direct(rows[pairs[0]], pairs[1]), *pairs, int(unsure.sum()))
        before[whose, which] = sure[whose, which] + stands
    before = before[:, :width].astype(np.float64)
    before[np.arange(width)[None] >= reach[:, None]] = np.inf
    rank = np.sort(before, axis=1) + np.arange(1, width + 1)
    precisions = np.where(rank <= relevant[:, None], np.arange(1, width + 1) / rank, 0.0)
    sums = torch.from_numpy(precisions).cumsum(dim=1)[:, -1].numpy()  # in the order in which a search adds
    return np.stack([sums / relevant, (precisions > 0).sum(axis=1) / relevant])


def _depths(others: np.ndarray, low: np.ndarray, relevant: np.ndarray) -> np.ndarray:
    """How many of the relevant rows (B,) may be among as many nearest as there are relevant, by halving."""
    depth = np.empty(len(low), dtype=np.int64)
    for row, (far, limits, count) in enumerate(zip(others, low, relevant.tolist(), strict=True)):
        least, most = 0, int(count)
        while least < most:
            middle = (least + most) // 2
            if middle + 1 + np.count_nonzero(far < limits[middle]) <= count:
                least = middle + 1
            else:
                most = middle
        depth[row] = least
    return depth


def _within(others: np.ndarray, limits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Queries and positions of the rows up to each query's limit."""
    hits = [np.flatnonzero(far <= limit) for far, limit in zip(others, limits, strict=True)]
    return np.repeat(np.arange(len(hits)), [len(each) for each in hits]), np.concatenate(hits)


def _places(limits: np.ndarray, query: np.ndarray, values: np.ndarray, side: Literal["left", "right"]) -> np.ndarray:
    """Where each value stands among the ascending limits (B, n) of its query, by one search: positive floats have the
    order of their bits."""

    def keys(row: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        return np.asarray((row << 32) | np.ascontiguousarray(numbers, dtype=np.float32).view(np.int32))

    ordered = keys(np.arange(len(limits))[:, None], limits).ravel()
    return np.asarray(np.searchsorted(ordered, keys(query, values), side=side) - query * limits.shape[1])


def _counts(query: np.ndarray, place: np.ndarray, rows: int, width: int) -> np.ndarray:
    """How often each place from 0 to ``width`` occurs for each query: (rows, width + 1)."""
    return np.bincount(query * (width + 1) + place, minlength=rows * (width + 1)).reshape(rows, width + 1)


def _others_before(scores: np.ndarray, query: np.ndarray, position: np.ndarray, others: int) -> np.ndarray:
    """How many of the first ``others`` rows stand before each row after them, of the same query: by score, position."""
    order = np.lexsort((position, -scores, query))
    is_other = order < others
    before = is_other.cumsum()
    starts = np.searchsorted(query[order], query[order])  # the first row of the query
    before -= np.where(starts > 0, before[np.maximum(starts, 1) - 1], 0)
    result = np.empty(len(order), dtype=np.int64)
    result[order] = before
    return result[others:]
