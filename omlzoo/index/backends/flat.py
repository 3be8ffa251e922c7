"""The exact backend: every vector is looked at, in blocks."""

from pathlib import Path

import numpy as np
import torch

from omlzoo.ops.direct_scores import Similarity
from omlzoo.ops.nearest import NeighborSearch

__all__ = ["exact"]

FEW = 128  # where fewer than one row in so many may be found, copying those is faster than looking at all


class Flat:
    """Exact search. Of rows with equal scores the lower one comes first."""

    approximate = False

    def __init__(self, similarity: Similarity) -> None:
        self.similarity: Similarity = similarity
        self.rows = np.empty(0, dtype=np.int64)
        self.gallery = NeighborSearch(torch.empty(0, 0), similarity)

    def add(self, vectors: np.ndarray, rows: np.ndarray) -> None:
        """Search these rows too.

        Args:
            vectors: (N, dim) float32, all vectors of the index.
            rows: (M,) numbers of the rows.
        """
        self.rows = np.concatenate([self.rows, rows])
        self.gallery = NeighborSearch(_tensor(vectors, self.rows), self.similarity)

    def remove(self, rows: np.ndarray) -> None:
        """Forget these rows (M,)."""
        keep = ~np.isin(self.rows, rows)
        self.gallery = NeighborSearch(self.gallery.gallery[torch.from_numpy(keep)], self.similarity)
        self.rows = self.rows[keep]

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
        rows, gallery, groups = self.rows, self.gallery, None
        if allowed is not None:
            keep = torch.from_numpy(allowed[rows])
            if int(keep.sum()) * FEW < len(rows):
                rows, gallery = rows[keep.numpy()], NeighborSearch(gallery.gallery[keep], self.similarity)
            else:  # those that may not be found are in the group of all queries
                groups = torch.zeros(len(queries), dtype=torch.int64), keep.long().neg()
        own_positions = None if own is None else torch.from_numpy(_places(rows, own))
        query_vectors = torch.from_numpy(np.ascontiguousarray(queries, dtype=np.float32))
        nearest_scores, ids = gallery.nearest(query_vectors, k, own=own_positions, groups=groups)
        scores = np.full((len(queries), k), -np.inf, dtype=np.float32)
        nearest = np.full((len(queries), k), -1, dtype=np.int64)
        scores[:, : nearest_scores.shape[1]] = nearest_scores.numpy()
        if len(rows):
            nearest[:, : ids.shape[1]] = np.where(ids.numpy() < 0, -1, rows[ids.numpy()])
        return scores, nearest

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


def _tensor(vectors: np.ndarray, rows: np.ndarray) -> torch.Tensor:
    whole = len(rows) == len(vectors) and np.array_equal(rows, np.arange(len(rows)))
    return torch.from_numpy(np.ascontiguousarray(vectors if whole else vectors[rows], dtype=np.float32))


def _places(rows: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Positions of ``own`` in ``rows``; -1 where they are not there."""
    order = np.argsort(rows)
    at = np.searchsorted(rows[order], own).clip(max=max(0, len(rows) - 1))
    if not len(rows):
        return np.full(len(own), -1)
    return np.where(rows[order][at] == own, order[at], -1)
