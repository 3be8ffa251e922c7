"""The first hits of each query in a better order, found by comparing them with each other: a small square per query.

Rows beyond the first hits are not looked at, so the cost does not depend on the size of the gallery, and the answer to
a query does not depend on what else was asked.
"""

from collections.abc import Callable

import numpy as np

from omlzoo.errors import BadInput, UnknownName
from omlzoo.ops.directions import directions
from omlzoo.ops.similarity import Similarity

__all__ = ["METHODS", "MOST", "check_method", "described_method", "reranked"]

MOST = 1000  # candidates: the square of as many numbers is made for each query
BLOCK = 1 << 23  # numbers of a block of queries
NEIGHBOURS, AVERAGED, WEIGHT = 20, 6, 0.3  # k1, k2 and lambda of k-reciprocal re-ranking
EXPANDING = 10  # nearest rows that a query is moved towards


def reranked(
    name: str, queries: np.ndarray, gallery: np.ndarray, ids: np.ndarray
) -> tuple[np.ndarray, np.ndarray, Similarity]:
    """The candidates of each query, the best first by a method of re-ranking.

    Args:
        name: "reciprocal": k-reciprocal neighbours, as ``omlzoo.rerank.k_reciprocal`` among the query and its
            candidates. "expansion": the cosine to the query after ``omlzoo.rerank.expand`` among its candidates.
            "average_expansion": the same with all weights equal.
        queries: (Q, D).
        gallery: (N, D).
        ids: (Q, C) rows of the gallery, the candidates of each query in order; -1 where there are fewer.

    Returns:
        Scores (Q, C) float32, higher is better, -inf where there are fewer; the columns (Q, C) of ``ids`` in the new
        order; and how the scores are to be read: "cosine", or "euclidean", minus a distance. Candidates with equal
        scores keep their order.

    Raises:
        UnknownName: There is no such method.
        BadInput: There are more than 1,000 candidates.
    """
    check_method(name, ids.shape[1])
    judge, similarity = METHODS[name]
    scores = np.full(ids.shape, -np.inf, dtype=np.float64)
    counts = (ids >= 0).sum(axis=1)
    for count in np.unique(counts[counts > 0]):
        alike = np.flatnonzero(counts == count)
        step = max(1, BLOCK // (count + 1) // max(count + 1, queries.shape[1]))
        for start in range(0, len(alike), step):
            block = alike[start : start + step]
            near = np.asarray(gallery[ids[block, :count]], dtype=np.float64)
            scores[block, :count] = judge(np.asarray(queries[block], dtype=np.float64), near)
    order = np.argsort(-scores, axis=1, kind="stable")
    return np.take_along_axis(scores, order, axis=1).astype(np.float32), order, similarity


def check_method(name: str, candidates: int = 1) -> None:
    """Refuse a name that no method has, and more candidates than can be compared with each other.

    Args:
        name: A method of re-ranking.
        candidates: Rows that would be compared with each other for each query.

    Raises:
        UnknownName: There is no such method.
        BadInput: ``candidates`` is below 1 or above 1,000.
    """
    if name not in METHODS:
        raise UnknownName("re-ranking method", name, METHODS)
    if not 1 <= candidates <= MOST:
        raise BadInput(
            f"{candidates} candidates would be compared with each other; re-ranking takes 1 to {MOST} of them"
        )


def described_method(name: str, candidates: int) -> str:
    """What a re-ranked list is, in a sentence.

    Args:
        name: A method.
        candidates: First hits that are compared with each other.
    """
    what = {
        "reciprocal": f"k-reciprocal neighbours (k1 {NEIGHBOURS}, k2 {AVERAGED}, lambda {WEIGHT})",
        "expansion": f"query expansion (the {EXPANDING} nearest, weighted by cosine ^ 3)",
        "average_expansion": f"average query expansion (the {EXPANDING} nearest)",
    }[name]
    return f"re-ranked by {what} among the first {candidates} hits of each query"


def _reciprocal(queries: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Minus the distances (B, C) of ``k_reciprocal`` among each query (B, D) and its candidates (B, C, D)."""
    rows = np.concatenate([near, queries[:, None]], axis=1)  # the query is the last
    rows = rows - rows.mean(axis=1, keepdims=True)
    norms = np.square(rows).sum(axis=2)
    squares = norms[:, :, None] + norms[:, None] - 2 * rows @ rows.swapaxes(1, 2)
    count = rows.shape[1]
    rounding = norms.max(axis=1)[:, None, None] * rows.shape[2] * 2.0**-52
    squares[squares <= rounding] = 0  # of equal rows, which then come in their order
    squares[:, np.arange(count), np.arange(count)] = 0
    largest = squares.max(axis=2, keepdims=True)
    largest[largest == 0] = 1
    wide = min(NEIGHBOURS + 1, count)
    order = np.argsort(squares, axis=2, kind="stable")
    whole = _mutual(order[:, :, :wide])
    closer = _mutual(order[:, :, : round(wide / 2 - 0.5) + 1])
    shared = whole @ closer.swapaxes(1, 2)  # [i, j]: close neighbours of j that are neighbours of i
    taken = whole * (shared > 2 / 3 * closer.sum(axis=2)[:, None] + 1e-6)
    weights = ((whole + taken @ closer) > 0) * np.exp(-squares / largest)
    weights /= weights.sum(axis=2, keepdims=True)
    averaging = _members(order[:, :, :AVERAGED])
    encoded = averaging @ weights / averaging.sum(axis=2, keepdims=True)
    common = np.minimum(encoded[:, :-1], encoded[:, -1:]).sum(axis=2)
    distances = (1 - WEIGHT) * (1 - common / (2 - common)) + WEIGHT * squares[:, -1, :-1] / largest[:, -1]
    return np.asarray(-distances)


def _members(order: np.ndarray) -> np.ndarray:
    """(B, P, P): 1 where a row (P) is among those that ``order`` (B, P, k) lists, else 0."""
    found = np.zeros((*order.shape[:2], order.shape[1]))
    np.put_along_axis(found, order, 1.0, axis=2)
    return found


def _mutual(order: np.ndarray) -> np.ndarray:
    listed = _members(order)
    return np.asarray(listed * listed.swapaxes(1, 2))


def _expansion(alpha: float) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """Cosines (B, C) of candidates (B, C, D) and the queries (B, D) after ``expand``."""

    def judge(queries: np.ndarray, near: np.ndarray) -> np.ndarray:
        flat = directions(near.reshape(-1, near.shape[2])).reshape(near.shape)
        units = directions(queries)
        cosines = np.einsum("bcd,bd->bc", flat, units)
        first = np.argsort(-cosines, axis=1, kind="stable")[:, :EXPANDING]
        weights = np.take_along_axis(cosines, first, axis=1).clip(min=0) ** alpha
        moved = units + np.einsum("bk,bkd->bd", weights, np.take_along_axis(flat, first[:, :, None], axis=1))
        return np.asarray(np.einsum("bcd,bd->bc", flat, directions(moved)))

    return judge


METHODS: dict[str, tuple[Callable[[np.ndarray, np.ndarray], np.ndarray], Similarity]] = {
    "reciprocal": (_reciprocal, "euclidean"),
    "expansion": (_expansion(3.0), "cosine"),
    "average_expansion": (_expansion(0.0), "cosine"),
}
