"""Nearest neighbours by numpy, for the few searches that end before torch would be imported."""

import numpy as np

from omlzoo.ops.similarity import Similarity

__all__ = ["nearest_rows"]

BLOCK = 1 << 20  # numbers of the rows that are converted at once, few enough to stay in the cache


def nearest_rows(
    queries: np.ndarray,
    rows: np.ndarray,
    k: int,
    similarity: Similarity,
    own: np.ndarray | None = None,
    allowed: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest rows of each query, as :func:`omlzoo.ops.nearest.nearest` finds them.

    Every score is computed in float64 and rounded once, so scores of the two differ by what float32 rounds there.

    Args:
        queries: (Q, D), finite.
        rows: (N, D), finite, no number above 1e15.
        k: How many rows to find for each query, at most N.
        similarity: "cosine" is the inner product, "euclidean" minus the Euclidean distance.
        own: (Q,) a row that is left out; -1 for none.
        allowed: (N,) bool, the rows that may be found; all by default.

    Returns:
        Scores (Q, k) float32, the highest first, and rows (Q, k) int64, of equal scores the lower one first; -inf and
        -1 where fewer than k are left.
    """
    exact = queries.astype(np.float64)
    scores = np.empty((len(queries), len(rows)), dtype=np.float32)
    step = max(1, BLOCK // max(1, rows.shape[1]))
    for start in range(0, len(rows), step):
        block = rows[start : start + step].astype(np.float64)
        part = scores[:, start : start + step]
        if similarity == "cosine":
            part[:] = exact @ block.T
            continue
        for query, line in zip(exact, part, strict=True):
            away = block - query
            line[:] = -np.sqrt(np.einsum("nd,nd->n", away, away))
    if allowed is not None:
        scores[:, ~allowed] = -np.inf
    if own is not None:
        here = np.flatnonzero(own >= 0)
        scores[here, own[here]] = -np.inf
    found = np.full((len(queries), k), -np.inf, dtype=np.float32)
    places = np.full((len(queries), k), -1, dtype=np.int64)
    for number, line in enumerate(scores if k else ()):
        best = np.flatnonzero(line >= np.partition(line, len(line) - k)[len(line) - k])  # ascending
        best = best[np.argsort(-line[best], kind="stable")][:k]
        best = best[line[best] > -np.inf]
        found[number, : len(best)], places[number, : len(best)] = line[best], best
    return found, places
