"""Answers to many requests at once: one pass of the model, and one search for all requests with the same options."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from omlzoo.index.combining import Combination
from omlzoo.index.hits import Hits
from omlzoo.index.index import Index
from omlzoo.index.queries import QueryEncoder
from omlzoo.serving.row_facts import RowFacts

__all__ = ["OWN", "Request", "SearchOptions", "answers"]

OWN = ("id", "picture", "score", "probability", "accepted")  # keys that the server adds to an answer


@dataclass(frozen=True)
class SearchOptions:
    """How to search.

    Attributes:
        k: Number of hits, at least 1.
        where: Columns and the value, or values, that a hit must have in each; None does not filter.
        threshold: The smallest score of an accepted hit, or the name of a cut-point of the calibration; None for none.
        rerank: A method of re-ranking; None for none.
        combine: How the examples of a request are one query: "average", "any" or "all"; None where it has one alone.
        distinct: A column of which each value is found once; None for none.
    """

    k: int
    where: tuple[tuple[str, Any], ...] | None
    threshold: float | str | None
    rerank: str | None = None
    combine: Combination | None = None
    distinct: str | None = None


@dataclass(frozen=True)
class Request:
    """One request: a picture, a vector or a text, and how to search for it; without options the answer is its vector.

    Where the options combine, it may have several, and rows as further examples.

    Attributes:
        pixels: A picture (3, H, W) uint8, or None.
        vector: A vector (D,), or None.
        text: A text to search for, or None.
        options: How to search; None asks for the vector.
        items: Rows that are examples too.
        negatives: Rows that the hits shall be unlike.
    """

    pixels: Tensor | None = None
    vector: np.ndarray | None = None
    text: str | None = None
    options: SearchOptions | None = None
    items: tuple[int, ...] = ()
    negatives: tuple[int, ...] = ()


def answers(index: Index, encoder: QueryEncoder, rows: RowFacts, batch: Sequence[Request]) -> list[Any]:
    """The answer to each request: its vector (D,), or its hits, or the error that its search raised.

    Args:
        index: The index to search.
        encoder: The encoder of the index, which computes the vectors of pictures.
        rows: The facts of the index's rows.
        batch: The requests.
    """
    vectors = np.zeros((len(batch), index.embeddings.record.dim), dtype=np.float32)
    pictured = [number for number, request in enumerate(batch) if request.pixels is not None]
    if pictured:
        vectors[pictured] = encoder.encode_pixels([batch[number].pixels for number in pictured])
    results: list[Any] = list(vectors)
    alike: dict[tuple[str, bool], list[int]] = {}  # by how options are written: 1 and True are equal
    for number, request in enumerate(batch):
        if request.vector is not None:
            vectors[number] = request.vector
        if request.options is not None and request.options.combine is not None:
            try:
                results[number] = _combined(index, rows, request, request.options, vectors[number])
            except Exception as error:  # of this request alone, which is answered with it
                results[number] = error
        elif request.options is not None or request.text is not None:
            alike.setdefault((repr(request.options), request.text is not None), []).append(number)
    for (_, in_words), numbers in alike.items():
        options = batch[numbers[0]].options
        texts = [str(batch[number].text) for number in numbers] if in_words else None
        try:
            together = _search(index, rows, options, vectors[numbers], texts)
        except Exception as error:  # of these requests alone: others of the batch asked for something else
            together = [error] * len(numbers)
        for number, result in zip(numbers, together, strict=True):
            results[number] = result
    return results


def _search(
    index: Index, rows: RowFacts, options: SearchOptions | None, vectors: np.ndarray, texts: list[str] | None
) -> list[Any]:
    """Answers to requests with the same options."""
    if options is None:
        return list(index.encoder.encode_texts(texts or ()).vectors)
    where = None if options.where is None else dict(options.where)
    queries = vectors if texts is None else texts
    hits = index.find(queries, options.k, where=where, threshold=options.threshold, text=texts is not None,
                      rerank=options.rerank, distinct=options.distinct)  # fmt: skip
    return _described(hits, rows)


def _combined(index: Index, rows: RowFacts, request: Request, options: SearchOptions, vector: np.ndarray) -> Any:
    """The answer to a request of several examples, whose picture or vector has this vector (D,)."""
    every = index.embeddings.vectors
    examples: list[Any] = [] if request.pixels is None and request.vector is None else [vector]
    examples += [every[row] for row in request.items]
    examples += [] if request.text is None else [request.text]
    where = None if options.where is None else dict(options.where)
    hits = index.find(examples, options.k, where=where, threshold=options.threshold, text=True, rerank=options.rerank,
                      combine=options.combine, negatives=[every[row] for row in request.negatives] or None,
                      distinct=options.distinct)  # fmt: skip
    return _described(hits, rows)[0]


def _described(hits: Hits, rows: RowFacts) -> list[dict[str, Any]]:
    chances, accepted, known = hits.probabilities, hits.accepted, hits.is_known
    query, rank = np.nonzero(hits.ids >= 0)
    answers: list[dict[str, Any]] = [
        {"hits": [], "is_known": None if known is None else bool(known[number]), "notices": list(hits.notices)}
        for number in range(len(hits.ids))
    ]
    for number, position, hit in zip(query, rank, rows[hits.ids[query, rank]], strict=True):
        hit["score"] = float(hits.scores[number, position])
        if chances is not None:
            hit["probability"] = float(chances[number, position])
        if accepted is not None:
            hit["accepted"] = bool(accepted[number, position])
        answers[number]["hits"].append(hit)
    return answers
