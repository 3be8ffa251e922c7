"""A search of an index: queries to vectors, vectors to hits, hits judged by a threshold."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from omlzoo.catalog import shared
from omlzoo.checkpoints.calibration import Calibration, CutPoint, energy
from omlzoo.data.filters import Where
from omlzoo.data.late_picture import Picture
from omlzoo.errors import BadInput
from omlzoo.index.backends._ranges import check_whole
from omlzoo.index.combining import Combination, nearest_to_all, nearest_to_any, read_examples
from omlzoo.index.distinct import check_column, first_of_each
from omlzoo.index.hits import Hits
from omlzoo.index.queries import Queries, QueryEncoder, pictures_in, texts_in
from omlzoo.index.rows import Rows
from omlzoo.ops.directions import directions
from omlzoo.ops.similarity import Similarity

__all__ = ["Search", "found"]

COMBINED = {"any": nearest_to_any, "all": nearest_to_all}  # the others ask for one vector
REPEATED = 4  # times as many hits are looked at first where values are to be distinct
LARGEST_SCORE = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class Search:
    """How to search; ``Index.search`` explains each.

    Attributes:
        k: Hits for each query.
        where: Which rows may be found.
        exclude_self: Whether the row with the query's own path is left out.
        threshold: The least score of a hit that is accepted, or the name of a cut-point.
        text: Whether strings are texts.
        rerank: A method of re-ranking.
        candidates: First hits that are compared with each other.
        combine: How all queries are one.
        negatives: What the hits of that one shall be unlike.
        distinct: A column of which each value is found once.
    """

    k: int = 10
    where: Where | None = None
    exclude_self: bool = False
    threshold: float | str | None = None
    text: bool | None = None
    rerank: str | None = None
    candidates: int = 100
    combine: Combination | None = None
    negatives: "Queries | None" = None
    distinct: str | None = None

    @property
    def combined(self) -> Combination | None:
        """How all queries are one; None where each is for itself."""
        return "average" if self.combine is None and self.negatives is not None else self.combine

    def check(self) -> None:
        """Refuse what cannot be searched by, before anything is computed.

        Raises:
            UnknownName: There is no such method of re-ranking.
            BadInput: A number is out of its range, or a cut-point is named for scores that no calibration is of.
        """
        check_whole(most=sys.maxsize, k=self.k)
        if self.rerank is not None:
            shared("rerank._candidates", "check_method")(self.rerank, self.candidates)
            shared("rerank._candidates", "check_method")(self.rerank, self.k)
            if self.combined in ("any", "all"):
                raise BadInput(
                    f"rerank {self.rerank!r} needs one vector, and combine {self.combined!r} has one for each example; "
                    "take combine='average'"
                )
        other = f"rerank {self.rerank!r}" if self.rerank else self.combined and f"combine {self.combined!r}"
        if other and isinstance(self.threshold, str):
            raise BadInput(
                f"threshold is {self.threshold!r}, measured between two pictures, and {other} gives other scores; "
                "leave one of them out, or give a least score"
            )


def found(rows: Rows, encoder: QueryEncoder, calibration: Calibration | None, queries: Queries, asked: Search) -> Hits:
    """The hits of queries.

    Args:
        rows: The rows of this moment, whatever other threads add meanwhile.
        encoder: What makes vectors of the queries.
        calibration: That of the distances between pictures; None where there is none.
        queries: As in ``Index.search``.
        asked: How to search.

    Raises:
        UnknownName: The calibration has no such cut-point, the table no such column, or there is no such method.
        BadInput: As in ``Index.search``.
    """
    asked.check()
    words = None if asked.combined else texts_in(queries, asked.text)
    if words is not None and isinstance(asked.threshold, str):
        raise BadInput(f"threshold is {asked.threshold!r}, measured between pictures; for a text give a least score")
    cut = _cut_point(asked.threshold, calibration)
    selected = None if asked.where is None else rows.select(asked.where)
    if asked.distinct is not None:
        check_column(rows.embeddings.table, asked.distinct)
    read = _read(rows, encoder, queries, words, asked)
    allowed = None if selected is None else selected.rows
    if read.hidden is not None:
        allowed = ~read.hidden & (rows.good if allowed is None else allowed)
    kept = max(asked.k, _looked_at(cut, calibration))
    scores, ids, similarity, how = _ranked(rows, read, asked, kept, allowed)
    said = () if selected is None else selected.notices
    if calibration is not None and how:
        other = f"rerank {asked.rerank!r}" if asked.rerank else f"combine {asked.combined!r}"
        said = (*said, f"scores of {other} are not calibrated, so hits have no probabilities")
    held = None if read.texts or how else calibration
    hits = Hits(ids, scores, read.table, rows.embeddings, similarity, held, read.root, read.pictures,
                texts=read.texts, notices=said, how=how)  # fmt: skip
    if cut is None and ids.shape[1] <= asked.k:
        return hits
    k, accepted = asked.k, None if cut is None else _accepted(hits, cut)
    return replace(hits, ids=ids[:, :k], scores=scores[:, :k], accepted=None if accepted is None else accepted[:, :k])


@dataclass(frozen=True)
class _Read:
    """Queries as a search takes them.

    Attributes:
        vectors: (P, dim) of the queries that could be read, or of the examples of one.
        table: A row for each query.
        good: (Q,) bool, which could be read.
        by_cosine: Whether rows are compared by cosine, whatever the index compares by.
        texts: Whether the queries have no pictures of their own.
        root: Where relative paths start.
        pictures: Those in memory, by number.
        own: (P,) numbers of the queries' own rows, which are left out; None for none.
        hidden: (N,) bool, rows that are left out for all; None for none.
        how: A sentence on what the scores are of; empty where they are those of a query and a row.
    """

    vectors: np.ndarray
    table: pd.DataFrame
    good: np.ndarray
    by_cosine: bool
    texts: bool
    root: Path
    pictures: Mapping[int, Picture]
    own: np.ndarray | None = None
    hidden: np.ndarray | None = None
    how: str = ""

    def own_rows(self) -> list[np.ndarray] | None:
        """For each query the rows that are its own; None where they are not left out."""
        if self.hidden is not None:
            return [np.flatnonzero(self.hidden)] * len(self.table)
        if self.own is None:
            return None
        every = np.full(len(self.table), -1)
        every[self.good] = self.own
        return [every[place : place + 1][every[place : place + 1] >= 0] for place in range(len(every))]


def _read(rows: Rows, encoder: QueryEncoder, queries: Queries, words: list[str] | None, asked: Search) -> _Read:
    if asked.combined:
        one = read_examples(encoder, queries, asked.text, asked.combined, asked.negatives)
        hidden = one.own(rows) if asked.exclude_self else None
        return _Read(one.vectors, one.table, np.array([True]), one.by_cosine, True, Path(), {}, None, hidden, one.how)
    if words is not None:
        encoded = encoder.encode_texts(words)
        good, root = encoded.good, _folder(encoded.record.root)
        return _Read(encoded.vectors[good], encoded.table, good, True, True, root, {})
    encoded = encoder.encode_images(queries)
    good = encoded.good
    own = rows.own(encoded)[good] if asked.exclude_self and good.any() else None
    root, pictures = _folder(encoded.record.root), pictures_in(queries)
    return _Read(encoded.vectors[good], encoded.table, good, False, False, root, pictures, own)


def _ranked(
    rows: Rows, read: _Read, asked: Search, kept: int, allowed: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, Similarity, str]:
    """Scores and rows (Q, W) of the best hits, how scores are read, and what they are of.

    Where values are to be distinct the list grows until it has ``kept`` of them; re-ranked lists have their candidates.
    """
    most = len(rows.numbers)
    width = min(max(kept, asked.candidates if asked.rerank else 1), most)
    if asked.distinct is not None and not asked.rerank:
        width = min(REPEATED * width, most)
    scores, ids, similarity = _nearest(rows, read, asked, width, allowed)
    if asked.distinct is not None:
        values = rows.embeddings.table[asked.distinct]
        chosen = first_of_each(values, scores, ids, min(kept, most), read.own_rows())
        while chosen[2] and width < most and not asked.rerank:
            width = min(REPEATED * width, most)
            scores, ids, similarity = _nearest(rows, read, asked, width, allowed)
            chosen = first_of_each(values, scores, ids, min(kept, most), read.own_rows())
        scores, ids, _ = chosen
    if not asked.rerank:
        return scores, ids, similarity, read.how
    method = shared("rerank._candidates", "described_method")(asked.rerank, width)
    return scores, ids, similarity, f"{read.how} and {method}" if read.how else method


def _nearest(
    rows: Rows, read: _Read, asked: Search, width: int, allowed: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, Similarity]:
    ids = np.full((len(read.table), width), -1, dtype=np.int64)
    scores = np.full((len(read.table), width), -np.inf, dtype=np.float32)
    similarity: Similarity = "cosine" if read.by_cosine else rows.similarity
    good = read.good
    if good.any():
        if asked.combined in COMBINED:
            scores, ids = COMBINED[asked.combined](rows, read.vectors, width, allowed, read.by_cosine)
        else:
            scores[good], ids[good] = rows.find(read.vectors, width, read.own, allowed, by_cosine=read.by_cosine)
        if asked.rerank:
            scores[good], ids[good], similarity = _reranked(rows, asked.rerank, read, ids[good])
    return scores, ids, similarity


def _reranked(rows: Rows, method: str, read: _Read, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray, Similarity]:
    """Scores and rows (Q, C) of queries and their hits in the method's order, and how scores are read."""
    some, places = np.unique(ids, return_inverse=True)
    places = places.reshape(ids.shape) - int(some[0] < 0)  # -1 again where there is no hit
    near = rows.embeddings.vectors[some[some >= 0]]
    near = directions(near) if read.by_cosine else near
    scores, order, similarity = shared("rerank._candidates", "reranked")(method, read.vectors, near, places)
    return scores, np.take_along_axis(ids, order, axis=1), similarity


