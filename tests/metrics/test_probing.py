"""Probes by arrays: values by eye and by scikit-learn, and what is refused."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from omlzoo.errors import BadInput
from omlzoo.metrics import knn_accuracy, linear_probe


def test_votes_by_eye() -> None:
    """Two far rows of one label outvote a near row where the temperature is high, and do not where it is low."""
    near, far = [math.cos(0.1), math.sin(0.1)], [math.cos(0.8), math.sin(0.8)]
    train, names = np.array([near, far, far]), ["a", "b", "b"]
    asked = np.array([[1.0, 0.0]])
    for temperature in (0.07, 1.0):
        votes = {"a": math.exp(math.cos(0.1) / temperature), "b": 2 * math.exp(math.cos(0.8) / temperature)}
        wanted = max(votes, key=lambda label: votes[label])
        assert wanted == ("a" if temperature == 0.07 else "b")
        for label in "ab":
            found = knn_accuracy(train, names, asked, [label], k=3, temperature=temperature)
            assert found == {"knn@3": float(label == wanted)}
    assert knn_accuracy(train, names, 5 * asked, ["a"]) == {"knn@20": 1.0}, "lengths do not matter"
    assert knn_accuracy(train, names, asked, ["c"]) == {"knn@20": 0.0}, "a label that no training row has is wrong"


def test_a_line_that_separates_is_found() -> None:
    random = np.random.default_rng(0)
    rows = random.normal(size=(80, 5)) * [1, 10, 1, 1, 1]
    names = np.where(rows[:, 0] + rows[:, 2] > 0, "up", "down")
    rows[:, 3] += 3 * (names == "up")
    found = linear_probe(rows[:60], names[:60], rows[60:], names[60:])
    assert found["linear"] >= 0.9
    assert found == linear_probe(rows[:60], names[:60], rows[60:], names[60:]), "seeded"
    assert found["linear"] > knn_accuracy(rows[:60], names[:60], rows[60:], names[60:])["knn@20"]


def test_kinds_of_rows_and_labels() -> None:
    rows = np.eye(4)[[0, 0, 1, 1, 2, 2]]
    labels: list[Any] = [0, 0, 1, 1, 2, 2]
    for kind in (rows, rows.tolist(), torch.from_numpy(rows)):
        for names in (labels, np.array(labels), torch.tensor(labels), [float(label) for label in labels]):
            assert knn_accuracy(kind, labels, kind, names) == {"knn@20": 1.0}
            assert linear_probe(kind, labels, kind, names) == {"linear": 1.0}


@pytest.mark.parametrize("probe", [knn_accuracy, linear_probe])
@pytest.mark.parametrize(("values", "said"), [
    ((np.eye(3), [0, 1], np.eye(3), [0, 1, 2]), "train_labels have the shape"),
    ((np.eye(3), [0, 1, 2], np.eye(4), [0, 1, 2, 3]), r"embeddings have the shape \(4, 4\); it must be \(rows, 3\)"),
    ((np.zeros((0, 3)), [], np.eye(3), [0, 1, 2]), "train have the shape"),
    ((np.eye(3), [0, 1, 2], np.zeros((0, 3)), []), "embeddings have the shape"),
    ((np.eye(3), [0, 1, 2], np.eye(3), ["0", "1", "2"]), "train_labels and labels mix kinds"),
    ((np.eye(3), [0, 1, None], np.eye(3), [0, 1, 2]), "train_labels: 1 are missing"),
    ((np.eye(3), None, np.eye(3), [0, 1, 2]), "train_labels are missing"),
    ((np.eye(3) * np.nan, [0, 1, 2], np.eye(3), [0, 1, 2]), "train: 3 of 3 rows hold NaN"),
])  # fmt: skip
def test_what_does_not_fit_is_refused(probe: Any, values: tuple[Any, ...], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        probe(*values)


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(BadInput, match="k is 0"):
        knn_accuracy(np.eye(2), [0, 1], np.eye(2), [0, 1], k=0)
    with pytest.raises(BadInput, match="temperature is -1"):
        knn_accuracy(np.eye(2), [0, 1], np.eye(2), [0, 1], temperature=-1)
