"""The exact backend: every vector is looked at, in blocks."""

import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from omlzoo.ops.array_search import nearest_rows
from omlzoo.ops.arrays import check_array
from omlzoo.ops.similarity import Similarity

if TYPE_CHECKING:
    from omlzoo.ops.nearest import NeighborSearch

__all__ = ["exact"]

FEW = 128  # where fewer than one row in so many may be found, copying those is faster than looking at all
SOON = 1 << 29  # products that numpy computes in less time than torch takes to be imported


class Flat:
    """Exact search. Of rows with equal scores the lower one comes first."""

    approximate = False

    def __init__(self, similarity: Similarity) -> None:
        self.similarity: Similarity = similarity
        self._hold(np.empty((0, 0), dtype=np.float32), np.empty(0, dtype=np.int64))
        self.products = 0  # of all searches so far

    def add(self, vectors: np.ndarray, rows: np.ndarray) -> None:
        """Search these rows too.

        Args:
            vectors: (N, dim) float32, all vectors of the index.
            rows: (M,) numbers of the rows.
        """
        rows = np.concatenate([self.rows, rows])
        whole = len(rows) == len(vectors) and np.array_equal(rows, np.arange(len(rows)))
        chosen = np.ascontiguousarray(vectors if whole else vectors[rows], dtype=np.float32)
        check_array("gallery", chosen)
        self._hold(chosen, rows)

    def remove(self, rows: np.ndarray) -> None:
        """Forget these rows (M,)."""
        keep = ~np.isin(self.rows, rows)
        self._hold(self.vectors[keep], self.rows[keep])

    def _hold(self, vectors: np.ndarray, rows: np.ndarray) -> None:
        self.vectors, self.rows = vectors, rows
        self.__dict__.pop("gallery", None)

    @cached_property
    def gallery(self) -> "NeighborSearch":
        """The rows as torch searches them."""
        return _gallery(self.vectors, self.similarity)

    def search(
        self, queries: np.ndarray, k: int, own: np.ndarray | None = None, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Scores (Q, k) float32, higher is nearer, and rows (Q, k); -inf and -1 where fewer than k are left.

        Args:
            queries: (Q, dim).
            k: At most the number of rows.
            own: (Q,) the row of a query, which is left out; -1 where it is not here.
            allowed: (N,) bool, the rows that may be found; all by default.
        """
        rows, keep = self.rows, None if allowed is None else allowed[self.rows]
        queries = np.ascontiguousarray(queries, dtype=np.float32)
        scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
        nearest = np.full((len(queries), k), -1, dtype=np.int64)
        self.products += len(queries) * self.vectors.size
        if "torch" not in sys.modules and self.products <= SOON:
            check_array("queries", queries)
            places = None if own is None else _places(rows, own)
            found, ids = nearest_rows(queries, self.vectors, min(k, len(rows)), self.similarity, places, keep)
        else:
            found, ids, rows = self._by_torch(queries, k, own, keep)
        scores[:, : found.shape[1]] = found
        if len(rows):
            nearest[:, : ids.shape[1]] = np.where(ids < 0, -1, rows[ids])
        return scores, nearest

    def _by_torch(
        self, queries: np.ndarray, k: int, own: np.ndarray | None, keep: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Scores (Q, k), positions (Q, k), and the rows (M,) that the positions are of."""
        import torch

        rows, gallery, groups = self.rows, self.gallery, None
        if keep is not None and int(keep.sum()) * FEW < len(rows):
            rows, gallery = rows[keep], _gallery(self.vectors[keep], self.similarity)
        elif keep is not None:  # those that may not be found are in the group of all queries
            groups = torch.zeros(len(queries), dtype=torch.int64), torch.from_numpy(keep).long().neg()
        places = None if own is None else torch.from_numpy(_places(rows, own))
        scores, ids = gallery.nearest(torch.from_numpy(queries), k, own=places, groups=groups)
        return scores.numpy(), ids.numpy(), rows

    def save(self, folder: Path) -> None:
        """Write nothing: the vectors of the index are enough."""

    def restore(self, folder: Path, vectors: np.ndarray, rows: np.ndarray) -> None:
        """Take the rows (M,) of ``vectors`` (N, dim)."""
        self.add(vectors, rows)


def exact(similarity: Similarity, dim: int) -> Flat:
    """Exact search: every vector is looked at. There are no options.

    Args:
        similarity: "cosine" of unit vectors, or "euclidean".
        dim: Dimension of the vectors; an exact search does not need it.
    """
    return Flat(similarity)


def _gallery(vectors: np.ndarray, similarity: Similarity) -> "NeighborSearch":
    import torch

    from omlzoo.ops.nearest import NeighborSearch

    return NeighborSearch(torch.from_numpy(vectors), similarity)


def _places(rows: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Positions of ``own`` in ``rows``; -1 where they are not there."""
    order = np.argsort(rows)
    at = np.searchsorted(rows[order], own).clip(max=max(0, len(rows) - 1))
    if not len(rows):
        return np.full(len(own), -1)
    return np.where(rows[order][at] == own, order[at], -1)
