"""Hierarchical precision: hits of a near label count in part, such as those of another shoe for a shoe."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from omlzoo.errors import BadInput
from omlzoo.metrics._levels import level_codes, precisions
from omlzoo.metrics._selection import NOBODY, Flags, Ids, count_relevant, select
from omlzoo.ops.codes import label_codes
from omlzoo.ops.nearest import nearest
from omlzoo.ops.rows import Rows, as_rows

__all__ = ["hierarchical_precision"]


def hierarchical_precision(
    embeddings: Rows,
    labels: Ids,
    parents: Mapping[Any, Any],
    *,
    is_query: Flags = None,
    is_gallery: Flags = None,
    sequences: Ids = None,
    k: Sequence[int] = (1, 5, 10),
) -> dict[str, float]:
    """The mean over queries of "hp@k" (arXiv 1809.09852), by Euclidean distance.

    A hit counts 1 - h / H: h is the height of the lowest name above the two labels, 0 for one label, and H that of the
    root, or of one above all roots where there are several. With categories above labels and nothing else, a hit of the
    label counts 1, of another label of its category 1/2. The sum over the first k, as a share of the best order's.

    Args:
        embeddings: (N, D).
        labels: (N,) ids.
        parents: The name above each label, and above each of those that has one.
        is_query: (N,) bool; all rows by default.
        is_gallery: (N,) bool; all rows by default.
        sequences: (N,) ids of bursts; gallery rows of the query's are left out.
        k: Ranks.

    Returns:
        "hp@k" of the queries that share a name with a gallery row; NaN where there are none.

    Raises:
        BadInput: The names go round in a circle, a rank is below 1, or as in :func:`omlzoo.metrics.retrieval`.
    """
    if any(rank < 1 for rank in k):
        raise BadInput(f"k is {tuple(k)}; ranks start at 1")
    vectors = as_rows(embeddings, "embeddings").float()
    selection = select(len(vectors), labels, is_query, is_gallery, sequences)
    names = label_codes(labels if labels is not None else (), "labels")[1]
    codes = level_codes([names[code] for code in selection.labels], parents)
    place = np.full(len(vectors), NOBODY)
    place[selection.gallery] = np.arange(len(selection.gallery))
    related = count_relevant(replace(selection, labels=codes[-1]), place) > 0
    queries = selection.queries[related]
    if not len(queries):
        return {f"hp@{rank}": float("nan") for rank in k}

    def at(rows: np.ndarray) -> Tensor:
        return torch.from_numpy(rows).to(vectors.device)

    bursts = selection.sequences
    groups = None if bursts is None else (at(bursts[queries]), at(bursts[selection.gallery]))
    sides = vectors[at(queries)], vectors[at(selection.gallery)]
    ids = nearest(*sides, max(k), similarity="euclidean", own=at(place[queries]), groups=groups)[1].cpu().numpy()
    first = np.where(ids == NOBODY, NOBODY, selection.gallery[ids])
    return {name: float(each.mean()) for name, each in precisions(first, queries, codes, selection, k).items()}
