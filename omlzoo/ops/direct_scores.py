"""Scores computed directly from pairs of vectors, by which the candidates of a first pass are put into their order."""

import math
from typing import Literal

import torch
from torch import Tensor

from omlzoo.errors import BadInput

__all__ = ["NOBODY", "Similarity", "best_candidates", "check_finite", "scores_of", "some_queries"]

Similarity = Literal["cosine", "euclidean"]

NOBODY = -1  # the id of rows without a group, and the position where there is no row
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
    return -rows.sub(queries[:, None]).square_().sum(dim=2).sqrt_()


def check_finite(name: str, rows: Tensor) -> None:
    """Refuse rows (N, D) that hold NaN or infinity.

    Args:
        name: Of the rows, for the message.
        rows: (N, D).

    Raises:
        BadInput: A row holds one.
    """
    bad = ~torch.isfinite(rows).all(dim=1)
    if bad.any():
        first, problem = int(bad.nonzero()[0]), f"{int(bad.sum())} of {len(rows)} rows hold NaN or infinity"
        raise BadInput(f"{name}: {problem}, the first is row {first}; leave those rows out")


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
