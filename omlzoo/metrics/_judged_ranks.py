"""Metrics of queries whose relevant rows are named one by one, from the ranks of these rows alone.

The rank of a named row is counted among all gallery rows that count for its query, without sorting them; rows that are
ignored are then taken out by arithmetic, so that several protocols share one search.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from torch import Tensor

from omlzoo.metrics._per_query import RetrievalPerQuery
from omlzoo.metrics._selection import NOBODY, Selection
from omlzoo.metrics._squares import Squares

__all__ = ["Judgements", "Protocol", "judged_rankings", "values_of_ranks"]

NUMBERS = 1 << 22  # squared distances of a block of queries, 16 MB
LEAST = 16  # queries of a block at least

# Of queries start to stop - 1: the query from 0, the row and the grade of each named pair, (P,) each.
Judgements: TypeAlias = Callable[[int, int], tuple[np.ndarray, np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Protocol:
    """Which grades are right, and which are left out of the ranking. A grade that is NaN always is.

    Attributes:
        least: The smallest grade that is right.
        most: The largest one.
        strict: Other grades above 0 are left out; by default they are wrong.
        graded: The gain of a right row in nDCG is its grade, not 1.
    """

    least: float
    most: float = np.inf
    strict: bool = False
    graded: bool = False

    def relevant(self, grades: np.ndarray) -> np.ndarray:
        """Whether grades (P,) are right."""
        return np.asarray((grades >= self.least) & (grades <= self.most) & (grades > 0))

    def ignored(self, grades: np.ndarray) -> np.ndarray:
        """Whether rows with these grades (P,) are left out."""
        return np.asarray(np.isnan(grades) | (self.strict & (grades > 0) & ~self.relevant(grades)))


def judged_rankings(
    vectors: Tensor,
    selection: Selection,
    judgements: Judgements,
    protocols: Mapping[str, Protocol],
    ranks: Mapping[str, Sequence[int]],
) -> dict[str, RetrievalPerQuery]:
    """The values of each query under each protocol.

    Args:
        vectors: (N, D), finite.
        selection: Queries, gallery and sequences of these rows; its labels do not count.
        judgements: What is named for some of the queries; rows that do not count for a query are passed over.
        protocols: By name. The first hits are those of each protocol, without what it leaves out.
        ranks: Ranks k of "cmc", "precision", "map", "hits" and "ndcg".
    """
    positions = np.full(len(vectors), NOBODY)
    positions[selection.gallery] = np.arange(len(selection.gallery))
    squares = Squares(vectors, selection, positions, "euclidean")
    shown = min(max([1, *(k for each in ranks.values() for k in each)]), len(selection.gallery))
    size = max(LEAST, NUMBERS // len(selection.gallery))
    found: dict[str, list[RetrievalPerQuery]] = {name: [] for name in protocols}
    for start in range(0, len(selection.queries), size):
        rows = selection.queries[start : start + size]
        query, row, grade = judgements(start, start + len(rows))
        block = _Block(squares, rows, query, positions[row], grade)
        for name, protocol in protocols.items():
            found[name].append(block.measure(protocol, ranks, shown))
    return {name: _joined(parts) for name, parts in found.items()}


class _Block:
    """Ranks of the named rows of some queries.

    Args:
        squares: Squared distances.
        rows: (B,) row numbers of the queries.
        query: (P,) which of them a pair is of.
        position: (P,) gallery position of its named row, or NOBODY.
        grade: (P,).
    """

    def __init__(
        self, squares: Squares, rows: np.ndarray, query: np.ndarray, position: np.ndarray, grade: np.ndarray
    ) -> None:
        apart = squares.of(rows).numpy()
        counts = np.isfinite(apart[query, position]) & (position != NOBODY)
        order = np.argsort(query[counts], kind="stable")
        self.query, self.position, self.grade = (each[counts][order] for each in (query, position, grade))
        self.squares, self.rows, self.apart = squares, rows, apart
        self.present = np.isfinite(apart).sum(axis=1)
        self.rank = np.empty(len(self.query), dtype=np.int64)
        ends = np.searchsorted(self.query, np.arange(len(rows) + 1)).tolist()
        self.pairs = [slice(first, last) for first, last in pairwise(ends)]  # of each query
        for number, mine in enumerate(self.pairs):
            if mine.stop > mine.start:
                self.rank[mine] = _ranks(_keys(apart[number]), self.position[mine])

    def measure(self, protocol: Protocol, ranks: Mapping[str, Sequence[int]], shown: int) -> RetrievalPerQuery:
        relevant, ignored = protocol.relevant(self.grade), protocol.ignored(self.grade)
        gain = np.where(relevant, self.grade if protocol.graded else 1.0, 0.0)
        possible = np.bincount(self.query[relevant], minlength=len(self.rows)) > 0
        values = values_of_ranks(self.query, self.rank, gain, ignored, self.present, ranks)
        first, scores = np.full((len(self.rows), shown), NOBODY), np.full((len(self.rows), shown), -np.inf, np.float32)
        right = np.zeros(first.shape, dtype=bool)
        for number in np.flatnonzero(possible).tolist():
            mine = self.pairs[number]
            keys = _keys(self.apart[number])
            keys[self.position[mine][ignored[mine]]] = np.iinfo(np.int64).max
            nearest = np.sort(np.partition(keys, shown - 1)[:shown])
            nearest = nearest[nearest < _END] & 0xFFFFFFFF
            first[number, : len(nearest)] = self.squares.selection.gallery[nearest]
            row = np.full(len(nearest), self.rows[number])
            scores[number, : len(nearest)] = self.squares.direct(row, nearest)
            right[number, : len(nearest)] = np.isin(nearest, self.position[mine][relevant[mine]])
        kept = {name: each[possible] for name, each in values.items()}
        return RetrievalPerQuery(
            self.rows[possible], kept, first[possible], scores[possible], self.rows[~possible], right[possible]
        )


_END = int(np.float32(np.inf).view(np.int32)) << 32  # keys from here on are of rows that do not count


def _keys(squares: np.ndarray) -> np.ndarray:
    """Numbers (G,) int64 in the order of squared distance, then of position: positive floats order as their bits do."""
    bits = np.ascontiguousarray(squares, dtype=np.float32).view(np.int32).astype(np.int64)
    return np.asarray((bits << 32) | np.arange(len(squares)))


def _ranks(keys: np.ndarray, named: np.ndarray) -> np.ndarray:
    """The rank (m,), from 1, of some positions (m,) among all keys (G,)."""
    order = np.argsort(keys[named])
    limits = keys[named][order]
    below = np.bincount(np.searchsorted(limits, keys, side="right"), minlength=len(limits) + 1).cumsum()
    ranks = np.empty(len(named), dtype=np.int64)
    ranks[order] = below[: len(limits)] + 1
    return ranks


def values_of_ranks(
    query: np.ndarray,
    rank: np.ndarray,
    gain: np.ndarray,
    ignored: np.ndarray,
    present: np.ndarray,
    ranks: Mapping[str, Sequence[int]],
) -> dict[str, np.ndarray]:
    """The values (B,) float64 of each metric; of a query without a right row they mean nothing.

    Args:
        query: (P,) which of B queries a named row is of, rising.
        rank: (P,) its rank among all rows, from 1.
        gain: (P,) above 0 where it is right.
        ignored: (P,) bool, where it is left out of the ranking.
        present: (B,) number of rows that are ranked, those that are ignored among them.
        ranks: Ranks k of "cmc", "precision", "map", "hits" and "ndcg".
    """
    order = np.lexsort([rank, query])
    query, rank, gain, ignored = query[order], rank[order], gain[order], ignored[order]
    before = np.r_[0, ignored.cumsum()]  # how many are ignored up to there
    rank = rank - (before[:-1] - before[np.searchsorted(query, query)])
    present = present - np.bincount(query[ignored], minlength=len(present))
    right = gain > 0
    query, rank, gain = query[right], rank[right], gain[right]
    number = np.arange(len(query)) - np.searchsorted(query, query) + 1  # 1 for the first right row of a query
    count = np.bincount(query, minlength=len(present))
    least = np.maximum(count, 1)

    def total(weights: np.ndarray) -> np.ndarray:
        return np.bincount(query, weights.astype(np.float64), minlength=len(present))

    precision = number / rank
    values = {f"cmc@{k}": (total(rank <= k) > 0).astype(np.float64) for k in ranks["cmc"]}
    for k in ranks["precision"]:
        values[f"precision@{k}"] = total(rank <= k) / np.minimum(least, present.clip(1, k))
    for k in ranks["map"]:
        values[f"map@{k}"] = total((rank <= k) * precision) / total(rank <= k).clip(1)
    for k in ranks["hits"]:
        values[f"hits@{k}"] = total(rank <= k) / k
    best = np.lexsort([-gain, query])
    for k in ranks["ndcg"]:
        ideal = total((number <= np.minimum(k, present[query])) * gain[best] / np.log2(1 + number))
        values[f"ndcg@{k}"] = total((rank <= k) * gain / np.log2(1 + rank)) / np.where(ideal > 0, ideal, 1)
    values["map@r"] = total((rank <= count[query]) * precision) / least
    values["r_precision"] = total(rank <= count[query]) / least
    values["ap"] = total(precision) / least
    values["inp"] = total((number == count[query]) * precision)
    earlier = np.where(rank == 1, 1.0, (number - 1) / np.maximum(rank - 1, 1))
    values["ap_trapezoid"] = total((earlier + precision) / 2) / least
    return values


def _joined(parts: Sequence[RetrievalPerQuery]) -> RetrievalPerQuery:
    values = {name: np.concatenate([part.values[name] for part in parts]) for name in parts[0].values}
    arrays = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("queries", "first", "scores", "without_relevant", "right")
    }
    return replace(parts[0], values=values, **arrays)
