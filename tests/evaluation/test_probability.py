"""Chances equal scikit-learn's curves, and are checked on labels that they were not fitted to."""

import numpy as np
import pytest

from omlzoo.errors import BadInput
from omlzoo.evaluation.probability import expected_error, fit_probability, isotonic, logistic, reliability

pytest.importorskip("scipy", reason="scipy is not installed")


def sample(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Distances, and right with the chance 1 / (1 + exp(-(4 - 3 distance)))."""
    random = np.random.default_rng(seed)
    distances = random.uniform(0, 3, count)
    return distances, random.random(count) < 1 / (1 + np.exp(-(4 - 3 * distances)))


def test_an_isotonic_curve_is_pooled_means_that_fall() -> None:
    # 2 and 1 rise, so they are pooled; equal distances are one
    where, chances = isotonic(np.array([1.0, 2, 2, 3, 4]), np.array([1.0, 0, 1, 1, 0]))
    assert where.tolist() == [1, 2, 3, 4]
    assert chances.tolist() == pytest.approx([1, 2 / 3, 2 / 3, 0])


def test_a_logistic_curve_finds_the_law_of_the_sample() -> None:
    distances, right = sample(50_000)
    assert logistic(distances, right.astype(float)) == pytest.approx((4, -3), abs=0.1)


def test_chances_are_what_happens() -> None:
    distances, right = sample(20_000)
    found = fit_probability(distances.reshape(-1, 10), right.reshape(-1, 10), np.arange(2000) // 10)
    assert found.hits == 20_000
    assert max(found.isotonic_error, found.logistic_error) < 0.02
    fresh, happened = sample(20_000, seed=1)
    for form in ("isotonic", "logistic"):
        chances = found.of(fresh, form)  # type: ignore[arg-type]
        assert expected_error(chances, happened) < 0.02
    assert list(found.isotonic) == sorted(found.isotonic, reverse=True)
    assert len(found.distances) <= 64


def test_reliability_is_counted_in_tenths() -> None:
    found = reliability(np.array([0.05, 0.01, 1.0, 0.95]), np.array([0.0, 1, 1, 0]))
    assert found == [(pytest.approx(0.03), 0.5, 2), (pytest.approx(0.975), 0.5, 2)]
    assert expected_error(np.array([0.05, 0.01, 1.0, 0.95]), np.array([0.0, 1, 1, 0])) == pytest.approx(0.4725)


def test_right_and_wrong_hits_are_needed() -> None:
    with pytest.raises(BadInput, match="4 of 4 hits are right; a probability needs right and wrong ones"):
        fit_probability(np.ones((2, 2)), np.ones((2, 2), bool), np.arange(2))
