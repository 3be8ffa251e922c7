"""Re-ranking equals fast-reid's and Open Metric Learning's own numbers, and a dense loop; it costs no square."""

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from places import DATA
from torch import nn

from omlzoo.errors import BadInput
from omlzoo.metrics import retrieval
from omlzoo.miners import AllTriplets
from omlzoo.rerank import PairScorer, PairwiseLoss, before_gap, by_pairs, expand, k_reciprocal
from omlzoo.rerank import reciprocal as room
from omlzoo.training.loop import train_epoch
from omlzoo.training.objective import Supervised
from omlzoo.training.recipe import Recipe
from omlzoo.training.step import Optimization

CASES = json.loads((DATA / "peers_reranking.json").read_text())["cases"]


def parts(case: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    vectors = np.array(case["embeddings"], dtype=np.float32)
    return vectors[: case["queries"]], vectors[case["queries"] :]


@pytest.mark.parametrize("block", [256, 5])
@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_k_reciprocal_is_fast_reids(case: dict[str, Any], block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "ROWS", block)
    queries, gallery = parts(case)
    wanted = np.array(case["distances"])
    found, ids = k_reciprocal(
        queries, gallery, len(gallery), neighbours=case["k1"], averaged=case["k2"], weight=case["weight"]
    )
    np.testing.assert_allclose(found, np.take_along_axis(wanted, ids, axis=1), atol=1e-6)
    np.testing.assert_allclose(found, np.sort(wanted, axis=1), atol=1e-6)
    first, few = k_reciprocal(queries, gallery, 7, neighbours=case["k1"], averaged=case["k2"], weight=case["weight"])
    assert np.array_equal(few, ids[:, :7])
    assert np.array_equal(first, found[:, :7])


def test_a_query_in_the_gallery_is_one_row_and_is_left_out() -> None:
    _, gallery = parts(CASES[0])
    place = np.arange(0, len(gallery), 2)
    _, ids = k_reciprocal(gallery[place], gallery, len(gallery), own=place)
    assert (ids[:, -1] == -1).all()
    assert not (ids == place[:, None]).any()
    # the rows are those of the gallery, so an order of the queries changes nothing
    distances, ids = k_reciprocal(gallery[place], gallery, 5, own=place)
    again, same = k_reciprocal(gallery[place[::-1]], gallery, 5, own=place[::-1])
    assert np.array_equal(same[::-1], ids)
    np.testing.assert_allclose(again[::-1], distances)


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_expansion_among_all_rows_is_fast_reids(case: dict[str, Any]) -> None:
    every = np.concatenate(parts(case))
    found = expand(every, every, k=4, alpha=3.0, own=np.arange(len(every)))
    unit = every / np.linalg.norm(every, axis=1, keepdims=True)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -2)
    plain = np.sort(cosines, axis=1)[:, -4:].min(axis=1) > 0  # a negative cosine counts as 0 here
    assert plain.sum() > len(every) // 2
    np.testing.assert_allclose(found[plain], np.array(case["expanded"])[plain], atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-6)


def test_expansion_of_a_query_is_a_weighted_sum() -> None:
    found = expand(np.array([[2.0, 0]]), np.array([[1.0, 0], [0.6, 0.8], [-1, 0]]), k=2, alpha=2)
    wanted = np.array([1 + 1 + 0.36 * 0.6, 0.36 * 0.8])
    np.testing.assert_allclose(found[0], wanted / np.linalg.norm(wanted), rtol=1e-6)


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_a_gap_cuts_where_oml_does(case: dict[str, Any]) -> None:
    queries, gallery = parts(case)
    apart = np.linalg.norm(queries[:, None].astype(float) - gallery[None].astype(float), axis=2)
    kept = before_gap(np.sort(apart, axis=1)[:, :8], 2.0)
    assert kept.sum(axis=1).tolist() == case["kept"]
    padded = np.c_[np.sort(apart, axis=1)[:, :8], np.full(len(queries), np.inf)]
    assert np.array_equal(before_gap(padded, 2.0)[:, :8], kept), "where there is no hit there is no gap"


@pytest.mark.parametrize("case", CASES, ids=range(len(CASES)))
def test_cameras_are_left_out_as_in_market1501(case: dict[str, Any]) -> None:
    vectors = np.array(case["embeddings"], dtype=np.float32)
    is_query = np.arange(len(vectors)) < case["queries"]
    ranks = range(1, 11)
    found = retrieval(
        vectors,
        case["labels"],
        is_query=is_query,
        is_gallery=~is_query,
        cameras=case["cameras"],
        cmc=ranks,
        full_list=True,
    )
    assert [found[f"cmc@{k}"] for k in ranks] == pytest.approx(case["cmc"])
    assert (found["ap"], found["inp"]) == (pytest.approx(case["ap"]), pytest.approx(case["inp"]))


