"""Levels of a hierarchy of labels, and how near hits are in it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from omlzoo.errors import BadInput
from omlzoo.metrics._selection import NOBODY, Selection, count_relevant

__all__ = ["heights_of", "level_codes", "precisions"]

SHOWN = 6  # names of a circle that a message lists


def heights_of(parents: Mapping[Any, Any]) -> dict[Any, int]:
    """The height of every name: the longest way down to a name without children, which has height 0.

    Args:
        parents: The one parent of each name that has one.

    Raises:
        BadInput: The names go round in a circle.
    """
    heights: dict[Any, int] = {}
    waiting: dict[Any, int] = dict.fromkeys(parents, 0) | dict.fromkeys(parents.values(), 0)
    for parent in parents.values():
        waiting[parent] += 1
    ready = [name for name, children in waiting.items() if not children]
    for name in ready:
        heights.setdefault(name, 0)
        if name in parents:
            parent = parents[name]
            heights[parent] = max(heights.get(parent, 0), heights[name] + 1)
            waiting[parent] -= 1
            if not waiting[parent]:
                ready.append(parent)
    if len(ready) < len(waiting):
        raise BadInput(f"names go round in a circle: {_circle(parents, waiting)}; a hierarchy ends at the top")
    return heights


def _circle(parents: Mapping[Any, Any], waiting: Mapping[Any, int]) -> str:
    name = next(name for name, children in waiting.items() if children)
    seen: list[Any] = []
    while name not in seen:
        seen.append(name)
        name = parents[name]
    circle = [*seen[seen.index(name) :], name]
    shown = [str(each) for each in circle]
    return " > ".join(shown if len(shown) <= SHOWN else [*shown[: SHOWN - 1], "...", shown[-1]])


def level_codes(labels: Sequence[Any], parents: Mapping[Any, Any]) -> np.ndarray:
    """Codes (H, N) of the rows at each height h: equal where the lowest name above two labels is of height h or less.

    Height 0 is the label itself. H is the height of the root, or of one above all roots where there are several.

    Args:
        labels: (N,) names, each with or without a parent.
        parents: The one parent of each name that has one.

    Raises:
        BadInput: The names go round in a circle.
    """
    heights = heights_of(parents)
    roots = {name for name in [*heights, *labels] if name not in parents}
    top = max(heights.get(root, 0) for root in roots) + (len(roots) > 1)
    found: dict[Any, list[Any]] = {}
    for label in dict.fromkeys(labels):
        at, here = [], label
        for height in range(max(top, 1)):
            while here in parents and heights[parents[here]] <= height:
                here = parents[here]
            at.append(here)
        found[label] = at
    codes: dict[Any, int] = {}
    return np.array([[codes.setdefault(name, len(codes)) for name in found[label]] for label in labels], np.int64).T


def precisions(
    first: np.ndarray, queries: np.ndarray, codes: np.ndarray, selection: Selection, ranks: Sequence[int]
) -> dict[str, np.ndarray]:
    """Hierarchical precision (Q,) float64 among the first k hits of each query, "hp@k".

    A hit counts 1 - h / H, h being the height of the lowest name above both labels: 1 for the label itself, 0 where
    only the root is above both. The sum over the first k, as a share of the best order's (arXiv 1809.09852).

    Args:
        first: (Q, K) the nearest gallery rows, -1 for none; K is at least the largest k, or all rows.
        queries: (Q,) row numbers.
        codes: (H, N) of all rows, as :func:`level_codes` gives them.
        selection: The gallery and the sequences of the rows.
        ranks: Ranks k.
    """
    place = np.full(codes.shape[1], NOBODY)
    place[selection.gallery] = np.arange(len(selection.gallery))
    shared, there = np.zeros(first.shape), []
    for level in codes:
        shared += (level[first] == level[queries][:, None]) & (first != NOBODY)
        there.append(count_relevant(replace(selection, labels=level, queries=queries), place))
    return {
        f"hp@{k}": shared[:, :k].sum(axis=1) / np.maximum(1, sum(np.minimum(k, count) for count in there))
        for k in ranks
    }
