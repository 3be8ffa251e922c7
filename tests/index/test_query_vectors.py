"""Vectors as queries: of every kind, with the reason why one cannot be compared."""

import numpy as np
import pytest
import torch

from omlzoo.index.query_vectors import are_vectors, as_query_array, comparable, numbered


@pytest.mark.parametrize("kind", [list, np.asarray, torch.tensor])
def test_every_kind_is_the_same_array(kind: type) -> None:
    np.testing.assert_array_equal(as_query_array(kind([[1.0, 2.0], [3.0, 4.0]])), [[1, 2], [3, 4]])


def test_what_is_a_list_of_vectors() -> None:
    assert are_vectors([[1.0, 2.0]])
    assert are_vectors([np.ones(2)])
    assert are_vectors([torch.ones(2)])
    assert are_vectors([1.0, 2.0])
    assert not are_vectors(["a.png"])
    assert not are_vectors([])


def test_reasons_and_norms() -> None:
    vectors, faults = comparable(np.array([[3.0, 4.0], [0.0, 0.0], [np.nan, 1.0]]), normalized=True)
    np.testing.assert_allclose(vectors[0], [0.6, 0.8])
    assert faults[0] == ""
    assert "all zeros" in faults[1]
    assert "NaN or infinity" in faults[2]
    _, faults = comparable(np.array([[1e20, 1.0]]), normalized=False)
    assert "a number of 1e+20; distances need numbers of at most 1e+15" in faults[0]


def test_vectors_without_a_table_are_numbered() -> None:
    assert numbered(2)["path"].tolist() == ["vector 0", "vector 1"]
