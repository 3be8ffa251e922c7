"""The values of metrics for each query, and their averages."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from omlzoo.metrics._selection import NOBODY
from omlzoo.ops.codes import label_codes

__all__ = ["RetrievalPerQuery", "averages"]


@dataclass(frozen=True)
class RetrievalPerQuery:
    """The values of each query that :func:`retrieval` averages.

    Attributes:
        queries: (Q,) rows of the queries that have a relevant gallery row.
        values: (Q,) float64 values of each metric, by its name.
        first: (Q, K) the nearest gallery rows, K being the largest k of any metric (not the largest n); -1 for none.
        scores: (Q, K) scores of these rows: minus the Euclidean distance, or the cosine.
        without_relevant: Rows of the queries without a relevant gallery row.
        right: (Q, K) bool, whether the nearest rows are relevant; None where equal labels say it.
    """

    queries: np.ndarray
    values: dict[str, np.ndarray]
    first: np.ndarray
    scores: np.ndarray
    without_relevant: np.ndarray
    right: np.ndarray | None = None


def averages(found: RetrievalPerQuery, **groups: Any) -> dict[str, Any]:
    """The metrics that :func:`retrieval` returns, from the values of each query.

    Args:
        found: Values of each query.
        groups: (N,) ids of all rows by the name of a grouping; adds under that name the metrics of each id's queries.
            Rows whose id is missing are in no group.
    """
    result = _averages(found, np.ones(len(found.queries), dtype=bool), len(found.without_relevant))
    for group, ids in groups.items():
        codes, names = label_codes(ids, group, missing=True)
        some, without = codes[found.queries], codes[found.without_relevant]
        present = sorted({*some.tolist(), *without.tolist()} - {NOBODY}, key=lambda code: str(names[code]))
        result[group] = {
            str(names[code]): _averages(found, some == code, int((without == code).sum())) for code in present
        }
    return result


def _averages(found: RetrievalPerQuery, keep: np.ndarray, without: int) -> dict[str, Any]:
    means = {name: float(values[keep].mean()) if keep.any() else float("nan") for name, values in found.values.items()}
    return {**means, "queries": int(keep.sum()) + without, "queries_without_relevant": without}
