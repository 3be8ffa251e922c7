"""Ranks that are counted are those of a search for as many neighbours, to the last bit, and those of a loop."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from ranking_loop import by_hand

from omlzoo.metrics import _large_labels, _squares, retrieval_per_query
from omlzoo.metrics._large_labels import usual_rank
from omlzoo.metrics.ranking import RetrievalPerQuery


def found(vectors: Any, labels: Any, counted: bool, blocks: int = 1 << 22, **more: Any) -> RetrievalPerQuery:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_large_labels, "COUNTED", 0.0 if counted else 1e9)
        patch.setattr(_large_labels, "NUMBERS", blocks)
        patch.setattr(_large_labels, "LEAST", 2)
        patch.setattr(_squares, "GALLERY", 7 if blocks == 1 else 4096)
        patch.setattr(_squares, "DIRECT", 40 if blocks == 1 else 1 << 20)
        return retrieval_per_query(vectors, labels, cmc=(1,), precision=(2,), map=(2,), **more)


def same(one: RetrievalPerQuery, other: RetrievalPerQuery) -> None:
    assert one.values.keys() == other.values.keys()
    for name in one.values:
        assert np.array_equal(one.values[name], other.values[name]), name
    assert np.array_equal(one.first, other.first)
    assert np.array_equal(one.scores, other.scores)


@given(st.integers(4, 40), st.integers(1, 4), st.integers(0, 10_000), st.booleans(), st.sampled_from([1, 1 << 22]))
@settings(max_examples=40, deadline=None)
def test_counted_ranks_are_those_of_the_loop(count: int, labels: int, seed: int, bursts: bool, blocks: int) -> None:
    random = np.random.default_rng(seed)
    vectors = random.integers(-3, 4, (count, 2)).astype(np.float32)  # whole numbers: many equal distances
    ids = random.integers(0, labels, count)
    queries, gallery = random.random(count) < 0.7, random.random(count) < 0.8
    queries[0] = gallery[-1] = True
    codes = random.integers(-1, 4, count).tolist() if bursts else [-1] * count
    sequences = [None if code < 0 else code for code in codes] if bursts else None
    flags = {"is_query": queries, "is_gallery": gallery, "sequences": sequences}
    counted = found(vectors, ids, True, blocks, **flags)
    same(counted, found(vectors, ids, False, **flags))
    rows = np.flatnonzero(queries).tolist(), np.flatnonzero(gallery).tolist()
    wanted = by_hand(vectors, ids.tolist(), *rows, codes, 2)
    if len(counted.queries):
        assert counted.values["map@r"].mean() == pytest.approx(wanted["map@r"], abs=1e-12)
        assert counted.values["r_precision"].mean() == pytest.approx(wanted["r"], abs=1e-12)


@pytest.mark.parametrize("similarity", ["euclidean", "cosine"])
@pytest.mark.parametrize(
    ("scale", "offset"), [(1, 0), (2.0**-124, 0), (2.0**-60, 0), (1e13, 0), (1, 4096), (1e-3, 100)]
)
def test_near_ties_are_decided_as_a_search_decides_them(similarity: str, scale: float, offset: float) -> None:
    random = np.random.default_rng(5)
    vectors = random.normal(size=(300, 24)) * np.float32(scale)
    vectors[60:120] = vectors[:60] * (1 + 1e-7 * random.normal(size=(60, 24)))  # nearer than float32 tells apart
    vectors[120:160] = vectors[:40]  # and equal, of another label
    vectors[260:300] = vectors[200]
    order = random.permutation(300)
    vectors, labels = (vectors + offset).astype(np.float32)[order], (random.random(300) < 0.4)[order].astype(int)
    sequences = random.integers(0, 120, 300)
    for more in ({}, {"sequences": sequences}, {"is_gallery": random.random(300) < 0.6}):
        options = {**more, "similarity": similarity}
        same(found(torch.from_numpy(vectors), labels, True, **options), found(vectors, labels, False, **options))


def test_a_collapsed_label_and_a_lone_row_are_counted_too() -> None:
    for vectors in (np.ones((30, 3)), np.zeros((30, 3)), np.eye(30)):
        labels = [0] * 12 + [1] * 17 + [2]
        same(found(vectors, labels, True, 1), found(vectors, labels, False))


def test_only_labels_that_are_large_beside_the_others_are_counted() -> None:
    even = np.full(16_000, 7)
    assert usual_rank(even, 10, 16_000) == 10
    assert usual_rank(np.full(16_000, 40), 10, 16_000) == 40  # all queries need them
    assert usual_rank(np.r_[even[:14_400], np.full(1600, 1599)], 10, 16_000) == 10
    assert usual_rank(np.r_[even, 12], 10, 16_000) == 10
    assert usual_rank(np.empty(0, int), 10, 5) == 10
