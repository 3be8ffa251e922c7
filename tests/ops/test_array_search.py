"""The search by numpy finds what a loop finds, and what the search by torch finds."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from omlzoo.ops.array_search import nearest_rows
from omlzoo.ops.nearest import nearest
from omlzoo.ops.similarity import Similarity

SIMILARITIES: tuple[Similarity, Similarity] = ("cosine", "euclidean")


def by_loop(query: list[float], rows: list[list[float]], similarity: Similarity, left: set[int]) -> list[int]:
    """All rows but those left out, the nearest first, of equal ones the lower first."""

    def score(row: list[float]) -> float:
        return sum(a * b for a, b in zip(query, row, strict=True)) if similarity == "cosine" else -math.dist(query, row)

    return sorted((i for i in range(len(rows)) if i not in left), key=lambda i: (-score(rows[i]), i))


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_small_whole_numbers_are_found_in_the_order_of_a_loop(data: st.DataObject) -> None:
    dim, count, asked = (data.draw(st.integers(1, 4)) for _ in range(3))
    drawn = st.lists(st.lists(st.integers(-3, 3), min_size=dim, max_size=dim), min_size=1, max_size=9)
    rows, queries = data.draw(drawn), data.draw(drawn)
    similarity = data.draw(st.sampled_from(SIMILARITIES))
    own = [data.draw(st.integers(-1, len(rows) - 1)) for _ in queries]
    allowed = [data.draw(st.booleans()) for _ in rows]
    k = min(len(rows), count + asked)
    scores, ids = nearest_rows(
        np.array(queries, np.float32), np.array(rows, np.float32), k, similarity, np.array(own), np.array(allowed)
    )
    for number, query in enumerate(queries):
        left = {own[number], *(row for row, may in enumerate(allowed) if not may)}
        wanted = by_loop(query, rows, similarity, left)[:k]
        assert ids[number].tolist() == wanted + [-1] * (k - len(wanted))
        assert np.isneginf(scores[number, len(wanted) :]).all()


@pytest.mark.parametrize("similarity", SIMILARITIES)
@pytest.mark.parametrize("away", [0.0, 100.0])
def test_hits_and_scores_are_those_of_torch(similarity: Similarity, away: float) -> None:
    draw = np.random.default_rng(2)
    rows = (draw.normal(size=(40_000, 32)) + away).astype(np.float32)  # several blocks
    queries = np.concatenate([rows[:3], (draw.normal(size=(5, 32)) + away).astype(np.float32)])
    if similarity == "cosine":
        rows, queries = (each / np.linalg.norm(each, axis=1, keepdims=True) for each in (rows, queries))
    rows[17] = rows[2]  # equal ones
    scores, ids = nearest_rows(queries, rows, 10, similarity)
    expected, positions = nearest(torch.from_numpy(queries), torch.from_numpy(rows), 10, similarity=similarity)
    np.testing.assert_allclose(scores, expected.numpy(), rtol=1e-6, atol=1e-5 if similarity == "cosine" else 1e-4)
    near_ties = similarity == "cosine" and away  # all rows point the same way
    assert near_ties or np.array_equal(ids, positions.numpy())
    assert ids[2, :2].tolist() == [2, 17]


def test_without_rows_there_are_no_hits() -> None:
    scores, ids = nearest_rows(np.ones((2, 3), np.float32), np.empty((0, 3), np.float32), 0, "cosine")
    assert scores.shape == ids.shape == (2, 0)
