"""The exact backend: every vector is looked at, in blocks."""

import sys
from pathlib import Path

import numpy as np

from omlzoo.index.backends._part import Part
from omlzoo.ops.similarity import Similarity

__all__ = ["exact"]

SOON = 1 << 29  # products that numpy computes in less time than torch takes to be imported
TAIL = 8192  # rows that were added and are searched beside the others, until all are taken together


class Flat:
    """Exact search. Of rows with equal scores the lower one comes first.

    Rows that are added are searched beside those that are there, and rows that are removed are passed over, so that
    neither makes what was prepared for the others useless.
    """

    approximate = False

    def __init__(self, similarity: Similarity) -> None:
        self.similarity: Similarity = similarity
        self.vectors = np.empty((0, 0), dtype=np.float32)
        self.parts: tuple[Part, ...] = ()
        self.products = 0  # of all searches so far

    def add(self, vectors: np.ndarray, rows: np.ndarray) -> None:
        """Search these rows too.

        Args:
            vectors: (N, dim) float32, all vectors of the index.
            rows: (M,) numbers of the rows.
        """
        vectors = np.asarray(vectors, dtype=np.float32)
        grown = self.vectors.base is not None and self.vectors.base is vectors.base  # else two copies would be kept
        tail = np.sort(np.concatenate([*(part.rows for part in self.parts[1:]), rows]))
        if self.parts and grown and len(self.parts[0]) > TAIL >= len(tail) and tail[0] > self.parts[0].rows[-1]:
            self.parts = self.parts[0], Part(vectors, tail, self.similarity)
        else:
            every = np.sort(np.concatenate([*(part.rows for part in self.parts), rows]))
            self.parts = (Part(vectors, every, self.similarity, self._readings()),)
        self.vectors = vectors

    def remove(self, rows: np.ndarray) -> None:
        """Forget these rows (M,)."""
        parts = [part.without(rows) for part in self.parts]
        if 2 * sum(part.left for part in parts) < sum(map(len, parts)):
            left = np.concatenate([part.rows for part in parts])
            parts = [Part(self.vectors, left, self.similarity, self._readings())]
        self.parts = tuple(parts)

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
        queries = np.ascontiguousarray(queries, dtype=np.float32)
        self.products += len(queries) * self.vectors.size
        by_torch = "torch" in sys.modules or self.products > SOON
        found = [part.nearest(queries, k, own, allowed, by_torch) for part in self.parts]
        scores, rows = (np.concatenate(each, axis=1) for each in zip(*found, strict=True))
        if len(found) > 1:  # rows of a later part are higher, so a stable order has the lower one first
            order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
            scores, rows = np.take_along_axis(scores, order, axis=1), np.take_along_axis(rows, order, axis=1)
        if (missing := k - scores.shape[1]) > 0:
            scores = np.pad(scores, ((0, 0), (0, missing)), constant_values=-np.inf)
            rows = np.pad(rows, ((0, 0), (0, missing)), constant_values=-1)
        return scores, rows

    def save(self, folder: Path) -> None:
        """Write nothing: the vectors of the index are enough."""

    def restore(self, folder: Path, vectors: np.ndarray, rows: np.ndarray) -> None:
        """Take the rows (M,) of ``vectors`` (N, dim)."""
        self.add(vectors, rows)

    def _readings(self) -> float:
        """How often the rows were read: whether it pays to have those that take their place in bytes at once."""
        return max((part.readings for part in self.parts), default=0.0)


def exact(similarity: Similarity, dim: int) -> Flat:
    """Exact search: every vector is looked at. There are no options.

    Args:
        similarity: "cosine" of unit vectors, or "euclidean".
        dim: Dimension of the vectors; an exact search does not need it.
    """
    return Flat(similarity)
