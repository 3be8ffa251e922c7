"""From a hit's distance to the chance that it is right: isotonic and logistic regression, checked on other labels."""

import numpy as np

from omlzoo import catalog
from omlzoo.checkpoints.calibration import Probability
from omlzoo.errors import BadInput

__all__ = ["fit_probability", "reliability"]

KNOTS = 64  # of the isotonic curve that is kept
BINS = 10  # of the reliability diagram


def fit_probability(distances: np.ndarray, right: np.ndarray, labels: np.ndarray) -> Probability:
    """Fit both curves to all hits. Their errors are those of curves fitted to half of the labels, on the other half.

    Args:
        distances: (Q, K) distances of the hits; infinite where there is none.
        right: (Q, K) bool, whether a hit has the label of the query.
        labels: (Q,) labels of the queries.

    Raises:
        BadInput: All hits are right, or none is.
        MissingExtra: scipy is not installed.
    """
    there = np.isfinite(distances)
    of = np.broadcast_to(labels[:, None], distances.shape)[there]
    x, y = distances[there], right[there].astype(np.float64)
    if not 0 < y.sum() < len(y):
        raise BadInput(f"{int(y.sum())} of {len(y)} hits are right; a probability needs right and wrong ones")
    half = np.random.default_rng(0).permutation(np.unique(of))
    first = np.isin(of, half[: len(half) // 2])
    predicted = np.full((2, len(y)), y.mean())
    for train, test in ((first, ~first), (~first, first)):
        if 0 < y[train].sum() < train.sum():
            knots = isotonic(x[train], y[train])
            predicted[0, test] = np.interp(x[test], *knots)
            intercept, slope = logistic(x[train], y[train])
            predicted[1, test] = 1 / (1 + np.exp(-(intercept + slope * x[test])))
    errors = [expected_error(each, y) for each in predicted]
    where, chances = isotonic(x, y)
    intercept, slope = logistic(x, y)
    return Probability(
        distances=tuple(where.tolist()), isotonic=tuple(chances.tolist()), intercept=intercept, slope=slope,
        hits=len(y), isotonic_error=errors[0], logistic_error=errors[1],
        reliability=tuple(reliability(predicted[0], y)),
    )  # fmt: skip


def isotonic(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Knots (K,) and chances (K,) of the falling step function with the least squared error, steps drawn as lines."""
    isotonic_regression = catalog.optional("scipy.optimize", "calibration").isotonic_regression
    order = np.argsort(x, kind="stable")
    values, starts, counts = np.unique(x[order], return_index=True, return_counts=True)
    means = np.add.reduceat(y[order], starts) / counts
    fitted = isotonic_regression(means, weights=counts, increasing=False).x
    change = np.flatnonzero(np.r_[True, np.diff(fitted) != 0, True])
    ends = np.unique(np.r_[change[:-1], change[1:] - 1])  # both ends of every level
    if len(ends) > KNOTS:
        ends = ends[np.unique(np.linspace(0, len(ends) - 1, KNOTS).round().astype(int))]
    return values[ends], fitted[ends]


def logistic(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Intercept and slope of the likeliest logistic curve, with Platt's smoothed targets."""
    from scipy.optimize import minimize

    right = y.sum()
    target = np.where(y > 0, (right + 1) / (right + 2), 1 / (len(y) - right + 2))
    centre, scale = x.mean(), x.std() + 1e-12
    z = (x - centre) / scale

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        logits = weights[0] + weights[1] * z
        value = np.logaddexp(0, logits) - target * logits
        pull = 1 / (1 + np.exp(-logits)) - target
        return float(value.mean()), np.array([pull.mean(), (pull * z).mean()])

    intercept, slope = minimize(loss, np.zeros(2), jac=True, method="BFGS").x
    return float(intercept - slope * centre / scale), float(slope / scale)


def reliability(chances: np.ndarray, right: np.ndarray) -> list[tuple[float, float, int]]:
    """Mean chance, share that is right, and count of hits in ten equal bins of the chance, without empty bins.

    Args:
        chances: (N,) predicted chances, from 0 to 1.
        right: (N,) 1 or True where the hit is right, else 0.
    """
    bins = np.minimum((chances * BINS).astype(int), BINS - 1)
    return [
        (float(chances[bins == number].mean()), float(right[bins == number].mean()), int((bins == number).sum()))
        for number in range(BINS)
        if (bins == number).any()
    ]


def expected_error(chances: np.ndarray, right: np.ndarray) -> float:
    """Expected calibration error: the gaps of :func:`reliability`, weighted by count."""
    return sum(abs(mean - share) * count for mean, share, count in reliability(chances, right)) / len(right)
