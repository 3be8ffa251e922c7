"""Bootstrap intervals of means over queries, and the paired comparison of two models."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from omlzoo.errors import BadInput
from omlzoo.metrics._selection import Ids
from omlzoo.ops.codes import label_codes

__all__ = ["Comparison", "compare", "intervals"]

DRAWS = 2000  # bootstrap samples


@dataclass(frozen=True)
class Comparison:
    """The comparison of a second model with a first one on the same queries.

    Attributes:
        difference: Mean over queries of the second model's value minus the first model's.
        low: Lower end of the interval of the difference.
        high: Upper end of the interval. The models differ significantly if 0 is outside of it.
        better: The number of queries on which the second model's value is larger.
        worse: The number of queries on which it is smaller.
        same: The number of queries on which both are equal.
    """

    difference: float
    low: float
    high: float
    better: int
    worse: int
    same: int


def intervals(
    values: Mapping[str, np.ndarray],
    groups: Ids = None,
    *,
    level: float = 0.95,
    draws: int = DRAWS,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """Percentile bootstrap intervals of the means of metrics over queries.

    Args:
        values: For each metric, by name, its values (Q,) of the queries.
        groups: (Q,) ids, such as the labels of the queries. Whole groups are drawn, because queries of the same label
            are not independent. None draws single queries.
        level: Share of the bootstrap means that lie in the interval, above 0 and below 1.
        draws: The number of bootstrap samples.
        seed: Seed of the random draws.

    Returns:
        The lower and the upper end of the interval of each metric, by name.

    Raises:
        BadInput: ``level`` is out of its range, there are no queries, or a value is not finite.
    """
    names = list(values)
    table = np.stack([np.asarray(values[name], dtype=np.float64) for name in names], axis=1)
    means = _drawn_means(table, groups, draws, seed)
    if not 0 < level < 1:
        raise BadInput(f"level is {level}; it is a share, above 0 and below 1")
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return {name: (float(low[column]), float(high[column])) for column, name in enumerate(names)}


def compare(
    first: np.ndarray, second: np.ndarray, groups: Ids = None, *, level: float = 0.95, draws: int = DRAWS, seed: int = 0
) -> Comparison:
    """Compare two models by the differences of their values on the same queries.

    Args:
        first: (Q,), the values of the first model.
        second: (Q,), the values of the second model, of the same queries in the same order.
        groups: (Q,) ids, such as the labels of the queries, of which whole groups are drawn; None draws single queries.
        level: Share of the bootstrap means that lie in the interval, above 0 and below 1.
        draws: The number of bootstrap samples.
        seed: Seed of the random draws.

    Raises:
        BadInput: The values do not have the same shape (Q,), there are none, one is not finite, or ``level`` is
            out of its range.
    """
    first, second = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if first.shape != second.shape or first.ndim != 1 or not len(first):
        raise BadInput(f"the values have the shapes {first.shape} and {second.shape}; give one for each query, twice")
    change = second - first
    low, high = intervals({"": change}, groups, level=level, draws=draws, seed=seed)[""]
    better, worse = int((change > 0).sum()), int((change < 0).sum())
    return Comparison(float(change.mean()), low, high, better, worse, len(change) - better - worse)


def _drawn_means(table: np.ndarray, groups: Ids, draws: int, seed: int) -> np.ndarray:
    """Means (draws, M) of bootstrap samples of a table (Q, M), from which rows or groups of rows are drawn."""
    if not np.isfinite(table).all():
        first = int(np.flatnonzero(~np.isfinite(table).all(axis=1))[0])
        raise BadInput(f"the values hold NaN or infinity, the first in row {first}; leave those queries out")
    if not len(table):
        raise BadInput("there is no value to draw from; at least one query needs a relevant gallery row")
    random = np.random.default_rng(seed)
    sums, sizes = table, np.ones(len(table))
    if groups is not None:
        codes = label_codes(groups, "groups", count=len(table))[0]
        sizes = np.bincount(codes).astype(np.float64)
        sums = np.stack([np.bincount(codes, column) for column in table.T], axis=1)
    means = np.empty((draws, table.shape[1]))
    for draw in range(draws):
        times = np.bincount(random.integers(0, len(sums), len(sums)), minlength=len(sums)).astype(np.float64)
        means[draw] = times @ sums / (times @ sizes)
    return means
