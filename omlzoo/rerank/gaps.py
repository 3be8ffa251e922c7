"""Cutting lists of hits where the distance increases suddenly."""

import numpy as np

from omlzoo.errors import BadInput

__all__ = ["before_gap"]


def before_gap(distances: np.ndarray, times: float = 3.0) -> np.ndarray:
    """The hits before the first large gap of each query, as a mask (Q, k).

    A gap is the difference of the distances of two consecutive hits. It is large if it is more than ``times`` the mean
    gap of all queries.

    Args:
        distances: (Q, k), ascending in each row; infinite where there is no hit. Or the hits of a search.
        times: Multiple of the mean gap, above 0; Open Metric Learning calls it ``n_std``.

    Raises:
        BadInput: ``times`` is not above 0, a distance is NaN, or a row does not ascend, as similarities do not.
    """
    if not times > 0:
        raise BadInput(f"times is {times}; it must be above 0")
    distances = np.asarray(getattr(distances, "distances", distances), dtype=np.float64)
    if np.isnan(distances).any():
        raise BadInput(f"distances hold NaN, the first in row {int(np.isnan(distances).any(axis=1).argmax())}")
    with np.errstate(invalid="ignore"):
        falling = np.flatnonzero((np.diff(distances, axis=1) < 0).any(axis=1))
    if len(falling):
        raise BadInput(f"distances of row {falling[0]} do not ascend; give hits.distances, not hits.scores")
    there = np.isfinite(distances)
    with np.errstate(invalid="ignore"):
        gaps = np.where(there[:, 1:], np.diff(distances, axis=1), 0.0)
    count = int(there[:, 1:].sum())
    if not count:
        return np.asarray(there)
    wide = gaps > times * gaps.sum() / count
    kept = np.c_[np.ones(len(distances), dtype=bool), ~np.logical_or.accumulate(wide, axis=1)]
    return np.asarray(kept & there)
