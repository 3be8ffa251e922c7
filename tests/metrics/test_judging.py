"""Metrics by named pairs are those of a loop one can check by eye, of scikit-learn, and of equal labels."""

import math
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, ndcg_score

from omlzoo.errors import BadInput
from omlzoo.metrics import _judged_ranks, judged_retrieval, retrieval

N, QUERIES = 60, 12
DRAW = np.random.default_rng(3)
VECTORS = DRAW.normal(size=(N, 4)).astype(np.float32)
# Of every second query a third of the gallery has a grade: 0 to 3, or junk.
PAIRS = [(q, int(g)) for q in range(0, QUERIES, 2) for g in DRAW.permutation(np.arange(QUERIES, N))[:16]]
GRADES = [float(g) if g < 4 else math.nan for g in DRAW.integers(0, 5, len(PAIRS))]
IS_QUERY, IS_GALLERY = np.arange(N) < QUERIES, np.arange(N) >= QUERIES
SEQUENCES = [f"s{row % 20}" if row % 3 == 0 else None for row in range(N)]


def loop(k: int, least: float, sequences: list[Any]) -> dict[str, float]:
    grade = dict(zip(PAIRS, GRADES, strict=True))
    found: dict[str, list[float]] = {}
    for q in range(QUERIES):
        ranked = sorted(range(QUERIES, N), key=lambda g: (np.linalg.norm(VECTORS[g].astype(float) - VECTORS[q]), g))
        ranked = [g for g in ranked if not (sequences[g] == sequences[q] and sequences[q] is not None)]
        ranked = [g for g in ranked if not math.isnan(grade.get((q, g), 0.0))]
        gains = [value if (value := grade.get((q, g), 0.0)) >= least else 0.0 for g in ranked]
        right = [gain > 0 for gain in gains]
        n = sum(right)
        if n == 0:
            continue
        at = [sum(right[: i + 1]) / (i + 1) for i in range(len(right))]
        hits = sum(right[:k])
        trapezoid, before, seen = 0.0, 1.0, 0
        for i, is_right in enumerate(right):
            before = seen / i if i else 1.0
            seen += is_right
            trapezoid += (before + seen / (i + 1)) / 2 / n if is_right else 0.0
        values = {
            f"cmc@{k}": float(hits > 0), f"precision@{k}": hits / min(n, k), f"hits@{k}": hits / k,
            f"map@{k}": sum(p for p, r in zip(at[:k], right[:k], strict=True) if r) / hits if hits else 0.0,
            "map@r": sum(p for p, r in zip(at[:n], right[:n], strict=True) if r) / n, "r_precision": sum(right[:n]) / n,
            "ap": sum(p for p, r in zip(at, right, strict=True) if r) / n,
            "inp": n / (1 + max(i for i, r in enumerate(right) if r)), "ap_trapezoid": trapezoid,
            f"ndcg@{k}": sum(g / math.log2(2 + i) for i, g in enumerate(gains[:k]))
            / sum(g / math.log2(2 + i) for i, g in enumerate(sorted(gains, reverse=True)[:k])),
        }  # fmt: skip
        for name, value in values.items():
            found.setdefault(name, []).append(value)
        scores = -np.arange(len(ranked), dtype=float)
        assert values["ap"] == pytest.approx(average_precision_score(right, scores))
        assert values[f"ndcg@{k}"] == pytest.approx(ndcg_score([gains], [scores], k=k))
    return {name: sum(each) / len(each) for name, each in found.items()}


@pytest.mark.parametrize("least", [1, 2, 3])
@pytest.mark.parametrize("k", [1, 5])
@pytest.mark.parametrize("sequences", [None, SEQUENCES])
def test_the_metrics_are_those_of_a_loop(
    k: int, least: int, sequences: list[Any] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_judged_ranks, "NUMBERS", 200)
    monkeypatch.setattr(_judged_ranks, "LEAST", 5)  # three blocks of queries
    found = judged_retrieval(
        VECTORS, *np.array(PAIRS).T, GRADES, is_query=IS_QUERY, is_gallery=IS_GALLERY, sequences=sequences,
        least=least, cmc=(k,), precision=(k,), map=(k,), hits=(k,), ndcg=(k,),
    )  # fmt: skip
    wanted = loop(k, least, sequences or [None] * N)
    assert {name: found[name] for name in wanted} == pytest.approx(wanted)
    assert found["queries"] == QUERIES
    assert found["queries_without_relevant"] >= QUERIES // 2


def test_pairs_of_equal_labels_give_the_metrics_of_labels() -> None:
    labels = np.random.default_rng(0).integers(0, 9, N)
    pairs = np.array(
        [(q, g) for q in range(N) for g in range(N) if labels[q] == labels[g]]
    )  # with itself, which counts not
    found = judged_retrieval(VECTORS, *pairs.T, np.ones(len(pairs)), cmc=(1, 5), hits=(3,))
    wanted = retrieval(VECTORS, labels, cmc=(1, 5), hits=(3,), ndcg=(10,), full_list=True)
    assert {name: found[name] for name in wanted} == pytest.approx(wanted)


def test_rows_at_equal_distances_are_ranked_by_position_and_junk_is_gone() -> None:
    vectors = np.array([[0, 0], [1, 0], [1, 0], [1, 0]], np.float32)
    found = judged_retrieval(vectors, [0, 0], [2, 1], [1, math.nan], is_query=[1, 0, 0, 0], is_gallery=[0, 1, 1, 1])
    assert found["cmc@1"] == 1.0
    found = judged_retrieval(vectors, [0, 0], [3, 1], [1, math.nan], is_query=[1, 0, 0, 0], is_gallery=[0, 1, 1, 1])
    assert (found["cmc@1"], found["ap"]) == (0.0, 0.5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0], [20], [-1.0]), "grades hold a number below 0"),
        (([0, 0], [20, 20], [1, 2]), "query 0 and item 20 are a pair twice"),
        (([20], [21], [1]), r"queries hold \[20\]; each must be the number of a row of a query"),
        (([0], [1], [1]), r"items hold \[1\]; each must be the number of a row of the gallery"),
        (([0.5], [20], [1]), "queries hold"),
        (([], [], []), "one pair at least"),
        (([0], [20, 21], [1]), "have the shapes"),
    ],
)
def test_pairs_that_break_a_rule(arguments: tuple[Any, Any, Any], message: str) -> None:
    arguments = (arguments[0], arguments[1], arguments[2])
    with pytest.raises(BadInput, match=message):
        judged_retrieval(VECTORS, *arguments, is_query=IS_QUERY, is_gallery=IS_GALLERY)
    with pytest.raises(BadInput, match="least is 0"):
        judged_retrieval(VECTORS, [0], [20], [1], least=0)
    with pytest.raises(BadInput, match="a rank is 0"):
        judged_retrieval(VECTORS, [0], [20], [1], cmc=(0,))
