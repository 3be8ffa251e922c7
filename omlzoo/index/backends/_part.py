"""Rows that are searched exactly, prepared when they are first searched; some may be taken out without a copy."""

import copy
import threading
from typing import TYPE_CHECKING

import numpy as np

from omlzoo.ops.array_search import nearest_rows
from omlzoo.ops.arrays import LARGEST, check_array
from omlzoo.ops.similarity import Similarity

if TYPE_CHECKING:
    from omlzoo.ops.nearest import NeighborSearch

__all__ = ["Part"]

FEW = 128  # where fewer than one row in so many may be found, copying those is faster than looking at all
HOLES = 0.5  # largest share of rows that are passed over in place; where there are more, the others are copied


class Part:
    """Some rows of the vectors of an index. They are a view of them where most rows of a range are there.

    Args:
        vectors: (N, dim) float32, all vectors of the index.
        rows: (M,) numbers of the rows, ascending.
        similarity: "cosine" or "euclidean".
        asked: How often the rows were read before, see :class:`omlzoo.ops.int8.Int8Pass`.
    """

    def __init__(self, vectors: np.ndarray, rows: np.ndarray, similarity: Similarity, asked: float = 0.0) -> None:
        self.similarity, self.asked = similarity, asked
        self.first, end = (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, 0)
        self.numbers: np.ndarray | None = None  # of the rows, where they are no range that begins with ``first``
        self.gone: np.ndarray | None = None  # (M,) bool: which rows are not found
        self.vectors = vectors[self.first : end]
        missing = np.ones(end - self.first, dtype=bool)
        missing[rows - self.first] = False
        holes = int(np.count_nonzero(missing))
        if holes > HOLES * len(missing) or not _is_usual(self.vectors, missing, holes):
            self.numbers, self.vectors = rows, vectors[rows]
        elif holes:
            self.gone = missing
        self._preparing = threading.Lock()
        self._search: NeighborSearch | None = None
        self._checked = False  # by the search without torch; that of torch checks its rows itself

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def left(self) -> int:
        """Number of rows that can be found."""
        return len(self) - (0 if self.gone is None else int(np.count_nonzero(self.gone)))

    @property
    def rows(self) -> np.ndarray:
        """Numbers of the rows that can be found, ascending."""
        numbers = np.arange(self.first, self.first + len(self)) if self.numbers is None else self.numbers
        return numbers if self.gone is None else numbers[~self.gone]

    @property
    def readings(self) -> float:
        """How often the rows were read, for a part that takes this one's place."""
        return self.asked if self._search is None else self._search.int8.saved

    def without(self, rows: np.ndarray) -> "Part":
        """The same without these rows (M,); what was prepared serves both."""
        places = self._places(rows)
        gone = np.zeros(len(self), dtype=bool) if self.gone is None else self.gone.copy()
        gone[places[places >= 0]] = True
        other = copy.copy(self)
        other.gone = gone
        if self._search is not None:
            other._search = _hidden(self._search, np.flatnonzero(gone))
        return other

    def nearest(
        self, queries: np.ndarray, k: int, own: np.ndarray | None, allowed: np.ndarray | None, by_torch: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """Scores (Q, k) and rows (Q, k) of the nearest; -inf and -1 where fewer are left. k may be less than asked for.

        Args:
            queries: (Q, dim) float32.
            k: At most as many rows are found.
            own: (Q,) the row of a query, which is left out; -1 for none.
            allowed: (N,) bool, the rows that may be found.
            by_torch: Whether torch computes; numpy otherwise, which few products are not worth importing torch for.
        """
        places = None if own is None else self._places(own)
        may = self._may_be_found(allowed)
        if not by_torch:
            return self._by_numpy(queries, min(k, len(self)), places, may)
        import torch

        search, chosen = self._prepared(), None
        if allowed is not None and may is not None:
            count = int(np.count_nonzero(may))
            if count * FEW < len(self):
                chosen = np.flatnonzero(may)
                places = None if places is None else _found_in(chosen, places)
                search = _searched(self.vectors[chosen], self.similarity)
            elif count < len(self):
                search = search.hiding(torch.from_numpy(np.logical_not(may)))
        query_vectors = torch.from_numpy(queries)
        scores, ids = search.nearest(query_vectors, k, own=None if places is None else torch.from_numpy(places))
        found = ids.numpy()
        if chosen is not None:
            found = np.where(found < 0, -1, chosen[found]) if len(chosen) else found
        return scores.numpy(), self._numbered(found)

    def _by_numpy(
        self, queries: np.ndarray, k: int, places: np.ndarray | None, may: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        check_array("queries", queries)
        if not self._checked:
            check_array("gallery", self.vectors if self.gone is None else self.vectors[~self.gone])
            self._checked = True
        scores, ids = nearest_rows(queries, self.vectors, k, self.similarity, places, may)
        return scores, self._numbered(ids)

    def _numbered(self, places: np.ndarray) -> np.ndarray:
        """Numbers of the rows at these positions; -1 for -1."""
        if not len(self):
            return places
        numbers = places + self.first if self.numbers is None else self.numbers[places]
        return np.where(places < 0, -1, numbers)

    def _may_be_found(self, allowed: np.ndarray | None) -> np.ndarray | None:
        """Which rows (M,) may be found; None for all."""
        if allowed is None:
            return None if self.gone is None else ~self.gone
        among = allowed[self.first : self.first + len(self)] if self.numbers is None else allowed[self.numbers]
        return among if self.gone is None else among & ~self.gone

    def _prepared(self) -> "NeighborSearch":
        if self._search is None:
            with self._preparing:
                if self._search is None:
                    search = _searched(np.ascontiguousarray(self.vectors), self.similarity)
                    search.int8.saved += self.asked
                    if self.gone is not None:
                        search = _hidden(search, np.flatnonzero(self.gone))
                    self._search = search
        return self._search

    def _places(self, rows: np.ndarray) -> np.ndarray:
        """Positions (Q,) of rows (Q,) here; -1 where they are not."""
        if self.numbers is not None:
            return _found_in(self.numbers, rows)
        inside = (rows >= self.first) & (rows < self.first + len(self))
        return np.where(inside, rows - self.first, -1)


def _searched(vectors: np.ndarray, similarity: Similarity) -> "NeighborSearch":
    import torch

    from omlzoo.ops.nearest import NeighborSearch

    return NeighborSearch(torch.from_numpy(vectors), similarity)


def _hidden(search: "NeighborSearch", places: np.ndarray) -> "NeighborSearch":
    import torch

    return search.hiding(torch.from_numpy(places))


def _found_in(sorted_values: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Positions of values (Q,) in ascending ones (M,); -1 where they are not there."""
    if not len(sorted_values):
        return np.full(len(values), -1)
    at = np.searchsorted(sorted_values, values).clip(max=len(sorted_values) - 1)
    return np.where(sorted_values[at] == values, at, -1)


def _is_usual(vectors: np.ndarray, missing: np.ndarray, holes: int) -> bool:
    """Whether the numbers of rows that are passed over can stand in products beside those that are looked for."""
    return not holes or bool((np.abs(vectors[missing]) <= LARGEST).all())
