"""Scores computed directly from pairs of vectors, by which the candidates of a first pass are put into their order."""

import math

import torch
from torch import Tensor

from omlzoo.ops.similarity import Similarity

__all__ = ["NOBODY", "best_candidates", "scores_of", "some_queries"]

NOBODY = -1  # the id of rows without a group, and the position where there is no row
TINY = 1e-28  # squared distance below which squares of single numbers may have been lost
DIRECT = 1 << 20  # numbers that one step of direct scoring gathers, few enough to stay in the cache


def best_candidates(
    queries: Tensor, gallery: Tensor, approximate: Tensor, candidates: Tensor, k: int, similarity: Similarity
) -> tuple[Tensor, Tensor]:
    """The k best candidates of each query by their direct scores.

    Args:
        queries: (Q, D) float32.
        gallery: (G, D) float32.
        approximate: (Q, C) values of the first pass; minus infinity where a candidate must not be found.
        candidates: (Q, C) positions in the gallery.
        k: At most C.
        similarity: "cosine" or "euclidean".

    Returns:
        Scores (Q, k), the highest first, and positions (Q, k); of equal scores the lower position comes first.
    """
    candidates, order = candidates.sort(dim=1)
    allowed = approximate.gather(1, order) > -math.inf
    step = max(1, DIRECT // max(1, candidates.shape[1] * queries.shape[1]))
    parts = [
        scores_of(queries[i : i + step], gallery[candidates[i : i + step]], similarity)
        for i in range(0, len(queries), step)
    ]
    scores = torch.cat(parts).masked_fill_(~allowed, -math.inf)
    # The candidates are in ascending order of position, so of equal scores the lower position comes first.
    scores, order = scores.sort(dim=1, descending=True, stable=True)
    ids = candidates.gather(1, order).masked_fill_(scores == -math.inf, NOBODY)
    return scores[:, :k], ids[:, :k]


def scores_of(queries: Tensor, rows: Tensor, similarity: Similarity) -> Tensor:
    """Scores (Q, C) float32 of each query with its own rows, computed directly from the vectors.

    Args:
        queries: (Q, D) float32.
        rows: (Q, C, D) float32, for each query the C rows that it is compared with.
        similarity: "cosine" for inner products, "euclidean" for minus the Euclidean distances.
    """
    if similarity == "cosine":
        return rows.mul(queries[:, None]).sum(dim=2)  # a score has the same bits for any number of rows
    squares = rows.sub(queries[:, None]).square_().sum(dim=2)
    near = squares < TINY
    if near.any():  # equal rows, or rows whose squared distance is not in float32
        query, row = near.nonzero(as_tuple=True)
        exact = torch.float32 if rows.device.type == "mps" else torch.float64
        squares, step = squares.sqrt_(), max(1, DIRECT // max(1, rows.shape[2]))
        for start in range(0, len(query), step):
            pair = query[start : start + step], row[start : start + step]
            squares[pair] = (rows[pair].to(exact) - queries[pair[0]].to(exact)).norm(dim=1).float()
        return squares.neg_()
    return squares.sqrt_().neg_()


def some_queries(
    own: Tensor | None, groups: tuple[Tensor, Tensor] | None, rows: slice | Tensor
) -> tuple[Tensor | None, tuple[Tensor, Tensor] | None]:
    """The same ``own`` and ``groups`` for some of the queries.

    Args:
        own: (Q,) position of each query in the gallery, or None.
        groups: Group ids of the queries (Q,) and of the gallery (G,), or None.
        rows: Which queries.
    """
    return None if own is None else own[rows], None if groups is None else (groups[0][rows], groups[1])
