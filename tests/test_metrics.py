"""Metrics equal a loop one can read, Open Metric Learning's and PyTorch Metric Learning's own values."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from omlzoo.errors import BadInput
from omlzoo.metrics import retrieval

CASES = json.loads((Path(__file__).parent / "data" / "oml_pml_retrieval.json").read_text())["cases"]
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


def by_hand(
    embeddings: np.ndarray, labels: list[int], queries: list[int], gallery: list[int], sequences: list[int], k: int
) -> dict[str, float]:
    sums = {"cmc": 0.0, "precision": 0.0, "map": 0.0, "map@r": 0.0, "r": 0.0}
    counted = 0
    for q in queries:
        rows = [g for g in gallery if g != q and not (sequences[g] == sequences[q] and sequences[q] >= 0)]
        rows.sort(key=lambda g: (np.linalg.norm(embeddings[g].astype(float) - embeddings[q]), g))
        right = [labels[g] == labels[q] for g in rows]
        n = sum(right)
        if n == 0:
            continue
        counted += 1
        precisions = [sum(right[: i + 1]) / (i + 1) for i in range(len(right))]
        hits = sum(right[:k])
        sums["cmc"] += hits > 0
        sums["precision"] += hits / min(n, k, len(rows))
        sums["map"] += sum(p for p, r in zip(precisions[:k], right[:k], strict=True) if r) / hits if hits else 0
        sums["map@r"] += sum(p for p, r in zip(precisions[:n], right[:n], strict=True) if r) / n
        sums["r"] += sum(right[:n]) / n
    return {name: value / counted if counted else float("nan") for name, value in sums.items()}


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
