"""Directions are the same for vectors of every length, and torch's and numpy's on usual ones."""

import numpy as np
import pytest
import torch

from omlzoo.ops.directions import directions
from omlzoo.ops.unit_rows import normalize

SIZES = [3e38, 2e19, 1e15, 1.0, 1e-12, 1e-13, 1e-20, 1e-30, 1e-36]


def rows(size: float, kind: type = np.float32) -> np.ndarray:
    draw = np.random.default_rng(0).normal(size=(6, 16))
    return (draw / np.abs(draw).max() * size).astype(kind)  # none beyond float32


@pytest.mark.parametrize("size", SIZES)
def test_the_length_does_not_matter(size: float) -> None:
    wanted = rows(1, np.float64) / np.sqrt((rows(1, np.float64) ** 2).sum(axis=1, keepdims=True))
    for found in (directions(rows(size)), normalize(torch.from_numpy(rows(size))).numpy()):
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6)


def test_lengths_may_be_mixed_and_zeros_stay() -> None:
    mixed = np.concatenate([rows(size) for size in SIZES] + [np.zeros((2, 16), np.float32)])
    wanted = np.concatenate([directions(rows(1))] * len(SIZES) + [np.zeros((2, 16))])
    for found in (directions(mixed), normalize(torch.from_numpy(mixed)).numpy()):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-6)


def test_rows_that_are_not_finite_are_nan_and_spoil_no_other() -> None:
    broken = rows(1)
    broken[1, 2], broken[3, 0], broken[4, 1] = np.nan, np.inf, -np.inf
    found = directions(broken)
    assert np.isnan(found).all(axis=1).tolist() == [False, True, False, True, True, False]
    assert np.array_equal(found[[0, 2, 5]], directions(rows(1)[[0, 2, 5]]))


def test_rows_near_length_one_may_stay() -> None:
    given = directions(rows(1)) * np.array([[1], [1 + 5e-6], [2], [1e-20], [0], [1]], np.float32)
    found = directions(given, unless=1e-5)
    assert np.array_equal(found[[0, 1, 4, 5]], given[[0, 1, 4, 5]])
    np.testing.assert_allclose(np.linalg.norm(found[2:4], axis=1), 1, atol=1e-6)
