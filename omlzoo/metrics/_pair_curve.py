"""Distances of all positive and negative pairs, counted in blocks, so that they are never all in memory.

Rows are sorted by label, so that positive pairs, pairs of a row with itself and pairs that are ignored lie in a narrow
band of each block, and only this band needs masks.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from omlzoo.errors import BadInput
from omlzoo.metrics._selection import Selection
from omlzoo.ops.rows import check_rows, conditioned

__all__ = ["PairCurve", "pair_curve", "pairs_by_label"]

ROWS, COLUMNS = 512, 4096  # size of a block, whose distances take 8 MB
EXACT = 1 << 24  # largest number of pairs of which every distance is kept
ROUNDING = 1e-13  # squared distances below this share of the two squared norms are rounding errors
BINS = 1 << 16  # number of bins of squared distances for more pairs


@dataclass(frozen=True)
class PairCurve:
    """The numbers of positive and of negative pairs up to each distance.

    Attributes:
        distances: (T,), Euclidean distances, ascending: all that occur, or the upper ends of bins.
        same: (T,), numbers of positive pairs at most that far apart.
        other: (T,), numbers of negative pairs at most that far apart.
        exact: Whether ``distances`` are all distances that occur. Otherwise the counts at a distance may be wrong by
            the pairs in its bin and the two bins beside it; :meth:`resolution` says what share that is.
    """

    distances: np.ndarray
    same: np.ndarray
    other: np.ndarray
    exact: bool

    @property
    def accepted(self) -> np.ndarray:
        """(T,), share of the positive pairs up to each distance (the true accept rate)."""
        return self.same / max(1, int(self.same[-1]))

    @property
    def wrongly_accepted(self) -> np.ndarray:
        """(T,), share of the negative pairs up to each distance (the false accept rate)."""
        return self.other / max(1, int(self.other[-1]))

    def after(self, place: int) -> float:
        """A threshold that accepts the pairs up to ``distances[place]`` and no others; place -1 accepts none."""
        if place < 0:
            return float(self.distances[0]) / 2
        if not self.exact or place + 1 == len(self.distances):
            return float(self.distances[place])
        return float(self.distances[place] + self.distances[place + 1]) / 2

    def within(self, distance: float) -> tuple[float, float]:
        """Shares of the positive and of the negative pairs that are at most ``distance`` apart."""
        index = int(np.searchsorted(self.distances, distance, side="right")) - 1
        return (float(self.accepted[index]), float(self.wrongly_accepted[index])) if index >= 0 else (0.0, 0.0)

    def resolution(self, distance: float) -> float:
        """How much the share of positive pairs up to ``distance`` may be wrong; 0 where the curve is exact."""
        index = int(np.searchsorted(self.distances, distance))
        low, high = max(0, index - 2), min(len(self.distances) - 1, index + 1)
        return 0.0 if self.exact else float(self.accepted[high] - self.accepted[low])

    def distance_at_far(self, far: float) -> float:
        """The distance at a false accept rate: the ``far`` quantile of the negative pairs, interpolated as by numpy."""
        rank = far * (int(self.other[-1]) - 1)
        low, high = (
            float(self.distances[np.searchsorted(self.other, int(position), side="right")])
            for position in (np.floor(rank), np.ceil(rank))
        )
        return low + (high - low) * float(rank - np.floor(rank))

    def nearer(self, distance: float) -> tuple[float, float]:
        """Shares of the positive and of the negative pairs that are less than ``distance`` apart."""
        index = int(np.searchsorted(self.distances, distance)) - 1
        return (float(self.accepted[index]), float(self.wrongly_accepted[index])) if index >= 0 else (0.0, 0.0)


def pair_curve(vectors: Tensor, pairs: Selection) -> PairCurve:
    """Count positive and negative pairs by their Euclidean distance.

    Of up to 2^24 pairs every distance is kept, computed in float64. Of more pairs the squared distances, computed by
    products in float32, are counted in 65,536 bins of equal width.

    Args:
        vectors: (N, D), the embeddings of all rows.
        pairs: Which rows are queries and gallery, their labels, and which pairs do not count.

    Raises:
        BadInput: There is no positive pair, or no negative pair, or an embedding is not finite or above 1e15.
    """
    check_rows("embeddings", vectors)
    count = len(pairs.queries) * len(pairs.gallery) // (2 if pairs.symmetric else 1)
    curve = _every_distance(vectors, pairs) if count <= EXACT else _histogram(vectors, pairs)
    for kind, counted in (("one label", curve.same), ("two labels", curve.other)):
        if not len(counted) or not counted[-1]:
            raise BadInput(f"there is no pair of {kind}; a threshold between same and other needs both")
    return curve


def pairs_by_label(vectors: Tensor, labels: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of positive and of negative pairs of each label up to some distances.

    Args:
        vectors: (N, D), the embeddings of all rows.
        labels: (N,), codes from 0 to L - 1.
        edges: (K,), Euclidean distances, ascending.

    Returns:
        For each label the positive pairs, each counted in both orders, and the negative pairs, at most as far apart as
        each edge: (L, K + 1) each. The last column counts all pairs.
    """
    every = np.arange(len(labels))
    vectors, factor, _ = conditioned(vectors)
    edges = np.asarray(edges) * factor
    sizes, steps = np.bincount(labels), len(edges)
    counts = np.zeros((2, len(sizes), steps + 1), dtype=np.int64)
    counts[:, :, -1] = sizes * (sizes - 1), sizes * (len(labels) - sizes)
    limit = float(edges[-1]) ** 2 * (1 + 1e-5)
    step = float(edges[1] - edges[0]) if steps > 1 else 0.0
    even = step > 0 and np.allclose(np.diff(edges), step, rtol=1e-9)  # edges at equal steps need no search

    def add(band: Band, squares: Tensor) -> None:
        flat = squares.numpy().ravel()
        near = np.flatnonzero(flat <= limit).astype(np.int32)  # few of all pairs
        rows = near // squares.shape[1]
        columns = near - rows * squares.shape[1]
        if band.corner:
            after = columns > rows
            near, rows, columns = near[after], rows[after], columns[after]
        distances = np.sqrt(np.maximum(flat[near], 0))
        if even:
            bins = np.ceil((distances - edges[0]) * (1 / step)).clip(0, steps).astype(np.int32)
        else:
            bins = np.searchsorted(edges, distances).astype(np.int32)
        codes = labels[band.rows][rows], labels[band.others][columns]
        same = codes[0] == codes[1]
        _add(counts[0], codes[0][same], bins[same], 2)
        for side in codes:
            _add(counts[1], side[~same], bins[~same], 1)

    _through(vectors, Selection(labels, every, every), add, halves=True)
    for kind in counts:
        kind[:, :-1] = kind[:, :-1].cumsum(axis=1)
    return counts[0], counts[1]


