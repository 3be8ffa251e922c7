"""What is wrong with rows is found where it was put, and nothing where it was not."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omlzoo.evaluation.findings import Finding, find_issues
from omlzoo.metrics import retrieval_per_query
from omlzoo.metrics.ranking import RetrievalPerQuery


def found(vectors: np.ndarray, labels: list[str]) -> dict[str, Finding]:
    frame = pd.DataFrame({"path": [f"{row}.png" for row in range(len(labels))], "label": labels})
    return {each.kind: each for each in find_issues(vectors, frame, retrieval_per_query(vectors, labels))}


@pytest.fixture
def clean() -> tuple[np.ndarray, list[str]]:
    random = np.random.default_rng(0)
    codes = np.repeat(np.arange(6), 7)
    vectors = 5 * random.normal(size=(6, 8))[codes] + 0.3 * random.normal(size=(42, 8))
    return vectors, [f"label {code}" for code in codes]


def test_nothing_is_found_in_a_clean_table(clean: tuple[np.ndarray, list[str]]) -> None:
    assert found(*clean) == {}


def test_a_wrong_label_looks_like_another(clean: tuple[np.ndarray, list[str]]) -> None:
    vectors, labels = clean
    labels[3] = "label 4"
    finding = found(vectors, labels)["mislabelled"]
    assert finding.count == 1
    assert finding.rows == ({"path": "3.png", "label": "label 4", "looks_like": "label 0"},)
    assert "1 picture looks like another label: 4 of its 5 nearest are of it, none of its own" in finding.text
    assert {"label": "label 4", "taken_for": "label 0", "queries": 1} in found(vectors, labels)["confused"].rows


def test_a_lost_query_and_a_copy_are_named(clean: tuple[np.ndarray, list[str]]) -> None:
    vectors, labels = clean
    labels[0] = "alone"
    vectors[8] = vectors[20]
    things = found(vectors, labels)
    assert things["impossible"].rows == ({"path": "0.png", "label": "alone"},)
    assert {row["path"] for row in things["copies"].rows} == {"8.png", "20.png"}


def test_a_collapse_is_seen(clean: tuple[np.ndarray, list[str]]) -> None:
    vectors, labels = clean
    assert "vary by" in found(vectors * 1e-3 + 100, labels)["collapsed"].text
    assert "in one direction" in found(vectors * np.array([1] + [0.05] * 7), labels)["collapsed"].text


def test_a_copy_of_the_same_label_is_said_to_be_found_by_any_model(clean: tuple[np.ndarray, list[str]]) -> None:
    vectors, labels = clean
    vectors[8] = vectors[9]
    finding = found(vectors, labels)["copied"]
    assert finding.rows == ({"path": "8.png", "same_as": "9.png"}, {"path": "9.png", "same_as": "8.png"})
    assert finding.text.startswith("2 of 42 queries have a copy of their own picture in the gallery")


def doubtful_one_by_one(labels: list[str], first: np.ndarray) -> list[dict[str, str]]:
    rows = []
    for query, hits in enumerate(first[:, :5]):
        names = Counter(labels[hit] for hit in hits if hit >= 0)
        if names and max(names.values()) >= 4 and labels[query] not in names:
            looks = names.most_common(1)[0][0]
            rows.append({"path": f"{query}.png", "label": labels[query], "looks_like": looks})
    return rows


@given(st.integers(1, 60), st.integers(1, 6), st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_doubtful_and_confused_labels_are_those_of_a_loop(count: int, kinds: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    labels = [f"label {code}" for code in random.integers(0, kinds, count)]
    first = np.where(random.random((count, 6)) < 0.1, -1, random.integers(0, count, (count, 6)))
    first = np.where(random.random((count, 1)) < 0.5, first[:, :1], first)  # half agree
    frame = pd.DataFrame({"path": [f"{row}.png" for row in range(count)], "label": labels})
    ranking = RetrievalPerQuery(np.arange(count), {}, first, -random.random(first.shape), np.empty(0, int))
    things = {each.kind: each for each in find_issues(random.normal(size=(count, 8)), frame, ranking)}
    wanted = doubtful_one_by_one(labels, first)
    assert ("mislabelled" in things) == bool(wanted)
    if wanted:
        assert things["mislabelled"].count == len(wanted)
        assert list(things["mislabelled"].rows) == wanted[:20]
    wrong = [
        (labels[row], labels[hit]) for row, hit in enumerate(first[:, 0]) if hit >= 0 and labels[row] != labels[hit]
    ]
    if wrong:
        assert things["confused"].count == len(set(wrong))
        assert [tuple(row.values()) for row in things["confused"].rows] == [
            (*pair, n) for pair, n in Counter(wrong).most_common(20)
        ]
