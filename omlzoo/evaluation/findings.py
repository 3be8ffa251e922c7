"""Findings in a table or its embeddings: likely wrong labels, copies, collapse, and queries that cannot succeed."""

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from omlzoo.errors import counted
from omlzoo.ops.codes import label_texts

if TYPE_CHECKING:
    from omlzoo.metrics.ranking import RetrievalPerQuery

__all__ = ["SHOWN", "Finding", "find_issues"]

LOOKED_AT, AGREEING = 5, 4  # first hits of a query, and how many of one other label make its own label doubtful
ALIKE = 1e-3  # share of the middle distance below which two pictures are one
ONE_DIRECTION = 0.9  # share of the variance
FLAT = 1e-4  # variance as a share of the mean squared L2 norm
SHOWN = 20  # rows of a finding


@dataclass(frozen=True)
class Finding:
    """One thing to look at.

    Attributes:
        kind: "certain", "copied", "easy", "impossible", "mislabelled", "copies", "collapsed" or "confused".
        text: The finding in one line.
        count: How many rows, or pairs of labels, it is about.
        rows: The first 20 of them, as plain values.
    """

    kind: str
    text: str
    count: int
    rows: tuple[dict[str, Any], ...] = ()


def find_issues(vectors: np.ndarray, frame: pd.DataFrame, ranking: "RetrievalPerQuery") -> list[Finding]:
    """The findings of a table whose embeddings were ranked.

    Args:
        vectors: (N, D) embeddings.
        frame: N rows with the columns "label" and "path".
        ranking: The first hits of the queries among these rows.
    """
    labels = label_texts(frame["label"], "labels")
    paths = frame["path"].astype(str).to_numpy()
    found = [_impossible(labels, paths, ranking), _mislabelled(labels, paths, ranking)]
    found += [_copies(labels, paths, ranking), _copied(labels, paths, ranking)]
    return [*itertools.chain(*found), *_collapsed(vectors), *_confused(labels, ranking)]


def _impossible(labels: np.ndarray, paths: np.ndarray, ranking: "RetrievalPerQuery") -> list[Finding]:
    rows = ranking.without_relevant
    if not len(rows):
        return []
    names, their = counted(len(set(labels[rows])), "label"), "its" if len(rows) == 1 else "their"
    sentence = (
        f"{counted(len(rows), 'query', 'queries')} of {names} cannot succeed: nothing in the gallery is of {their} "
    )
    shown = tuple({"path": paths[row], "label": labels[row]} for row in rows[:SHOWN])
    return [Finding("impossible", f"{sentence}label; the first: {paths[rows[0]]}", len(rows), shown)]


def _mislabelled(labels: np.ndarray, paths: np.ndarray, ranking: "RetrievalPerQuery") -> list[Finding]:
    if ranking.first.shape[1] < LOOKED_AT:
        return []
    codes = pd.factorize(labels)[0]
    hits = ranking.first[:, :LOOKED_AT]
    seen = np.where(hits >= 0, codes[hits], -1 - np.arange(LOOKED_AT))  # a missing hit is of no other's label
    ordered = np.sort(seen, axis=1)
    most = np.full(len(seen), -1)
    for start in range(LOOKED_AT - AGREEING + 1):  # so many in a row agree
        most = np.where(ordered[:, start] == ordered[:, start + AGREEING - 1], ordered[:, start], most)
    found = np.flatnonzero((most >= 0) & (seen != codes[ranking.queries][:, None]).all(axis=1))
    if not len(found):
        return []
    shown = [
        {"path": paths[row], "label": labels[row], "looks_like": labels[hits[place][seen[place] == most[place]][0]]}
        for place, row in zip(found[:SHOWN], ranking.queries[found[:SHOWN]], strict=True)
    ]
    first = shown[0]
    look, their = ("looks", "its") if len(found) == 1 else ("look", "their")
    sentence = (
        f"{counted(len(found), 'picture')} {look} like another label: {AGREEING} of {their} {LOOKED_AT} nearest are of "
        f"it, none of {their} own"
    )
    text = f"{sentence}; the first: {first['path']}, {first['label']}, looks like {first['looks_like']}"
    return [Finding("mislabelled", text, len(found), tuple(shown))]