def _add(table: np.ndarray, codes: np.ndarray, places: np.ndarray, times: int) -> None:
    """Add ``times`` for each (code, place) to a table (L, K + 1); its last column holds totals and is not changed."""
    if not len(codes):
        return
    within = places < table.shape[1] - 1
    first, width = int(codes.min()), table.shape[1]
    count = int(codes.max()) - first + 1
    additions = np.bincount((codes[within] - first) * width + places[within], minlength=count * width)
    table[first : first + count] += times * additions.reshape(count, width)


@dataclass(frozen=True)
class Band:
    """The part of a block that needs masks.

    Attributes:
        rows: (R,), numbers of the vectors that are the rows of the block.
        others: (C,), numbers of the vectors that are its columns.
        corner: Whether the columns begin with the vectors of the rows, so that only pairs above the diagonal count.
        columns: The columns of the block that the masks are for.
        same: (R, columns) bool, the positive pairs that count.
        ignored: (R, columns) bool, the pairs that do not count.
    """

    rows: np.ndarray
    others: np.ndarray
    corner: bool
    columns: slice
    same: Tensor
    ignored: Tensor


def _every_distance(vectors: Tensor, pairs: Selection) -> PairCurve:
    kept: tuple[list[Tensor], list[Tensor]] = ([], [])
    vectors = vectors.double()
    norms = vectors.square().sum(dim=1)
    most = 2 * ROUNDING * float(norms.max())

    def add(band: Band, squares: Tensor) -> None:
        _round_to_zero(squares, most, norms[band.rows], norms[band.others])
        distances = squares.sqrt_().float()  # rounded, so that equal distances have equal values
        inside, low, high = distances[:, band.columns], band.columns.start, band.columns.stop
        kept[0].append(inside[band.same])
        kept[1].extend(
            [inside[~band.same & ~band.ignored], distances[:, :low].flatten(), distances[:, high:].flatten()]
        )

    _through(vectors, pairs, add, halves=pairs.symmetric)
    same, other = (torch.cat(each).sort().values.numpy() for each in kept)
    distances = np.unique(np.concatenate([same, other]))
    counts = [np.searchsorted(each, distances, side="right") for each in (same, other)]
    return PairCurve(distances.astype(np.float64), counts[0], counts[1], exact=True)


def _round_to_zero(squares: Tensor, most: float, left: Tensor, right: Tensor) -> None:
    """Set squared distances (R, C) to 0, in place, where they are rounding errors of these squared norms."""
    small = (squares <= most).nonzero(as_tuple=True)  # few, if any
    values = squares[small]
    squares[small] = torch.where(values > ROUNDING * (left[small[0]] + right[small[1]]), values, 0.0)


