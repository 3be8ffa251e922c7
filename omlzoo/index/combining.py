"""Several examples as one query: pictures, vectors and texts that are looked for together, and some that are not.

Let p be the vectors of the examples, with L2 norm 1 where the index compares by cosine, and n the mean of those of the
negatives. With negatives each p is first moved away from them, to p + (p - n) / 4, which is Rocchio's formula with its
usual weights 0.75 and 0.15. Then

    average   asks for the mean of all p
    any       gives a row the best of its scores for each p
    all       gives a row the least of them
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd

from omlzoo.embedding.embeddings import ERROR, Embeddings
from omlzoo.errors import BadInput
from omlzoo.index.queries import Queries, QueryEncoder, is_text
from omlzoo.index.query_vectors import are_vectors
from omlzoo.index.rows import Rows
from omlzoo.ops.directions import directions

__all__ = ["COMBINATIONS", "Combination", "Examples", "nearest_to_all", "nearest_to_any", "read_examples"]

Combination: TypeAlias = Literal["average", "any", "all"]
COMBINATIONS: tuple[Combination, ...] = ("average", "any", "all")
AWAY = 0.25  # share of the way from the negatives that an example is moved on
FIRST = 100  # rows of each example that are looked at first for "all"
LOOKED_AT = 1000  # of an approximate backend


@dataclass(frozen=True)
class Examples:
    """The examples of one query.

    Attributes:
        vectors: (P, dim), moved away from the negatives; one where they are averaged.
        table: One row, whose path names the examples.
        by_cosine: Whether rows are compared by cosine, whatever the index compares by: where some are texts.
        texts: Whether all are texts.
        given: Those that are no texts, positive and negative, for their own rows.
        how: A sentence for the hits.
    """

    vectors: np.ndarray
    table: pd.DataFrame
    by_cosine: bool
    texts: bool
    given: list[Embeddings]
    how: str

    def own(self, rows: Rows) -> np.ndarray:
        """(N,) bool: the rows of the examples' own files and boxes."""
        found = np.zeros(len(rows.embeddings), dtype=bool)
        for each in self.given:
            numbers = rows.own(each)
            found[numbers[numbers >= 0]] = True
        return found


def read_examples(
    encoder: QueryEncoder, queries: Queries, text: bool | None, combine: Combination, negatives: "Queries | None"
) -> Examples:
    """The vectors of examples.

    Args:
        encoder: What makes vectors of them.
        queries: Pictures, paths, vectors and texts, in one list, or whatever ``Index.search`` takes.
        text: Whether strings are texts; by default those that name no file, end like no picture and have no slash.
        combine: How they are one query.
        negatives: What the hits shall be unlike, of the same kinds; None for nothing.

    Raises:
        BadInput: An example cannot be read, there is none, or scores of texts and pictures would be compared.
    """
    if combine not in COMBINATIONS:
        raise BadInput(f"combine is {combine!r}; it must be one of {', '.join(COMBINATIONS)}")
    positive, against = (
        _encoded(encoder, queries, text),
        _encoded(encoder, [] if negatives is None else negatives, text),
    )
    count, worded = (sum(map(len, parts)) for parts in (positive.all, positive.texts))
    if not count:
        raise BadInput("there is no example to search for; negatives alone say nothing of what is wanted")
    if combine != "average" and worded not in (0, count):
        raise BadInput(
            f"{worded} of {count} examples are texts, whose scores are lower than those of pictures, so {combine!r} "
            "cannot compare them; take combine='average'"
        )
    by_cosine = bool(positive.texts or against.texts)
    units = encoder.record.normalized or by_cosine
    vectors, names = _stacked(positive.all, units), positive.names
    if against.all:
        vectors = vectors + AWAY * (vectors - _stacked(against.all, units).mean(axis=0))
        names += f"; unlike {against.names}"
    if combine == "average":
        vectors = vectors.mean(axis=0, keepdims=True)
    if units:
        if not np.linalg.norm(vectors, axis=1).min() > 1e-6:
            raise BadInput("the examples and negatives cancel each other, so nothing is asked for; take others")
        vectors = directions(vectors)
    table = pd.DataFrame({"path": pd.Series([f"{combine} of {names}"], dtype="str"),
                          ERROR: pd.Series([""], dtype="str")})  # fmt: skip
    how = f"those of {count} examples as one query ({combine})"
    how += f", moved away from {sum(map(len, against.all))} negatives" if against.all else ""
    pictures = [*positive.pictures, *against.pictures]
    return Examples(np.asarray(vectors, dtype=np.float32), table, by_cosine, worded == count, pictures, how)