def _copies(labels: np.ndarray, paths: np.ndarray, ranking: "RetrievalPerQuery") -> list[Finding]:
    pairs = _same_embedding(ranking)
    pairs = pairs[labels[pairs[:, 0]] != labels[pairs[:, 1]]]
    if not len(pairs):
        return []
    shown = tuple(
        {"path": paths[a], "label": labels[a], "same_as": paths[b], "its_label": labels[b]} for a, b in pairs[:SHOWN]
    )
    have = "picture has" if len(pairs) == 1 else "pictures have"
    text = f"{len(pairs):,} {have} the same embedding as one of another label; the first: {shown[0]['path']} and "
    return [Finding("copies", text + str(shown[0]["same_as"]), len(pairs), shown)]


def _copied(labels: np.ndarray, paths: np.ndarray, ranking: "RetrievalPerQuery") -> list[Finding]:
    pairs = _same_embedding(ranking)
    pairs = pairs[labels[pairs[:, 0]] == labels[pairs[:, 1]]]
    if not len(pairs):
        return []
    shown = tuple({"path": paths[a], "same_as": paths[b]} for a, b in pairs[:SHOWN])
    count = f"{len(pairs)} of {len(ranking.queries)} queries"
    text = f"{count} have a copy of their own picture in the gallery, which any model finds; the first: "
    return [Finding("copied", f"{text}{shown[0]['path']} and {shown[0]['same_as']}", len(pairs), shown)]


def _same_embedding(ranking: "RetrievalPerQuery") -> np.ndarray:
    """The queries whose first hit is no further away than a copy would be, each with that hit: (P, 2)."""
    if not len(ranking.queries):
        return np.empty((0, 2), dtype=np.int64)
    nearest, distance = ranking.first[:, 0], -ranking.scores[:, 0]
    middle = float(np.median(-ranking.scores[np.isfinite(ranking.scores)]))
    near = np.flatnonzero((distance <= ALIKE * middle) & (nearest >= 0))
    return np.stack([ranking.queries[near], nearest[near]], axis=1)


def _collapsed(vectors: np.ndarray) -> list[Finding]:
    if len(vectors) < 3:
        return []
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    total = float(np.square(centred).sum())
    share = total / max(1e-300, float(np.square(vectors, dtype=np.float64).sum()))
    if share < FLAT:
        text = f"the embeddings are collapsed: they vary by {share:.1e} of their squared length around one point"
        return [Finding("collapsed", text, len(vectors))]
    first = float(np.linalg.eigvalsh(centred.T @ centred)[-1]) / total
    if first > ONE_DIRECTION and vectors.shape[1] > 2:
        text = f"the embeddings are collapsed: {first:.1%} of their variance lies in one direction"
        return [Finding("collapsed", text, len(vectors))]
    return []


def _confused(labels: np.ndarray, ranking: "RetrievalPerQuery") -> list[Finding]:
    if not len(ranking.queries):
        return []
    codes, names = pd.factorize(labels)
    hits = ranking.first[:, 0]
    asked, taken = codes[ranking.queries], codes[hits]
    wrong = (asked != taken) & (hits >= 0)
    if not wrong.any():
        return []
    pairs = asked[wrong].astype(np.int64) * len(names) + taken[wrong]
    kinds, firsts, counts = np.unique(pairs, return_index=True, return_counts=True)
    order = np.lexsort((firsts, -counts))[:SHOWN]  # of equal counts the one that is met first
    shown = tuple(
        {"label": str(names[kind // len(names)]), "taken_for": str(names[kind % len(names)]), "queries": int(count)}
        for kind, count in zip(kinds[order], counts[order], strict=True)
    )
    first = shown[0]
    text = f"most often confused: {first['label']}, taken for {first['taken_for']} by {first['queries']} queries"
    return [Finding("confused", text, len(kinds), shown)]
