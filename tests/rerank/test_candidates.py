"""Candidates are re-ranked as by the functions that take a whole gallery, each query with its own candidates alone."""

import numpy as np
import pytest

from omlzoo.errors import BadInput, UnknownName
from omlzoo.rerank import _candidates as room
from omlzoo.rerank import expand, k_reciprocal
from omlzoo.rerank._candidates import METHODS, check_method, described_method, reranked


def made(candidates: int, dim: int = 12) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(0)
    gallery = np.repeat(draw.normal(size=(9, dim)), 20, axis=0) + 0.6 * draw.normal(size=(180, dim))
    queries = gallery[::12] + 0.3 * draw.normal(size=(15, dim))
    far = np.linalg.norm(queries[:, None] - gallery[None], axis=2)
    return queries.astype(np.float32), gallery.astype(np.float32), np.argsort(far, axis=1)[:, :candidates]


@pytest.mark.parametrize("block", [1 << 23, 1])
@pytest.mark.parametrize("candidates", [1, 2, 6, 21, 22, 100])
def test_reciprocal_is_k_reciprocal_among_the_candidates(
    candidates: int, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "BLOCK", block)
    queries, gallery, ids = made(candidates)
    scores, order, similarity = reranked("reciprocal", queries, gallery, ids)
    assert similarity == "euclidean"
    for number in range(len(queries)):
        distances, positions = k_reciprocal(queries[number : number + 1], gallery[ids[number]], candidates)
        np.testing.assert_allclose(-scores[number], distances[0], atol=1e-5)
        np.testing.assert_array_equal(order[number], positions[0])


@pytest.mark.parametrize(("name", "alpha"), [("expansion", 3.0), ("average_expansion", 0.0)])
def test_expansion_is_the_cosine_to_the_expanded_query(name: str, alpha: float) -> None:
    queries, gallery, ids = made(40)
    scores, order, similarity = reranked(name, queries, gallery, ids)
    assert similarity == "cosine"
    for number in range(len(queries)):
        moved = expand(queries[number : number + 1], gallery[ids[number]], k=10, alpha=alpha)[0]
        near = gallery[ids[number]]
        cosines = near @ moved / np.linalg.norm(near, axis=1)
        np.testing.assert_allclose(scores[number], np.sort(cosines)[::-1], atol=1e-6)
        np.testing.assert_allclose(cosines[order[number]], scores[number], atol=1e-6)


@pytest.mark.parametrize("name", METHODS)
def test_missing_candidates_stay_behind_and_others_are_as_without_them(name: str) -> None:
    queries, gallery, ids = made(9)
    short = np.where(np.arange(9) < (np.arange(len(ids)) % 10)[:, None], ids, -1)
    scores, order, _ = reranked(name, queries, gallery, short)
    for number, row in enumerate(short):
        count = int((row >= 0).sum())
        assert np.isneginf(scores[number, count:]).all()
        assert sorted(order[number, count:]) == list(range(count, 9))
        if count:
            alone = reranked(name, queries[number : number + 1], gallery, row[None, :count])
            np.testing.assert_allclose(scores[number, :count], alone[0][0], atol=1e-6)


@pytest.mark.parametrize("name", METHODS)
def test_equal_rows_keep_their_order(name: str) -> None:
    gallery = np.repeat(np.eye(4, 6, dtype=np.float32), 5, axis=0)
    scores, order, _ = reranked(name, gallery[:1], gallery, np.arange(20)[None])
    assert order[0, :5].tolist() == [0, 1, 2, 3, 4]
    assert np.ptp(scores[0, :5]) == 0
    assert np.isfinite(reranked(name, np.ones((1, 3)), np.ones((4, 3)), np.arange(4)[None])[0]).all()


def test_what_no_method_is_is_refused() -> None:
    with pytest.raises(UnknownName, match="re-ranking method has no 'reciprocl'; did you mean reciprocal"):
        check_method("reciprocl")
    for count in (0, 1001):
        with pytest.raises(BadInput, match=f"{count} candidates would be compared with each other"):
            check_method("reciprocal", count)
    for name in METHODS:
        assert "among the first 50 hits" in described_method(name, 50)
