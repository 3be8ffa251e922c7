"""Several indexes as one: hits of all, in the order of the chance that they are right."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from omlzoo.embedding.embeddings import Embeddings
from omlzoo.errors import BadInput
from omlzoo.index.index import Index
from omlzoo.index.queries import Queries, texts_in
from omlzoo.index.query_vectors import are_vectors
from omlzoo.index.row_keys import Key, keys_of

__all__ = ["fuse"]

QUERIES = 32  # whose candidates are scored together


def fuse(
    indexes: Sequence[Index], queries: Queries, k: int = 10, *, candidates: int = 100, exclude_self: bool = False
) -> pd.DataFrame:
    """The k pictures of several indexes with the best chances of being right, for each query.

    Each index embeds the queries by its own model and proposes its nearest rows. Every picture that one of them
    proposes is scored by all that have it (the same file and box), and its chance is the mean of their log odds, by the
    logistic curve of each calibration: log odds are intercept + slope x distance. So distances of different models are
    compared in one unit. Where the indexes have different pictures, each keeps the chance of its one index.

    Args:
        indexes: Two or more, each with a calibration: of different models, or of different pictures.
        queries: Pictures, as in ``Index.search``.
        k: Hits for each query.
        candidates: Rows that each index proposes for a query; at least k are.
        exclude_self: Leave out the query's own path.

    Returns:
        A row per hit: query, rank (from 1), probability, "probability_0" and "id_0" for each index, NaN and -1 where it
        lacks the picture, and the columns of the picture's row in the first index that has it. The mean of log odds
        claims no independence: where indexes know different things, the true chance is more extreme.

    Raises:
        BadInput: An index has no calibration, there are fewer than two, or the queries are vectors or texts.
    """
    _check(indexes, queries, k)
    encoded = [index.encoder.encode_images(queries) for index in indexes]
    parts = []
    for start in range(0, len(encoded[0]), QUERIES):
        chosen = np.arange(start, min(start + QUERIES, len(encoded[0])))
        some = [each.rows(np.isin(np.arange(len(each)), chosen)) for each in encoded]
        parts.append(_fused(indexes, some, k, max(k, candidates), exclude_self, start))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def _check(indexes: Sequence[Index], queries: Queries, k: int) -> None:
    if len(indexes) < 2:
        raise BadInput(f"{len(indexes)} indexes are given; to fuse takes two or more")
    for number, index in enumerate(indexes):
        if index.calibration is None:
            raise BadInput(
                f"index {number}, of {index.embeddings.record.model}, has no calibration, so its distances are no "
                "chances; run `omlzoo calibrate` and give the folder it wrote to build_index(..., calibration=...)"
            )
    if k < 1:
        raise BadInput(f"k is {k}; it must be at least 1")
    if are_vectors(queries) or isinstance(queries, Embeddings):
        raise BadInput("queries are vectors, which are of one model; give pictures, which each index embeds by its own")
    if texts_in(queries) is not None:
        raise BadInput("queries are texts, and calibrations are measured between pictures; give pictures")


def _fused(
    indexes: Sequence[Index], queries: Sequence[Embeddings], k: int, candidates: int, exclude_self: bool, start: int
) -> pd.DataFrame:
    """The hits of some queries, as each index embedded them; their numbers begin at ``start``."""
    proposed = [index.find(each, candidates, exclude_self=exclude_self).ids
                for index, each in zip(indexes, queries, strict=True)]  # fmt: skip
    rows = _same_pictures(indexes, proposed)
    odds = np.stack([_log_odds(index, each, mine) for index, each, mine in zip(indexes, queries, rows.T, strict=True)])
    if exclude_self:
        for number, (index, each) in enumerate(zip(indexes, queries, strict=True)):
            own = index.rows.own(each)
            odds[:, (rows[:, number] == own[:, None]) & (own >= 0)[:, None]] = np.nan
    wanted = np.zeros(odds.shape[1:], dtype=bool)
    for number, ids in enumerate(proposed):
        for query, mine in enumerate(ids):
            wanted[query] |= np.isin(rows[:, number], mine[mine >= 0])
    there = ~np.isnan(odds)
    count = there.sum(axis=0)
    mean = np.where(wanted & (count > 0), np.where(there, odds, 0).sum(axis=0) / np.maximum(count, 1), -np.inf)
    tables = []
    for query, values in enumerate(mean):
        best = np.argsort(-values, kind="stable")[:k]
        best = best[np.isfinite(values[best])]
        head = pd.DataFrame(
            {"query": start + query, "rank": np.arange(len(best)) + 1, "probability": _chance(values[best])}
        )
        for number in range(len(indexes)):
            head[f"probability_{number}"] = _chance(odds[number, query, best])
            head[f"id_{number}"] = rows[best, number]
        tables.append(pd.concat([head, _columns(indexes, rows[best])], axis=1))
    return pd.concat(tables, ignore_index=True)


def _same_pictures(indexes: Sequence[Index], proposed: Sequence[np.ndarray]) -> np.ndarray:
    """The numbers (P, I) of each picture's rows in the indexes, -1 where there is none, in the order of proposals."""
    found: dict[Key, list[int]] = {}
    for number, ids in enumerate(proposed):
        mine = np.unique(ids[ids >= 0])
        index = indexes[number]
        rows = index.embeddings.rows(np.isin(np.arange(len(index.embeddings)), mine))
        places = [mine if other is index else other.rows.own(rows) for other in indexes]
        for key, *numbers in zip(keys_of(rows.pictures("the index")), *places, strict=True):
            found.setdefault(key, [int(each) for each in numbers])
    return np.array(list(found.values()), dtype=np.int64).reshape(-1, len(indexes))


def _log_odds(index: Index, queries: Embeddings, rows: np.ndarray) -> np.ndarray:
    """Log odds (Q, P) that rows (P,) are right for queries; NaN where a row is -1 or the query could not be read."""
    some = np.unique(rows[rows >= 0])
    odds = np.full((len(queries), len(rows)), np.nan)
    if not len(some) or index.calibration is None:
        return odds
    hits = index.find(queries, len(some), where=some)
    query, rank = np.nonzero(hits.ids >= 0)
    apart = np.full((len(queries), len(some)), np.nan)
    apart[query, np.searchsorted(some, hits.ids[query, rank])] = hits.distances[query, rank]
    curve = index.calibration.probability
    there = rows >= 0
    odds[:, there] = curve.intercept + curve.slope * apart[:, np.searchsorted(some, rows[there])]
    return odds


def _chance(odds: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-odds.clip(-700, 700))))


def _columns(indexes: Sequence[Index], rows: np.ndarray) -> pd.DataFrame:
    """The columns of each picture (P, I) in the first index that has it."""
    first = (rows >= 0).argmax(axis=1) if len(rows) else np.array([], dtype=np.int64)
    parts: list[pd.DataFrame] = []
    for number, index in enumerate(indexes):
        mine = np.flatnonzero(first == number)
        part = index.embeddings.table.drop(columns="error").iloc[rows[mine, number]]
        parts.append(part.set_axis(mine))
    columns: pd.DataFrame = pd.concat(parts).sort_index()
    return columns
