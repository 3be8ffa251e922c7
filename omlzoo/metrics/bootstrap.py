"""How sure a mean over queries is, and whether one model is better than another: bootstrap and paired differences."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from omlzoo.errors import BadInput
from omlzoo.metrics._selection import Ids, as_array

__all__ = ["Comparison", "compare", "intervals"]

DRAWS = 2000


@dataclass(frozen=True)
class Comparison:
    """A second model against a first one, on the same queries.

    Attributes:
        difference: Mean of second minus first.
        low: Lower end of its interval.
        high: Upper end; the models differ where 0 is outside.
        better: Queries on which the second is better.
        worse: Those on which it is worse.
        same: The others.
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
    """Percentile bootstrap intervals of the means of values (Q,), by name.

    Args:
        values: Of each metric its value for each query.
        groups: (Q,) ids, such as the queries' labels: whole groups are drawn, because queries of one label are alike.
            None draws queries.
        level: Share of the drawn means within the interval.
        draws: How often.
        seed: Of the draws.
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
    """The paired difference of two models, of their values (Q,) on the same queries in the same order.

    The other arguments are those of :func:`intervals`.

    Raises:
        BadInput: The values are not of the same queries.
    """
    first, second = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if first.shape != second.shape or first.ndim != 1 or not len(first):
        raise BadInput(f"the values have the shapes {first.shape} and {second.shape}; give one for each query, twice")
    change = second - first
    low, high = intervals({"": change}, groups, level=level, draws=draws, seed=seed)[""]
    better, worse = int((change > 0).sum()), int((change < 0).sum())
    return Comparison(float(change.mean()), low, high, better, worse, len(change) - better - worse)


def _drawn_means(table: np.ndarray, groups: Ids, draws: int, seed: int) -> np.ndarray:
    """Means (draws, M) of a table (Q, M) whose rows, or groups of rows, are drawn with replacement."""
    if not len(table):
        raise BadInput("there is no value to draw from; at least one query needs a relevant gallery row")
    random = np.random.default_rng(seed)
    sums, sizes = table, np.ones(len(table))
    if groups is not None:
        codes = np.unique(as_array(groups, "groups", len(table)).astype(str), return_inverse=True)[1]
        sizes = np.bincount(codes).astype(np.float64)
        sums = np.stack([np.bincount(codes, column) for column in table.T], axis=1)
    means = np.empty((draws, table.shape[1]))
    for draw in range(draws):
        times = np.bincount(random.integers(0, len(sums), len(sums)), minlength=len(sums)).astype(np.float64)
        means[draw] = times @ sums / (times @ sizes)
    return means
