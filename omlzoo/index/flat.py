"""The exact backend: every vector is looked at, in blocks."""

import numpy as np
import torch

from omlzoo.nearest import Similarity, nearest

__all__ = ["exact"]


class Flat:
    """Exact search; equal scores: the lower position first."""

    def __init__(self, vectors: np.ndarray, similarity: Similarity) -> None:
        self.vectors = torch.from_numpy(np.ascontiguousarray(vectors, dtype=np.float32))
        self.similarity: Similarity = similarity

    def search(self, queries: np.ndarray, k: int, own: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Scores (Q, k) float32, higher is nearer, and positions (Q, k); -inf and -1 where fewer than k are left.

        Args:
            queries: (Q, dim).
            k: At most the number of vectors.
            own: (Q,) the position of a query, which is left out; -1 where it is not here.
        """
        place = None if own is None else torch.from_numpy(own)
        rows = torch.from_numpy(np.ascontiguousarray(queries, dtype=np.float32))
        scores, ids = nearest(rows, self.vectors, k, similarity=self.similarity, own=place)
        return scores.numpy(), ids.numpy()


def exact(vectors: np.ndarray, similarity: Similarity) -> Flat:
    """An exact index of vectors (N, dim)."""
    return Flat(vectors, similarity)