def _cut_point(threshold: float | str | None, calibration: Calibration | None) -> CutPoint | float | None:
    if not isinstance(threshold, str):
        if threshold is not None and np.isnan(threshold):
            raise BadInput("threshold is not a number, so no hit could pass it; give a least score")
        return threshold
    if calibration is None:
        raise BadInput(
            f"threshold is {threshold!r}, but this index has no calibration; run `omlzoo calibrate` and give the "
            "folder it wrote to build_index(..., calibration=...), or give a least score"
        )
    return calibration.find(threshold)


def _looked_at(cut: CutPoint | float | None, calibration: Calibration | None) -> int:
    """Hits that the cut-point needs."""
    energetic = isinstance(cut, CutPoint) and cut.statistic == "energy" and calibration is not None
    return calibration.energy.k if energetic and calibration else 1


def _accepted(hits: Hits, cut: CutPoint | float) -> np.ndarray:
    if not isinstance(cut, CutPoint):
        least = np.float32(np.clip(cut, -LARGEST_SCORE, LARGEST_SCORE))  # scores are float32
        return np.asarray((hits.scores >= least) & (hits.ids >= 0))
    if cut.statistic == "distance" or hits.calibration is None:
        return np.asarray(hits.distances <= cut.value)
    return np.asarray((energy(hits.distances, hits.calibration.energy) <= cut.value)[:, None] & (hits.ids >= 0))


@lru_cache(64)
def _folder(root: str) -> Path:
    """The folder of a record; to make a path takes a part of the time of a search."""
    return Path(root)
