"""Intervals from shared draws are those that each share would get alone."""

import numpy as np

from omlzoo.evaluation.label_intervals import DRAWS, share_intervals


def alone(part: np.ndarray, whole: np.ndarray, factor: float) -> tuple[float, float]:
    random = np.random.default_rng(0)
    value = part.sum() / max(1, whole.sum())
    draws = []
    for _ in range(DRAWS):
        labels = random.integers(0, len(part), len(part))
        draws.append(part[labels].sum() / max(1, whole[labels].sum()))
    low, high = np.quantile(value + factor * (np.array(draws) - value), [0.025, 0.975])
    return float(max(0.0, low)), float(min(1.0, high))


def test_every_share_has_the_interval_that_it_has_alone() -> None:
    random = np.random.default_rng(1)
    wholes = [random.integers(0, 20, 30) for _ in range(3)]
    parts = [random.integers(0, whole + 1) for whole in wholes]
    factors = [1.0, 2.0, 1.0]
    assert share_intervals(parts, wholes, factors) == [
        alone(*each) for each in zip(parts, wholes, factors, strict=True)
    ]


def test_a_share_of_nothing_is_0() -> None:
    assert share_intervals([np.zeros(4, int)], [np.zeros(4, int)], [1.0]) == [(0.0, 0.0)]