@pytest.mark.parametrize(("call", "message"), [
    (lambda x: k_reciprocal(x, x, weight=2), "weight is 2, neighbours 20, averaged 6; they must be in"),
    (lambda x: expand(x, x, alpha=-1), "alpha is -1; it must be 0 or more"), (lambda x: before_gap(x, 0), "times is 0"),
])  # fmt: skip
def test_what_makes_no_sense_is_refused(call: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        call(np.eye(3, dtype=np.float32))


@pytest.mark.parametrize("scale", [2.0**-120, 2.0**-60, 2.0**45])
def test_the_scale_does_not_matter(scale: float) -> None:
    draw = np.random.default_rng(0)
    rows = (np.repeat(draw.normal(size=(8, 6)), 5, axis=0) + 0.5 * draw.normal(size=(40, 6))).astype(np.float32)
    scaled = rows * np.float32(scale)
    for found, wanted in zip(k_reciprocal(scaled[:9], scaled[9:], 7), k_reciprocal(rows[:9], rows[9:], 7), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(expand(scaled[:9], scaled[9:], k=4), expand(rows[:9], rows[9:], k=4), atol=1e-6)
    assert np.array_equal(before_gap(np.array([[1, 2, 9, 10]]) * scale), before_gap(np.array([[1, 2, 9, 10]])))


def test_equal_rows_are_all_at_distance_0() -> None:
    distances, ids = k_reciprocal(np.ones((2, 3)), np.ones((5, 3)), 3)
    assert np.isfinite(distances).all()
    assert (ids >= 0).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e20])
def test_what_has_no_order_is_refused(value: float) -> None:
    rows = np.eye(4)
    broken = rows.copy()
    broken[2, 1] = value
    for queries, gallery, name in ((rows, broken, "gallery"), (broken, rows, "queries")):
        with pytest.raises(BadInput, match=f"{name}: .*row (is row )?2"):
            k_reciprocal(queries, gallery)
    for vectors, among, name in ((rows, broken, "among"), (broken, rows, "vectors")):
        with pytest.raises(BadInput, match=f"{name}: .*row (is row )?2"):
            expand(vectors, among, k=2)
    with pytest.raises(BadInput, match="distances hold NaN, the first in row 1"):
        before_gap(np.array([[1.0, 2.0], [1.0, np.nan]]))
    with pytest.raises(BadInput, match="score gave NaN for hits of query 1"):
        by_pairs(np.array([[0, 1], [2, 3]]), lambda query, row: np.where(row == 3, np.nan, 1.0))
    with pytest.raises(BadInput, match="queries and gallery have 3 and 4 columns"):
        k_reciprocal(np.eye(3), rows)


def test_pairs_are_scored_once_and_the_first_hits_reordered() -> None:
    ids = np.array([[5, 3, 9, 1], [2, -1, -1, -1]])
    seen: list[tuple[int, int]] = []

    def score(queries: np.ndarray, rows: np.ndarray) -> np.ndarray:
        seen.extend(zip(queries.tolist(), rows.tolist(), strict=True))
        return rows.astype(float)

    assert by_pairs(ids, score, top=3, pairs=2).tolist() == [[9, 5, 3, 1], [2, -1, -1, -1]]
    assert sorted(seen) == [(0, 3), (0, 5), (0, 9), (1, 2)]
    with pytest.raises(BadInput, match="top is 0"):
        by_pairs(ids, score, top=0)


def test_a_scorer_learns_in_the_same_loop_what_distances_cannot_tell() -> None:
    torch.manual_seed(0)
    # one bright corner says the label; the extractor sees the mean only, in which all are alike
    pixels = torch.zeros(64, 3, 4, 4)
    labels = torch.arange(64) % 4
    pixels[torch.arange(64), :, (labels // 2) * 3, (labels % 2) * 3] = 1.0
    scorer = PairScorer(nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 4, 32), nn.ReLU()), 32)
    loss = PairwiseLoss(scorer, nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()), AllTriplets())
    work = Optimization(nn.Identity(), Supervised(loss), Recipe(lr=0.01, warmup=0, schedule="constant"), 100, "fp32")
    batch = (pixels[:16].to(torch.uint8), labels[:16], torch.arange(16), [])
    losses = [train_epoch(work, [batch] * 10, lambda given: [given.float()]).loss for _ in range(4)]
    assert losses[-1] < 0.1 < losses[0]
    assert loss.stats["right"] == 1
    same = scorer(pixels[:4], pixels[4:8])
    other = scorer(pixels[:4], pixels[1:5])
    assert (same > 0).all()
    assert (other < 0).all()
    value = loss(pixels[:2], torch.zeros(2, dtype=torch.long))
    value.backward()
    assert value == 0
    assert loss.stats["empty_batches"] == 1


def test_similarities_are_refused_where_distances_are_meant() -> None:
    with pytest.raises(BadInput, match="row 1 do not ascend; give hits.distances, not hits.scores"):
        before_gap(np.array([[0.5, 0.6], [0.9, 0.8]]))
    distances = np.array([[1.0, 2.0, 9.0], [1.0, 1.5, 2.0]])
    assert before_gap(SimpleNamespace(distances=distances), 2.0).tolist() == before_gap(distances, 2.0).tolist()  # type: ignore[arg-type]
