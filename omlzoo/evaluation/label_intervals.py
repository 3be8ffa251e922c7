"""Bootstrap intervals of shares over labels, all of one table from the same draws."""

from collections.abc import Sequence

import numpy as np

__all__ = ["share_intervals"]

DRAWS = 1000
ENDS = (0.025, 0.975)


def share_intervals(
    parts: Sequence[np.ndarray], wholes: Sequence[np.ndarray], factors: Sequence[float]
) -> list[tuple[float, float]]:
    """95 % intervals of ratios of sums over labels that are drawn with replacement.

    Every share sees the same draws, as each alone would with the same seed.

    Args:
        parts: For each share the counts (T,) of each label above the line, whole numbers.
        wholes: For each share the counts (T,) below it.
        factors: How many times the deviation of each share counts.
    """
    counts = np.stack([*parts, *wholes]).astype(np.float64)  # sums of whole numbers are exact in any order
    labels, shares = counts.shape[1], len(parts)
    random, drawn = np.random.default_rng(0), np.empty((DRAWS, 2 * shares))
    for draw in range(DRAWS):
        times = np.bincount(random.integers(0, labels, labels), minlength=labels).astype(np.float64)
        drawn[draw] = counts @ times
    values = counts.sum(axis=1)
    found = []
    for part, factor in enumerate(factors):
        value = values[part] / max(1, values[shares + part])
        draws = drawn[:, part] / np.maximum(1, drawn[:, shares + part])
        low, high = np.quantile(value + factor * (draws - value), ENDS)
        found.append((float(max(0.0, low)), float(min(1.0, high))))
    return found
