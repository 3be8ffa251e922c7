"""Hits of which no two share a value of a column, such as the best part of each picture."""

import numpy as np
import pandas as pd

from omlzoo.errors import UnknownName

__all__ = ["check_column", "first_of_each"]


def check_column(frame: pd.DataFrame, column: str) -> None:
    """Refuse a column that a table does not have.

    Args:
        frame: The table.
        column: The name of a column.

    Raises:
        UnknownName: It has no such column.
    """
    if column not in frame:
        raise UnknownName("the table", column, [str(name) for name in frame.columns])


def first_of_each(
    values: pd.Series, scores: np.ndarray, ids: np.ndarray, k: int, own: list[np.ndarray] | None = None
) -> tuple[np.ndarray, np.ndarray, bool]:
    """The first hit of each value, up to k of them; rows without a value are each for themselves.

    Args:
        values: (N,) the values of all rows of an index.
        scores: (Q, W), the best first.
        ids: (Q, W) rows; -1 where there is none.
        k: How many hits are kept.
        own: For each query the rows whose values are left out; None for none.

    Returns:
        Scores (Q, k) and rows (Q, k), -inf and -1 where there are fewer, and whether a query has fewer although its
        list goes on.
    """
    some = np.unique(np.concatenate([ids[ids >= 0], *(own or [])]).astype(np.int64))
    codes = pd.factorize(values.take(some))[0]
    codes = np.where(codes < 0, -2 - np.arange(len(codes)), codes)
    kept_scores = np.full((len(ids), k), -np.inf, dtype=scores.dtype)
    kept = np.full((len(ids), k), -1, dtype=np.int64)
    short = False
    for query, row in enumerate(ids):
        row = row[row >= 0]
        mine = codes[np.searchsorted(some, row)]
        first = np.sort(np.unique(mine, return_index=True)[1])
        if own is not None and len(own[query]):
            first = first[~np.isin(mine[first], codes[np.searchsorted(some, own[query])])]
        first = first[:k]
        kept_scores[query, : len(first)], kept[query, : len(first)] = scores[query, first], row[first]
        short |= len(first) < k and len(row) == ids.shape[1]
    return kept_scores, kept, bool(short)
