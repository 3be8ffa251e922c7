"""Re-ranking equals fast-reid's and Open Metric Learning's own numbers, and a dense loop; it costs no square."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from omlzoo.errors import BadInput
from omlzoo.metrics import retrieval
from omlzoo.rerank import before_gap, expand, k_reciprocal
from omlzoo.rerank import reciprocal as room

CASES = json.loads((Path(__file__).parent / "data" / "peers_reranking.json").read_text())["cases"]


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
