"""A search of an index: queries to vectors, vectors to hits, hits judged by a threshold."""

import sys
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from omlzoo.catalog import shared
from omlzoo.checkpoints.calibration import Calibration, CutPoint, energy
from omlzoo.data.filters import Where
from omlzoo.errors import BadInput
from omlzoo.index.backends._ranges import check_whole
from omlzoo.index.hits import Hits
from omlzoo.index.queries import Queries, QueryEncoder, pictures_in, texts_in
from omlzoo.index.rows import Rows
from omlzoo.ops.directions import directions
from omlzoo.ops.similarity import Similarity

__all__ = ["Search", "found"]

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
    """

    k: int = 10
    where: Where | None = None
    exclude_self: bool = False
    threshold: float | str | None = None
    text: bool | None = None
    rerank: str | None = None
    candidates: int = 100

    def check(self) -> None:
        """Refuse what cannot be searched by, before anything is computed.

        Raises:
            UnknownName: There is no such method of re-ranking.
            BadInput: A number is out of its range, or a cut-point is named for scores that no calibration is of.
        """
        check_whole(most=sys.maxsize, k=self.k)
        if self.rerank is None:
            return
        shared("rerank._candidates", "check_method")(self.rerank, self.candidates)
        shared("rerank._candidates", "check_method")(self.rerank, self.k)
        if isinstance(self.threshold, str):
            raise BadInput(
                f"threshold is {self.threshold!r}, measured on distances, and rerank {self.rerank!r} gives other "
                "scores; leave one of them out, or give a least score"
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
    texts = texts_in(queries, asked.text)
    if texts is not None and isinstance(asked.threshold, str):
        raise BadInput(f"threshold is {asked.threshold!r}, measured between pictures; for a text give a least score")
    cut = _cut_point(asked.threshold, calibration)
    selected = None if asked.where is None else rows.select(asked.where)
    allowed = None if selected is None else selected.rows
    encoded = encoder.encode_images(queries) if texts is None else encoder.encode_texts(texts)
    good = encoded.good
    looked_at = max(asked.k, _looked_at(cut, calibration), asked.candidates if asked.rerank else 1)
    width = min(looked_at, len(rows.numbers))
    ids = np.full((len(encoded), width), -1, dtype=np.int64)
    scores = np.full((len(encoded), width), -np.inf, dtype=np.float32)
    similarity: Similarity = rows.similarity if texts is None else "cosine"
    if good.any():
        vectors = encoded.vectors[good]
        own = rows.own(encoded)[good] if asked.exclude_self and texts is None else None
        scores[good], ids[good] = rows.find(vectors, width, own, allowed, by_cosine=texts is not None)
        if asked.rerank:
            scores[good], ids[good], similarity = _reranked(rows, asked.rerank, vectors, ids[good], texts is not None)
    own_scores = texts is None and asked.rerank is None
    said = () if selected is None else selected.notices
    if calibration is not None and asked.rerank:
        said = (*said, f"scores of rerank {asked.rerank!r} are not calibrated, so hits have no probabilities")
    how = shared("rerank._candidates", "described_method")(asked.rerank, width) if asked.rerank else ""
    hits = Hits(ids, scores, encoded.table, rows.embeddings, similarity, calibration if own_scores else None,
                _folder(encoded.record.root), pictures_in(queries), texts=texts is not None, notices=said,
                how=how)  # fmt: skip
    if cut is None and width <= asked.k:
        return hits
    k, accepted = asked.k, None if cut is None else _accepted(hits, cut)
    return replace(hits, ids=ids[:, :k], scores=scores[:, :k], accepted=None if accepted is None else accepted[:, :k])


def _reranked(
    rows: Rows, method: str, vectors: np.ndarray, ids: np.ndarray, by_cosine: bool
) -> tuple[np.ndarray, np.ndarray, Similarity]:
    """Scores and rows (Q, C) of queries (Q, dim) and their hits in the method's order, and how scores are read."""
    some, places = np.unique(ids, return_inverse=True)
    places = places.reshape(ids.shape) - int(some[0] < 0)  # -1 again where there is no hit
    near = rows.embeddings.vectors[some[some >= 0]]
    near = directions(near) if by_cosine else near
    scores, order, similarity = shared("rerank._candidates", "reranked")(method, vectors, near, places)
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
