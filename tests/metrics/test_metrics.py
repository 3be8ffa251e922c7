"""Metrics equal a loop one can read, Open Metric Learning's and PyTorch Metric Learning's own values."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from places import DATA
from ranking_loop import by_hand

from omlzoo.errors import BadInput
from omlzoo.metrics import (
    alignment,
    auc,
    compare,
    eer,
    fnmr_at_fmr,
    intervals,
    opis,
    pcf,
    retrieval,
    uniformity,
    utilities,
    verification,
)
from omlzoo.metrics._pair_curve import PairCurve

CASES = json.loads((DATA / "oml_pml_retrieval.json").read_text())["cases"]
KS = (1, 5, 10, 20)


def ours(case: dict[str, Any], **more: Any) -> dict[str, Any]:
    keys = ("is_query", "is_gallery", "sequences", "categories")
    given_ = {key: case[key] for key in keys}
    return retrieval(
        np.array(case["embeddings"], dtype=np.float32), case["labels"], **given_, cmc=KS, precision=KS, map=KS, **more
    )


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_equals_open_metric_learning(case: dict[str, Any]) -> None:
    found = ours(case)
    per_query = case["oml"]["per_query"]
    # OML counts every query; a query without a relevant row has NaN precision there and is left out here.
    counted = [i for i, value in enumerate(per_query["precision"]["1"]) if value is not None]
    if case["name"] == "empty_retrieval_counts_one":  # nothing retrieved and nothing relevant is 1.0 for OML
        counted = [i for i in counted if case["oml"]["gt_gallery_positions"][i]]
    assert found["queries_without_relevant"] == len(per_query["precision"]["1"]) - len(counted)
    for name in ("cmc", "precision", "map"):
        for k in KS:
            wanted = np.mean([per_query[name][str(k)][i] for i in counted])
            assert found[f"{name}@{k}"] == pytest.approx(wanted, abs=1e-6), (name, k)


@pytest.mark.parametrize("case", [case for case in CASES if case["pml"]], ids=lambda case: case["name"])
def test_equals_pytorch_metric_learning(case: dict[str, Any]) -> None:
    found = ours(case)
    assert found["map@r"] == pytest.approx(case["pml"]["mean_average_precision_at_r"], abs=1e-6)
    assert found["r_precision"] == pytest.approx(case["pml"]["r_precision"], abs=1e-6)
    assert found["cmc@1"] == pytest.approx(case["pml"]["precision_at_1"], abs=1e-6)


@given(st.integers(2, 30), st.integers(1, 6), st.integers(1, 8), st.integers(0, 10_000), st.booleans())
@settings(max_examples=80, deadline=None)
def test_equals_the_loop(count: int, labels: int, k: int, seed: int, sequenced: bool) -> None:
    random = np.random.default_rng(seed)
    embeddings = random.integers(-3, 4, (count, 2)).astype(np.float32)  # whole numbers: many equal distances
    ids = random.integers(0, labels, count).tolist()
    is_query, is_gallery = random.random(count) < 0.7, random.random(count) < 0.7
    is_query[0] = is_gallery[-1] = True
    sequences = random.integers(-1, 4, count).tolist() if sequenced else [-1] * count
    found = retrieval(
        embeddings, ids, is_query=is_query, is_gallery=is_gallery, cmc=(k,), precision=(k,), map=(k,),
        sequences=[None if s < 0 else s for s in sequences] if sequenced else None,
    )  # fmt: skip
    wanted = by_hand(
        embeddings, ids, np.flatnonzero(is_query).tolist(), np.flatnonzero(is_gallery).tolist(), sequences, k
    )
    names = {"cmc": f"cmc@{k}", "precision": f"precision@{k}", "map": f"map@{k}", "map@r": "map@r", "r": "r_precision"}
    for name, ours_ in names.items():
        assert found[ours_] == pytest.approx(wanted[name], abs=1e-9, nan_ok=True), name


def test_categories_are_the_means_of_their_queries() -> None:
    embeddings, labels = np.array([[0.0], [1], [10], [11], [12], [30]]), ["a", "a", "b", "c", "b", "d"]
    found = retrieval(embeddings, labels, categories=["x", "x", "y", "y", "y", "z"], precision=(1,), map=(1,))
    assert found["per_category"]["x"]["cmc@1"] == 1
    assert found["per_category"]["y"]["cmc@1"] == 0
    assert found["per_category"]["z"]["queries_without_relevant"] == 1
    assert np.isnan(found["per_category"]["z"]["cmc@1"])
    assert (found["queries"], found["queries_without_relevant"]) == (6, 2)
    assert found["cmc@1"] == 0.5


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_order_scale_and_far_rows_do_not_matter(seed: int) -> None:
    random = np.random.default_rng(seed)
    embeddings, labels = random.normal(size=(20, 3)), random.integers(0, 5, 20)
    found = retrieval(embeddings, labels)
    order = random.permutation(20)
    assert retrieval(embeddings[order], labels[order]) == pytest.approx(found, nan_ok=True)
    assert retrieval(embeddings * 8, labels) == pytest.approx(found, nan_ok=True)
    more = np.concatenate([embeddings, 1e3 + random.normal(size=(5, 3))])
    gallery_only = np.arange(25) < 20
    with_more = retrieval(more, [*labels, *range(100, 105)], is_query=gallery_only)
    assert with_more == pytest.approx(found, nan_ok=True)


def test_tensors_text_labels_and_arrays_are_the_same() -> None:
    embeddings = torch.randn(12, 3, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(12) // 3
    wanted = retrieval(embeddings, labels)
    assert retrieval(embeddings.numpy(), [f"item {int(label)}" for label in labels]) == wanted
    assert retrieval(embeddings.tolist(), labels.tolist()) == wanted


@pytest.mark.parametrize(("change", "message"), [
    ({"labels": [0, 1]}, r"labels have the shape \(2,\); it must be \(4,\)"),
    ({"labels": [0, None, 1, 1]}, "labels: 1 are missing"),
    ({"is_query": [False] * 4}, "is_query is true nowhere"),
    ({"cmc": (0,)}, r"cmc is \(0,\); ranks start at 1"),
    ({"embeddings": np.ones(4)}, "it must be"),
    ({"embeddings": np.array([[1.0], [np.nan], [1], [1]])}, "NaN or infinity"),
])  # fmt: skip
def test_bad_input_is_named(change: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"embeddings": np.arange(4.0)[:, None], "labels": [0, 0, 1, 1]} | change
    with pytest.raises(BadInput, match=message):
        retrieval(arguments.pop("embeddings"), arguments.pop("labels"), **arguments)


def test_a_tensor_with_a_gradient_and_flags_of_other_kinds() -> None:
    embeddings = torch.randn(6, 3, requires_grad=True)
    assert retrieval(embeddings, [0, 0, 1, 1, 2, 2], is_query=[1, 0, 1, 0, 1, 0])["queries"] == 3
    for flags in (["False"] * 6, [True, True, True, True, True, float("nan")]):
        with pytest.raises(BadInput, match="is_query holds .*; use True and False"):
            retrieval(embeddings, [0, 0, 1, 1, 2, 2], is_query=flags)


PEERS = json.loads((DATA / "peers_evaluation.json").read_text())["cases"]


@pytest.mark.parametrize("case", PEERS, ids=range(len(PEERS)))
def test_verification_and_full_lists_equal_oml_and_scikit_learn(case: dict[str, Any]) -> None:
    vectors, labels = np.array(case["embeddings"], dtype=np.float32), case["labels"]
    found = fnmr_at_fmr(vectors, labels, case["fmr"])
    for rate, wanted in zip(case["fmr"], case["fnmr"], strict=True):
        assert found[f"fnmr@fmr={rate:g}"] == pytest.approx(wanted, abs=1e-6)
    verified = verification(vectors, labels, far=case["fmr"])
    assert verified.metrics["auc"] == pytest.approx(case["auc"], abs=1e-9)
    assert verified.metrics["tar@far=0.1"] == pytest.approx(1 - case["fnmr"][2], abs=1e-6)
    for share, wanted in zip(case["variance"], case["pcf"], strict=True):
        assert pcf(vectors, (share,))[f"pcf@{share:g}"] == pytest.approx(wanted)
    ranked = retrieval(vectors, labels, ndcg=(5,), full_list=True)
    assert ranked["ap"] == pytest.approx(np.mean(case["ap"]), abs=1e-6)
    if case is not PEERS[2]:  # scikit-learn's order of equal scores is its own
        assert ranked["ndcg@5"] == pytest.approx(np.mean(case["ndcg5"]), abs=1e-9)


def test_the_usual_precision_divides_by_k() -> None:
    found = retrieval(np.array([[0.0], [1.0], [2.0], [9.0]]), [0, 0, 1, 1], hits=(2,), precision=(2,), per_label=True)
    assert found["hits@2"] == pytest.approx((0.5 + 0.5 + 0 + 0.5) / 4)
    assert found["precision@2"] == pytest.approx((1 + 1 + 0 + 1) / 4)
    assert found["per_label"]["1"]["hits@2"] == 0.25


def test_the_equal_error_rate_is_where_both_errors_meet() -> None:
    curve = PairCurve(np.array([1.0, 2.0, 3.0]), np.array([6, 8, 10]), np.array([1, 3, 10]), True)
    # frr .4 -> .2 and far .1 -> .3 between the first two thresholds: they meet in the middle of it plus a half
    assert eer(curve) == pytest.approx(0.25)
    apart = PairCurve(np.array([1.0, 2.0]), np.array([4, 4]), np.array([0, 5]), True)
    assert (eer(apart), auc(apart)) == (0, 1)


def test_two_labels_with_the_same_distances_have_opis_0() -> None:
    square = np.array([[0.0, 0], [0, 1], [5, 0], [5, 1]])
    assert opis(square, [0, 0, 1, 1], far=(0.0, 1.0)) == 0


@pytest.mark.parametrize("beta", [1.0, 2.0])
def test_opis_of_shifted_labels_is_its_closed_form(beta: float) -> None:
    # Pairs of label 0 are 1 apart, of label 1 they are 2 apart, of label 2 they are 3 apart; everything else is farther
    # than any threshold but two pairs. Between the thresholds 0.5 and 3.5 a label has utility 1 from its distance on.
    line = np.array([0.0, 1, 1000, 1002, 5000, 5003, 9000, 9000.5, 20000, 20003.5])
    labels = [0, 0, 1, 1, 2, 2, 3, 4, 5, 6]
    others = sorted(
        abs(a - b) for i, a in enumerate(line) for j, b in enumerate(line) if i < j and labels[i] != labels[j]
    )
    assert others[:2] == [0.5, 3.5]
    found = utilities(line[:, None], labels, far=(0.0, 1 / (len(others) - 1)), beta=beta)
    assert found.labels == [0, 1, 2]
    assert found.single == 4
    assert (found.distances[0], found.distances[-1]) == (0.5, 3.5)
    # variances of (0, 0, 0), (1, 0, 0), (1, 1, 0), (1, 1, 1): 0, 2/9, 2/9, 0 over 0.5, 1, 1, 0.5 of 3
    assert found.opis == pytest.approx(2 * (2 / 9) / 3, abs=2e-3)
    assert opis(line[:, None], labels, far=(0.0, 1 / (len(others) - 1)), beta=beta) == found.opis
    # the best label has 1 on 2.5, the worst on 0.5: the gap is 1 on 2 of 3
    assert found.epsilon_opis(0.1) == pytest.approx(2 / 3, abs=5e-3)


def test_opis_is_the_variance_between_labels_of_a_loop() -> None:
    random = np.random.default_rng(5)
    labels = np.repeat(np.arange(6), 8)
    vectors = (
        random.normal(size=(6, 4))[labels] + random.normal(size=(48, 4)) * np.linspace(0.2, 1.2, 6)[labels][:, None]
    )
    apart = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    same = labels[:, None] == labels[None]
    others = apart[np.triu(~same)]
    low, high = np.quantile(others, [0.01, 0.1])
    variances = []
    for distance in np.linspace(low, high, 401):
        curve = []
        for label in range(6):
            mine = labels == label
            own = apart[np.ix_(mine, mine)][~np.eye(8, dtype=bool)]
            psi, phi = np.mean(own <= distance), np.mean(apart[np.ix_(mine, ~mine)] > distance)
            curve.append(2 * phi * psi / (phi + psi))
        variances.append(np.var(curve))
    expected = np.trapezoid(variances, dx=1 / 400)
    assert opis(vectors, labels) == pytest.approx(expected, rel=1e-3)


def test_alignment_and_uniformity_equal_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    from omlzoo.metrics import spread

    monkeypatch.setattr(spread, "ROWS", 7)
    vectors = np.random.default_rng(0).normal(size=(20, 3))
    labels = np.arange(20) % 6
    squares = ((vectors[:, None] - vectors[None]) ** 2).sum(axis=2)
    pairs = [(a, b) for a in range(20) for b in range(a)]
    assert alignment(vectors, labels) == pytest.approx(
        np.mean([squares[p] for p in pairs if labels[p[0]] == labels[p[1]]])
    )
    assert uniformity(vectors) == pytest.approx(np.log(np.mean([np.exp(-2 * squares[p]) for p in pairs])), rel=1e-5)


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    random = np.random.default_rng(0)
    held = 0
    for seed in range(200):
        values = random.normal(0.3, 1, 40)
        low, high = intervals({"x": values}, draws=400, seed=seed)["x"]
        held += low <= 0.3 <= high
    assert 0.88 < held / 200 < 0.98
    # values of a group are all the same, so that there are 10 independent ones and not 100
    groups = np.repeat(np.arange(10), 10)
    alike = random.normal(size=10)[groups]
    narrow, wide = (intervals({"x": alike}, ids)["x"] for ids in (None, groups))
    assert (wide[1] - wide[0]) > 2 * (narrow[1] - narrow[0])


def test_a_paired_difference_is_surer_than_two_intervals() -> None:
    random = np.random.default_rng(1)
    first = random.random(300)
    second = first + random.normal(0.02, 0.02, 300)
    found = compare(first, second)
    assert found.low < found.difference < found.high
    assert found.low > 0
    assert (found.better, found.worse, found.same) == (int((second > first).sum()), int((second < first).sum()), 0)
    with pytest.raises(BadInput, match=r"the values have the shapes \(300,\) and \(2,\)"):
        compare(first, second[:2])


@pytest.mark.parametrize(("call", "message"), [
    (lambda x: fnmr_at_fmr(x, [0, 0, 1], (2,)), "fmr is 2; it is a share"),
    (lambda x: opis(x, [0, 0, 1], far=(0.2, 0.1)), r"far is \(0.2, 0.1\); give two shares"),
    (lambda x: opis(x, [0, 0, 1], beta=0), "beta is 0; it must be above 0"),
    (lambda x: pcf(x, (3,)), "variance holds 3; it is a share"),
    (lambda x: pcf(x[:1]), r"embeddings have the shape \(1, 2\)"),
    (lambda x: pcf(x * np.nan), "embeddings: 3 of 3 rows hold NaN"),
    (lambda x: fnmr_at_fmr(x * np.nan, [0, 0, 1]), "embeddings: 3 of 3 rows hold NaN"),
    (lambda x: intervals({"x": np.empty(0)}), "there is no value to draw from"),
    (lambda x: intervals({"x": x[:, 0]}, level=2), "level is 2; it is a share"),
])  # fmt: skip
def test_what_has_no_answer_is_refused(call: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        call(np.arange(6.0).reshape(3, 2))
