"""Searches behind filters: an approximate backend that brings too few never decides."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_rows import random_embeddings
from stores import STORES, options_of

import omlzoo
from omlzoo.index.index import Index

ROWS = 300
APPROXIMATE = ["faiss", "faiss_ivfpq", "faiss_int8", "faiss_binary", *STORES]


@pytest.fixture(params=APPROXIMATE)
def both(request: pytest.FixtureRequest, folder: Path) -> tuple[Index, Index]:
    """An approximate index and the exact one over the same rows."""
    rows = random_embeddings(ROWS)
    options: dict[str, Any] = options_of(request.param, folder, request)
    options.pop("search_width", None)
    if request.param == "faiss_ivfpq":
        options = {"code_bytes": 8, "lists": 30, "probes": 1, "spare": 40}
    if request.param == "faiss_binary":
        options = {"spare": 60}
    return omlzoo.build_index(rows, backend=request.param, **options), omlzoo.build_index(rows)


def test_rows_that_pass_far_from_the_query_are_all_found(
    both: tuple[Index, Index], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A walk that began at the nearest rows ended before it came to those that pass."""
    monkeypatch.setattr("omlzoo.index.rows.FEW", 0)
    index, exact = both
    vectors = index.embeddings.vectors
    far = np.argsort(vectors @ vectors[7])[:60]
    for k in (5, 60, 61):
        ours, theirs = (each.search(vectors[7:8], k=k, where=far) for each in (index, exact))
        assert ours.ids.tolist() == theirs.ids.tolist()
    for each in (index, exact):
        each.remove(np.setdiff1d(np.arange(ROWS), far))
    ours, theirs = (each.search(vectors[7:9], k=60, exclude_self=True) for each in (index, exact))
    assert ours.ids.tolist() == theirs.ids.tolist()
    assert (ours.ids >= 0).all()


class Forgetful:
    """A backend that brings so many hits of each query, and remembers which queries it had."""

    approximate = True

    def __init__(self, exact: Any, brings: Callable[[int], int]) -> None:
        self.exact, self.brings = exact, brings

    def search(
        self, queries: np.ndarray, k: int, own: Any = None, allowed: Any = None
    ) -> tuple[np.ndarray, np.ndarray]:
        scores, ids = self.exact.search(queries, k, own, allowed)
        for query in range(len(ids)):
            ids[query, self.brings(query) :], scores[query, self.brings(query) :] = -1, -np.inf
        return scores, ids


def test_only_queries_that_lack_hits_are_searched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omlzoo.index.rows.FEW", 0)
    rows = omlzoo.build_index(random_embeddings(ROWS)).rows
    queries, own = rows.embeddings.vectors[:4], np.array([0, -1, 2, 3])
    few = np.arange(ROWS) < 30  # of which queries 0, 2 and 3 find 29
    wanted = rows.find(queries, 30, own, few)
    ours = replace(rows, searcher=Forgetful(rows.searcher, lambda query: 29 if query else 3))
    asked: list[int] = []
    looked = type(ours)._looked_at
    monkeypatch.setattr(
        type(ours),
        "_looked_at",
        lambda self, vectors, *rest: (asked.append(len(vectors)), looked(self, vectors, *rest))[1],
    )
    scores, ids = ours.find(queries, 30, own, few)
    assert ids.tolist() == wanted[1].tolist()
    assert scores.tolist() == wanted[0].tolist()
    assert asked == [2]  # the first, and the second, whose own row is not there


def test_more_hits_than_a_store_gives_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omlzoo.index.rows.MANY", 50)
    rows = omlzoo.build_index(random_embeddings(ROWS)).rows
    ours = replace(rows, searcher=Forgetful(None, lambda query: 0))
    assert (
        ours.find(rows.embeddings.vectors[:2], 51)[1].tolist() == rows.find(rows.embeddings.vectors[:2], 51)[1].tolist()
    )
