"""Cutting a list of hits where the next one is suddenly farther."""

import numpy as np

from omlzoo.errors import BadInput

__all__ = ["before_gap"]


def before_gap(distances: np.ndarray, times: float = 3.0) -> np.ndarray:
    """(Q, k) bool: the hits before the first gap that is more than so many times the mean gap of all queries.

    Args:
        distances: (Q, k), ascending in each row; infinite where there is no hit.
        times: Above 0; Open Metric Learning calls it ``n_std``.
    """
    if not times > 0:
        raise BadInput(f"times is {times}; it must be above 0")
    there = np.isfinite(distances)
    with np.errstate(invalid="ignore"):
        gaps = np.where(there[:, 1:], np.diff(distances, axis=1), 0.0)
    count = int(there[:, 1:].sum())
    if not count:
        return np.asarray(there)
    wide = gaps > times * gaps.sum() / count
    kept = np.c_[np.ones(len(distances), dtype=bool), ~np.logical_or.accumulate(wide, axis=1)]
    return np.asarray(kept & there)
