"""Monitors without labels equal closed forms, loops by eye and Lightly."""

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lightly.utils.debug import std_of_l2_normalized

from omlzoo.errors import BadInput
from omlzoo.metrics import lidar, rankme, standard_deviation


def entropy_rank(values: np.ndarray) -> float:
    shares = values / values.sum() + 1e-7
    return float(np.exp(-sum(share * np.log(share) for share in shares)))


def test_deviation_is_one_where_vectors_are_spread_and_zero_where_they_are_not() -> None:
    random = np.random.default_rng(0)
    vectors = random.normal(size=(2000, 32)).astype(np.float32)
    assert standard_deviation(vectors) == pytest.approx(1, abs=0.01)
    assert standard_deviation(vectors) == pytest.approx(
        std_of_l2_normalized(torch.from_numpy(vectors)).item() * 32**0.5
    )
    assert standard_deviation(vectors + 100) < 0.02
    assert standard_deviation(np.ones((5, 3)) * np.arange(1, 6)[:, None]) == pytest.approx(0, abs=1e-12)
    by_hand = np.mean([np.std([1, 0], ddof=1), np.std([0, 1], ddof=1)]) * 2**0.5
    assert standard_deviation([[5.0, 0.0], [0.0, 0.1]]) == pytest.approx(by_hand)


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 6), st.integers(0, 100), st.sampled_from([1e-6, 1.0, 1e6]))
def test_rankme_of_known_singular_values(rank: int, seed: int, size: float) -> None:
    random = np.random.default_rng(seed)
    left, right = (np.linalg.qr(random.normal(size=(count, 6)))[0] for count in (20, 8))
    values = np.r_[random.uniform(0.5, 2, rank), np.zeros(6 - rank)]
    # 20 x 8 has eight singular values, the last two of which are 0 too
    wanted = entropy_rank(np.r_[values, 0, 0])
    assert rankme(size * (left * values) @ right.T) == pytest.approx(wanted, rel=1e-5)


def test_rankme_of_equal_and_of_orthogonal_rows() -> None:
    assert rankme(np.repeat(np.eye(5), 3, axis=0)) == pytest.approx(5, rel=1e-4)
    assert rankme(np.ones((7, 5))) == pytest.approx(1, rel=1e-4)
    assert rankme(np.zeros((7, 5))) == pytest.approx(1, rel=1e-4), "all is lost, and nothing is divided by 0"


@pytest.mark.parametrize("delta", [1e-4, 1.0])
def test_lidar_is_the_rank_of_the_generalised_eigenvalues(delta: float) -> None:
    random = np.random.default_rng(1)
    ids = np.repeat([f"picture {number}" for number in range(9)], [2, 3, 2, 4, 2, 2, 5, 2, 3])
    vectors = random.normal(size=(len(ids), 4)) * [3, 1, 0.3, 0.1]
    names = sorted(set(ids))
    means = np.stack([vectors[ids == name].mean(axis=0) for name in names])
    between, within = np.zeros((4, 4)), delta * np.eye(4)
    for name, mean in zip(names, means, strict=True):
        apart = mean - means.mean(axis=0)
        between += np.outer(apart, apart) / len(names)
        views = vectors[ids == name]
        for view in views:
            within += np.outer(view - mean, view - mean) / len(views) / len(names)
    values = scipy.linalg.eigh(between, within, eigvals_only=True)
    assert lidar(vectors, ids, delta=delta) == pytest.approx(entropy_rank(values), rel=1e-6)


def test_lidar_sees_collapse_and_views_that_do_not_matter() -> None:
    random = np.random.default_rng(0)
    means, ids = np.linalg.qr(random.normal(size=(6, 6)))[0], np.repeat(np.arange(6), 4)
    views = means[ids] + 0.1 * random.normal(size=(24, 6))
    assert lidar(views, ids) == pytest.approx(5, abs=0.8), "six means span five directions around their own mean"
    assert lidar(np.outer(random.normal(size=24), means[0]), ids) == pytest.approx(1, rel=1e-3)
    assert lidar(np.ones((24, 6)), ids) == pytest.approx(1, rel=1e-4)
    assert np.isfinite(lidar(views * 1e8, ids))


def test_what_does_not_fit_is_refused() -> None:
    rows = np.eye(4)
    for measure in (standard_deviation, rankme):
        with pytest.raises(BadInput, match=r"it must be \(N, dim\), N two or more"):
            measure(rows[:1])
        with pytest.raises(BadInput, match="NaN or infinity"):
            measure(rows * np.nan)
    with pytest.raises(BadInput, match="ids name 3 pictures, one with 1 view"):
        lidar(rows, [0, 0, 1, 2])
    with pytest.raises(BadInput, match="ids name 1 pictures"):
        lidar(rows, [0, 0, 0, 0])
    with pytest.raises(BadInput, match="delta is 0; it must be above 0"):
        lidar(rows, [0, 0, 1, 1], delta=0)
    with pytest.raises(BadInput, match="labels have the shape"):
        lidar(rows, [0, 0, 1])
