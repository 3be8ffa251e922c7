"""Candidates of an approximate search, put into the order of their exact scores."""

import numpy as np
import torch

from omlzoo.ops.direct_scores import scores_of
from omlzoo.ops.similarity import Similarity

__all__ = ["rescored"]

GATHERED = 1 << 24  # numbers of candidates' vectors at a time: 64 MB


def rescored(
    queries: np.ndarray,
    vectors: np.ndarray,
    candidates: np.ndarray,
    k: int,
    similarity: Similarity,
    own: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The best k candidates of each query by direct scores; of equal ones the lower row first.

    Args:
        queries: (Q, dim) float32.
        vectors: (N, dim) float32.
        candidates: (Q, C) rows of ``vectors``; -1 for none.
        k: Number of hits for each query.
        similarity: "cosine" of unit vectors, or "euclidean": minus the distance.
        own: (Q,) a row that is left out; -1 for none.

    Returns:
        Scores (Q, k) and rows (Q, k); -inf and -1 where there are fewer candidates.
    """
    candidates = np.sort(candidates, axis=1)
    absent = candidates < 0
    if own is not None:
        absent |= candidates == own[:, None]
    scores = np.full((len(queries), max(k, candidates.shape[1])), -np.inf, dtype=np.float32)
    rows = np.full(scores.shape, -1, dtype=np.int64)
    step = max(1, GATHERED // max(1, candidates.shape[1] * vectors.shape[1]))
    for start in range(0, len(queries), step):
        part = slice(start, start + step)
        gathered = torch.from_numpy(vectors[candidates[part]])
        query_vectors = torch.from_numpy(np.ascontiguousarray(queries[part], dtype=np.float32))
        direct = scores_of(query_vectors, gathered, similarity).numpy()
        direct[absent[part] | np.isnan(direct)] = -np.inf  # NaN: of vectors that somebody else wrote
        order = np.argsort(-direct, axis=1, kind="stable")  # rows ascend: the lower one first
        width = candidates.shape[1]
        scores[part, :width] = np.take_along_axis(direct, order, axis=1)
        rows[part, :width] = np.take_along_axis(candidates[part], order, axis=1)
    rows[scores == -np.inf] = -1
    return scores[:, :k], rows[:, :k]
