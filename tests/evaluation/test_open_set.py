"""Thresholds for unknown queries: shares that can be counted, and fits of samples whose law is known."""

import numpy as np
import pytest

from omlzoo.evaluation.open_set import FirstHits, at_share, detection, likelihood_ratio, pareto_tail, weibull_tail


def test_detection_counts_pairs_and_queries() -> None:
    hits = FirstHits(np.array([1.0, 2, 3, 4]), np.array([True, True, False, True]), np.array([2.0, 5, 6, 7]))
    found = detection(hits, far=(0.0, 0.25))
    # 5, 6 and 7 are farther than all four; 2 is farther than one and as far as another
    assert found["auroc"] == pytest.approx((4 * 3 + 1 + 0.5) / 16)
    assert found["fpr@95tpr"] == 0.25
    assert found["dir@far=0"] == 0.25  # below 2, between the last known one and it
    assert found["dir@far=0.25"] == 0.5  # at 3.5; the third is wrong, the fourth too far


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.999, 1.0])
def test_a_share_is_never_exceeded(share: float) -> None:
    values = np.random.default_rng(0).integers(0, 20, 200).astype(float)
    limit = at_share(values, share)
    assert (values <= limit).mean() <= share
    farther = np.unique(values)[np.unique(values) > limit]
    if len(farther):
        assert (values <= farther[0]).mean() > share, "the next value would be too many"


def test_a_pareto_tail_goes_on_where_the_data_ends() -> None:
    random = np.random.default_rng(0)
    values = 5 - random.exponential(1.0, 4000)  # the chance to be nearer than 5 - t is exp(-t)
    for rate in (1e-2, 1e-4):
        assert pareto_tail(values, rate) == pytest.approx(5 + np.log(rate), abs=0.6)
    assert pareto_tail(values[:30], 0.01) is None, "three values are no tail"


def test_a_weibull_fit_finds_the_quantile_of_its_law() -> None:
    stats = pytest.importorskip("scipy.stats", reason="scipy is not installed")
    values = stats.weibull_min.rvs(2.5, scale=0.7, size=5000, random_state=0)
    assert weibull_tail(values, 0.05) == pytest.approx(stats.weibull_min.isf(0.05, 2.5, scale=0.7), rel=0.02)
    assert weibull_tail(values[:5], 0.05) is None


def test_densities_cross_where_two_normal_laws_do() -> None:
    random = np.random.default_rng(0)
    known, unknown = random.normal(1, 0.2, 4000), random.normal(2, 0.2, 4000)
    assert likelihood_ratio(known, unknown, 0.5) == pytest.approx(1.5, abs=0.03)
    # the log ratio at x is (x - 1.5) / 0.04: nine times as many known ones move it by 0.04 log 9
    assert likelihood_ratio(known, unknown, 0.1) == pytest.approx(1.5 + 0.04 * np.log(9), abs=0.04)
