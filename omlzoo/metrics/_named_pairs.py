"""Pairs of a query and a gallery row with a grade, checked and sorted by query."""

from collections.abc import Sequence

import numpy as np

from omlzoo.errors import BadInput
from omlzoo.metrics._judged_ranks import Judgements
from omlzoo.metrics._selection import Selection

__all__ = ["check_pairs", "listed_judgements"]

SHOWN = 5  # rows that a message lists


def check_pairs(
    selection: Selection,
    queries: Sequence[int] | np.ndarray,
    items: Sequence[int] | np.ndarray,
    grades: Sequence[float] | np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pairs as arrays (P,) of row numbers, row numbers and grades.

    Args:
        selection: The queries and the gallery.
        queries: (P,) row numbers.
        items: (P,) row numbers.
        grades: (P,) numbers from 0; NaN is junk.

    Raises:
        BadInput: As in :func:`judged_retrieval`.
    """
    asked, named, values = np.asarray(queries), np.asarray(items), np.asarray(grades, dtype=np.float64)
    if not asked.shape == named.shape == values.shape or asked.ndim != 1 or not len(asked):
        raise BadInput(f"queries, items and grades have the shapes {asked.shape}, {named.shape} and {values.shape}; "
                       "give one of each for every pair, and one pair at least")  # fmt: skip
    for name, rows, allowed in (("queries", asked, selection.queries), ("items", named, selection.gallery)):
        wrong = rows[~np.isin(rows, allowed)]
        if rows.dtype.kind not in "iu" or len(wrong):
            what = "a row of a query" if name == "queries" else "a row of the gallery"
            raise BadInput(f"{name} hold {wrong[:SHOWN].tolist()}; each must be the number of {what}")
    if (values < 0).any() or np.isinf(values).any():
        raise BadInput("grades hold a number below 0 or infinity; 0 is wrong, more is better, NaN is junk")
    pairs = asked.astype(np.int64) * len(selection.labels) + named
    _, first, counts = np.unique(pairs, return_index=True, return_counts=True)
    if (counts > 1).any():
        place = int(first[counts > 1].min())
        raise BadInput(f"query {asked[place]} and item {named[place]} are a pair twice; give each pair one grade")
    return asked, named, values


def listed_judgements(selection: Selection, queries: np.ndarray, items: np.ndarray, grades: np.ndarray) -> Judgements:
    """What a list of pairs names for some of the queries.

    Args:
        selection: The queries and the gallery.
        queries: (P,) row numbers of queries.
        items: (P,) row numbers.
        grades: (P,).
    """
    place = np.full(len(selection.labels), -1)
    place[selection.queries] = np.arange(len(selection.queries))
    order = np.argsort(place[queries], kind="stable")
    asked, named, values = place[queries][order], items[order], grades[order]

    def of(start: int, stop: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        part = slice(*np.searchsorted(asked, [start, stop]).tolist())
        return asked[part] - start, named[part], values[part]

    return of
