"""Many requests answered together: one pass of the model, one search for those that ask alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from omlzoo.embedding.pipeline import Pipeline
from omlzoo.index.hits import Hits
from omlzoo.index.index import Index
from omlzoo.serving.row_facts import RowFacts

__all__ = ["OWN", "Request", "SearchOptions", "answers"]

OWN = ("id", "picture", "score", "probability", "accepted")  # keys of ours in an answer


@dataclass(frozen=True)
class SearchOptions:
    """How to search.

    Attributes:
        k: Hits.
        where: Columns and values, as text that can be compared.
        threshold: A least score, or a name of the calibration.
    """

    k: int
    where: tuple[tuple[str, Any], ...] | None
    threshold: float | str | None


@dataclass(frozen=True)
class Request:
    """One request: a picture, a vector or a text, and what is wanted of it; None: its vector.

    Attributes:
        pixels: (3, H, W) uint8, or None.
        vector: (dim,), or None.
        text: Words, or None.
        wish: How to search, or None.
    """

    pixels: Tensor | None = None
    vector: np.ndarray | None = None
    text: str | None = None
    wish: SearchOptions | None = None


def answers(index: Index, rows: RowFacts, run: Pipeline, batch: Sequence[Request]) -> list[Any]:
    """Of each request its vector (dim,), or what was found, or the error of its search."""
    record = index.embeddings.record
    vectors = np.zeros((len(batch), record.dim), dtype=np.float32)
    seen = [place for place, asked in enumerate(batch) if asked.pixels is not None]
    if seen:
        whole = run.vectors([batch[place].pixels for place in seen])[:, : record.dim]
        if record.full_dim is not None and record.normalized:
            whole = whole / np.maximum(np.linalg.norm(whole, axis=1, keepdims=True), 1e-12)
        vectors[seen] = whole
    found: list[Any] = list(vectors)
    alike: dict[tuple[SearchOptions | None, bool], list[int]] = {}
    for place, asked in enumerate(batch):
        if asked.vector is not None:
            vectors[place] = asked.vector
        if asked.wish is not None or asked.text is not None:
            alike.setdefault((asked.wish, asked.text is not None), []).append(place)
    for (wish, worded), places in alike.items():
        texts = [str(batch[place].text) for place in places] if worded else None
        try:
            told = _told(index, rows, wish, vectors[places], texts)
        except Exception as error:  # of these requests alone: others of the batch asked for something else
            told = [error] * len(places)
        for place, answer in zip(places, told, strict=True):
            found[place] = answer
    return found


def _told(
    index: Index, rows: RowFacts, wish: SearchOptions | None, vectors: np.ndarray, texts: list[str] | None
) -> list[Any]:
    """Answers to requests that ask alike."""
    if wish is None:
        return list(index.encoder.encode_texts(texts or ()).vectors)
    where = None if wish.where is None else dict(wish.where)
    queries = vectors if texts is None else texts
    hits = index.search(queries, wish.k, where=where, threshold=wish.threshold, text=texts is not None)
    return _found(hits, rows)


def _found(hits: Hits, rows: RowFacts) -> list[dict[str, Any]]:
    chances, accepted, known = hits.probabilities, hits.accepted, hits.is_known
    query, rank = np.nonzero(hits.ids >= 0)
    answers: list[dict[str, Any]] = [
        {"hits": [], "is_known": None if known is None else bool(known[place])} for place in range(len(hits.ids))
    ]
    for asked, place, hit in zip(query, rank, rows[hits.ids[query, rank]], strict=True):
        hit["score"] = float(hits.scores[asked, place])
        if chances is not None:
            hit["probability"] = float(chances[asked, place])
        if accepted is not None:
            hit["accepted"] = bool(accepted[asked, place])
        answers[asked]["hits"].append(hit)
    return answers
