"""Thresholds that decide whether a query is of any label in the gallery, from first hits of known and unknown queries.

A query is made unknown by taking its label out of the gallery: its first hit is then always wrong. No other data is
needed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from omlzoo import catalog

__all__ = ["FirstHits", "at_share", "detection", "likelihood_ratio", "pareto_tail", "weibull_tail"]

TAIL = 0.1  # share of the nearest unknown first hits that a tail is fitted to
LEAST = 20  # values that a tail needs
GRID = 2001  # points at which densities are compared


@dataclass(frozen=True)
class FirstHits:
    """A statistic of each query's hits, lower for a surer match.

    Attributes:
        known: (Q,) values of queries whose label is in the gallery.
        right: (Q,) bool, whether the first hit has the label of the query.
        unknown: (Q,) values of the same queries with their label taken out of the gallery.
    """

    known: np.ndarray
    right: np.ndarray
    unknown: np.ndarray


def detection(hits: FirstHits, far: Sequence[float] = (0.01, 0.1)) -> dict[str, float]:
    """How well a threshold on the statistic tells known from unknown queries.

    Args:
        hits: The statistic of the queries.
        far: False accept rates (FAR): shares of unknown queries that are accepted, from 0 to 1.

    Returns:
        "auroc": the chance that a known query's value is lower than an unknown one's, ties half. "fpr@95tpr": share of
        unknown queries accepted where 95 % of the known ones are. "dir@far=0.01": share of known queries that are
        accepted with a right first hit (detection and identification rate) where that share of unknown ones is.
    """
    unknown = np.sort(hits.unknown)
    below = np.searchsorted(unknown, hits.known, side="left"), np.searchsorted(unknown, hits.known, side="right")
    farther = 1 - (below[0] + below[1]) / 2 / len(unknown)
    metrics = {"auroc": float(farther.mean())}
    limit = np.sort(hits.known)[int(np.ceil(0.95 * len(hits.known))) - 1]
    metrics["fpr@95tpr"] = float((hits.unknown <= limit).mean())
    for rate in far:
        metrics[f"dir@far={rate:g}"] = float((hits.right & (hits.known <= at_share(unknown, rate))).mean())
    return metrics


def at_share(values: np.ndarray, share: float) -> float:
    """The largest threshold that accepts at most a share of the values, halfway between two of them.

    Args:
        values: (N,) values; those below the threshold are accepted.
        share: The share, from 0 to 1.
    """
    ordered = np.sort(values)
    count = int(np.floor(share * len(ordered) * (1 + 1e-12)))
    if count >= len(ordered):
        return float(ordered[-1])
    low = ordered[count - 1] if count else ordered[0] - 1
    while count and low == ordered[count]:  # ties are accepted together, or not at all
        count -= 1
        low = ordered[count - 1] if count else ordered[0] - 1
    return float((low + ordered[count]) / 2)


def pareto_tail(unknown: np.ndarray, rate: float) -> float | None:
    """The distance that accepts a share of the unknown queries' first hits, by a generalised Pareto tail.

    The distribution is fitted to the nearest tenth of the first hits (peaks over a threshold), so that rates below one
    in the number of queries have an answer too. None where fewer than 20 hits lie in that tenth.

    Args:
        unknown: (Q,) distances of unknown queries' first hits.
        rate: The share that is accepted, above 0 and below 1.

    Raises:
        MissingExtra: scipy is not installed.
    """
    stats = _scipy("stats")
    edge = float(np.quantile(unknown, TAIL))
    excess = edge - unknown[unknown < edge]
    if len(excess) < LEAST:
        return None
    shape, _, scale = stats.genpareto.fit(excess, floc=0)
    within = min(1.0, rate * len(unknown) / len(excess))
    return float(edge - stats.genpareto.isf(within, shape, 0, scale))


def weibull_tail(same: np.ndarray, rate: float) -> float | None:
    """The distance that rejects a share of the right first hits, by a Weibull distribution fitted to all of them.

    This is the tail model of OpenMax (arXiv 1511.06233) applied to distances. None where fewer than 20 are above 0.

    Args:
        same: (Q,) distances of right first hits.
        rate: The share that is rejected, above 0 and below 1.

    Raises:
        MissingExtra: scipy is not installed.
    """
    stats = _scipy("stats")
    if (same > 0).sum() < LEAST:
        return None
    shape, _, scale = stats.weibull_min.fit(same[same > 0], floc=0)
    return float(stats.weibull_min.isf(rate, shape, 0, scale))


def likelihood_ratio(known: np.ndarray, unknown: np.ndarray, prior: float) -> float:
    """The distance up to which a query is more likely known than unknown, by two kernel densities of first hits.

    Args:
        known: (Q,) distances of known queries' first hits.
        unknown: (Q,) distances of unknown queries' first hits.
        prior: Expected share of unknown queries, from 0 to 1.

    Raises:
        MissingExtra: scipy is not installed.
    """
    stats = _scipy("stats")
    grid = np.linspace(min(known.min(), unknown.min()), max(known.max(), unknown.max()), GRID)
    dense = [stats.gaussian_kde(values)(grid) for values in (known, unknown)]
    rather = (1 - prior) * dense[0] >= prior * dense[1]
    start = int(np.argmax(grid >= np.median(known)))  # from the middle of the known ones outwards
    ends = np.flatnonzero(~rather[start:])
    return float(grid[start + ends[0]]) if len(ends) else float(grid[-1])


def _scipy(part: str) -> Any:
    return catalog.optional(f"scipy.{part}", "calibration")
