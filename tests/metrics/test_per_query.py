"""Averages of values of queries, as a whole and by group; queries without anything right are counted."""

import numpy as np
import pytest

from omlzoo.metrics._per_query import RetrievalPerQuery, averages


def test_averages_of_groups() -> None:
    values = {"ap": np.array([0.5, 1.0, 0.0])}
    found = RetrievalPerQuery(np.array([0, 1, 2]), values, np.zeros((3, 1), int), np.zeros((3, 1)), np.array([3]))
    result = averages(found, per_category=["x", "x", "y", "y"])
    assert result["ap"] == pytest.approx(0.5)
    assert (result["queries"], result["queries_without_relevant"]) == (4, 1)
    assert result["per_category"]["x"] == {"ap": 0.75, "queries": 2, "queries_without_relevant": 0}
    assert result["per_category"]["y"] == {"ap": 0.0, "queries": 2, "queries_without_relevant": 1}
