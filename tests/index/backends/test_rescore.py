"""Candidates in the order of their exact scores."""

import numpy as np
import pytest

from omlzoo.index.backends import _rescore
from omlzoo.index.backends._rescore import rescored

VECTORS = np.array([[0, 0], [3, 4], [0, 1], [3, 4], [6, 8]], dtype=np.float32)


def test_the_nearest_candidate_first_and_of_equal_ones_the_lower_row() -> None:
    scores, rows = rescored(np.zeros((1, 2), np.float32), VECTORS, np.array([[4, 3, 1, 2]]), 3, "euclidean")
    assert rows.tolist() == [[2, 1, 3]]
    assert scores.tolist() == [[-1, -5, -5]]
    scores, rows = rescored(np.array([[1, 0]], np.float32), VECTORS, np.array([[1, 4, 2]]), 2, "cosine")
    assert rows.tolist() == [[4, 1]]
    assert scores.tolist() == [[6, 3]]


@pytest.mark.parametrize("gathered", [1, 1 << 24])
def test_absent_ones_and_the_own_row_are_left_out(gathered: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_rescore, "GATHERED", gathered)
    candidates = np.array([[-1, 0, 2], [-1, -1, -1]])
    scores, rows = rescored(np.zeros((2, 2), np.float32), VECTORS, candidates, 4, "euclidean", np.array([0, -1]))
    assert rows.tolist() == [[2, -1, -1, -1], [-1, -1, -1, -1]]
    assert scores[0].tolist() == [-1, -np.inf, -np.inf, -np.inf]