def _histogram(vectors: Tensor, pairs: Selection) -> PairCurve:
    longest = float(vectors.double().square().sum(dim=1).max())
    scale = BINS / (4 * (longest or 1e-30) * (1 + 1e-6))  # distances are at most twice the largest norm
    same, every = torch.zeros(BINS, dtype=torch.int64), torch.zeros(BINS, dtype=torch.int64)

    def add(band: Band, squares: Tensor) -> None:
        bins = squares.clamp_(0, BINS - 1).to(torch.int32)
        inside = bins[:, band.columns]
        same.add_(_count(inside[band.same], BINS))
        every.add_(_count(bins.flatten(), BINS) - _count(inside[band.ignored], BINS))

    _through((vectors.double() * scale**0.5).float(), pairs, add, halves=pairs.symmetric)
    edges = np.sqrt((np.arange(BINS) + 1) / scale)
    cumulative = every.cumsum(0).numpy(), same.cumsum(0).numpy()
    last = int(np.searchsorted(cumulative[0], cumulative[0][-1])) + 1  # the bins beyond it are empty
    return PairCurve(edges[:last], cumulative[1][:last], (cumulative[0] - cumulative[1])[:last], exact=False)


def _through(vectors: Tensor, pairs: Selection, add: Callable[[Band, Tensor], None], halves: bool) -> None:
    """Call ``add`` with the squared distances of all pairs, block by block.

    With ``halves`` each pair of rows is passed in one order only. Squared norms are appended to the vectors, so that
    one product computes the squared distances; rounding may make them slightly negative.
    """
    queries = pairs.queries[np.argsort(pairs.labels[pairs.queries], kind="stable")]
    gallery = pairs.gallery[np.argsort(pairs.labels[pairs.gallery], kind="stable")]
    norms, one = vectors.square().sum(dim=1, keepdim=True), torch.ones(len(vectors), 1, dtype=vectors.dtype)
    left = torch.cat([vectors * -2, norms, one], dim=1)[torch.from_numpy(queries)]
    right = torch.cat([vectors, one, norms], dim=1)[torch.from_numpy(gallery)]
    wide = pairs.sequences is not None and _across_labels(pairs.sequences, pairs.labels)
    buffer = torch.empty(ROWS * COLUMNS, dtype=vectors.dtype)
    for start in range(0, len(queries), ROWS):
        rows = slice(start, min(start + ROWS, len(queries)))
        for first in range(start if halves else 0, len(gallery), COLUMNS):
            columns = slice(first, min(first + COLUMNS, len(gallery)))
            shape = rows.stop - rows.start, columns.stop - columns.start
            squares = buffer[: shape[0] * shape[1]].view(shape)
            torch.mm(left[rows], right[columns].T, out=squares)
            add(_band(pairs, queries[rows], gallery[columns], halves and first == start, wide), squares)


def _band(pairs: Selection, rows: np.ndarray, columns: np.ndarray, corner: bool, wide: bool) -> Band:
    """The masks of a block. In a ``corner`` the columns begin with the rows, so one order of these is ignored."""
    codes = pairs.labels[columns]
    low = int(np.searchsorted(codes, pairs.labels[rows[0]]))
    high = int(np.searchsorted(codes, pairs.labels[rows[-1]], side="right"))
    if corner:
        low, high = 0, max(high, len(rows))
    if wide:
        low, high = 0, len(columns)
    part = columns[low:high]
    ignored = rows[:, None] == part[None, :]
    if pairs.sequences is not None:
        mine, theirs = pairs.sequences[rows], pairs.sequences[part]
        ignored |= (mine[:, None] == theirs[None, :]) & (mine[:, None] >= 0)
    if corner:
        ignored |= np.tri(len(rows), len(part), -1, dtype=bool)
    same = (pairs.labels[rows][:, None] == pairs.labels[part][None, :]) & ~ignored
    return Band(rows, columns, corner, slice(low, high), torch.from_numpy(same), torch.from_numpy(ignored))


def _across_labels(sequences: np.ndarray, labels: np.ndarray) -> bool:
    """Whether a sequence has rows of more than one label."""
    known = sequences >= 0
    both = np.unique(np.stack([sequences[known], labels[known]]), axis=1)
    return bool(both.shape[1] > len(np.unique(sequences[known])))


def _count(places: Tensor, bins: int) -> Tensor:
    """How often each number from 0 occurs (bins,), counted by all cores."""
    flat = places.flatten()
    if len(flat) < ROWS * 64:
        return torch.bincount(flat, minlength=bins)
    parts = flat.chunk(torch.get_num_threads())
    return torch.stack(list(_pool().map(lambda part: torch.bincount(part, minlength=bins), parts))).sum(dim=0)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count())