@dataclass(frozen=True)
class _Encoded:
    """Examples by their kinds; each list has no or one part of a kind."""

    pictures: list[Embeddings]
    texts: list[Embeddings]

    @property
    def all(self) -> list[Embeddings]:
        return [*self.pictures, *self.texts]

    @property
    def names(self) -> str:
        files = [Path(str(path)).name for each in self.pictures for path in each.table["path"]]
        return ", ".join([*files, *(str(text) for each in self.texts for text in each.table["path"])])


def _encoded(encoder: QueryEncoder, queries: Queries, text: bool | None) -> _Encoded:
    listed = [queries] if isinstance(queries, str) else queries
    if not isinstance(listed, list | tuple):
        return _Encoded([_read(encoder.encode_images(queries))], [])
    worded: list[str] = []
    others: list[Any] = []
    vectors: list[Any] = []
    for one in listed:
        if isinstance(one, str) and (text or (text is None and is_text(one))):
            worded.append(one)
        else:
            (vectors if not isinstance(one, str) and are_vectors([one]) else others).append(one)
    found = [_read(encoder.encode_images(kind)) for kind in (others, vectors) if kind]
    return _Encoded(found, [encoder.encode_texts(worded)] if worded else [])


def _read(encoded: Embeddings) -> Embeddings:
    errors = encoded.table[ERROR].to_numpy()
    broken = np.flatnonzero(errors != "")
    if len(broken):
        name, error = str(encoded.table["path"].iloc[broken[0]]), str(errors[broken[0]])
        said = error if error.startswith(name) else f"{name}: {error}"
        raise BadInput(f"{said}; an example that cannot be read would change what is asked for")
    return encoded


def _stacked(parts: Sequence[Embeddings], units: bool) -> np.ndarray:
    vectors = np.concatenate([each.vectors for each in parts]).astype(np.float64)
    return directions(vectors) if units else vectors


def nearest_to_any(
    rows: Rows, vectors: np.ndarray, k: int, allowed: np.ndarray | None, by_cosine: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Scores and numbers (1, k) of the rows with the best score for any of the vectors (P, dim).

    A row among the k best is among the k best of one vector, so a search for each finds them all.

    Args:
        rows: The rows.
        vectors: (P, dim).
        k: How many rows.
        allowed: (N,) bool, the rows that may be found; None for all.
        by_cosine: Compare by cosine, whatever the similarity is.
    """
    scores, ids = rows.find(vectors, k, None, allowed, by_cosine)
    some = np.unique(ids[ids >= 0])
    best = np.full(len(some), -np.inf, dtype=np.float32)
    np.maximum.at(best, np.searchsorted(some, ids[ids >= 0]), scores[ids >= 0])
    return _first(some, best, k)


def nearest_to_all(
    rows: Rows, vectors: np.ndarray, k: int, allowed: np.ndarray | None, by_cosine: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Scores and numbers (1, k) of the rows whose least score for the vectors (P, dim) is best.

    The first rows of each vector are scored for all. A row in none of these lists has at most the last score of each,
    so the lists grow until the k-th is above the least of those. Of an approximate backend 1,000 of each are looked at.

    Args:
        rows: The rows.
        vectors: (P, dim).
        k: How many rows.
        allowed: (N,) bool, the rows that may be found; None for all.
        by_cosine: Compare by cosine, whatever the similarity is.
    """
    most = len(rows.numbers)
    width = min(most, max(k, LOOKED_AT if rows.searcher.approximate else FIRST))
    while True:
        scores, ids = rows.find(vectors, width, None, allowed, by_cosine)
        some = np.unique(ids[ids >= 0])
        least = _scores_of(rows, vectors, some, by_cosine).min(axis=0)
        found = _first(some, least, k)
        beyond = scores[:, -1].min()
        enough = (found[1] >= 0).all() and found[0][0, -1] > beyond
        if enough or width == most or rows.searcher.approximate or np.isneginf(beyond):
            return found
        width = min(most, 4 * width)


def _scores_of(rows: Rows, vectors: np.ndarray, some: np.ndarray, by_cosine: bool) -> np.ndarray:
    """The scores (P, S) of rows (S,), ascending, for vectors (P, dim)."""
    allowed = np.zeros(len(rows.embeddings), dtype=bool)
    allowed[some] = True
    scores, ids = rows.find(vectors, max(1, len(some)), None, allowed, by_cosine)
    found = np.full((len(vectors), len(some)), -np.inf, dtype=np.float32)
    query, place = np.nonzero(ids >= 0)
    found[query, np.searchsorted(some, ids[query, place])] = scores[query, place]
    return found


def _first(some: np.ndarray, scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The best k of rows (S,), ascending, as (1, k); -inf and -1 where there are fewer."""
    order = np.argsort(-scores, kind="stable")[:k]
    left = (0, k - len(order))
    return (
        np.pad(scores[order], left, constant_values=-np.inf)[None],
        np.pad(some[order].astype(np.int64), left, constant_values=-1)[None],
    )
