"""Ranks of the relevant rows in the whole gallery, counted without sorting it."""

import numpy as np
import torch
from torch import Tensor

from omlzoo.metrics._selection import Selection
from omlzoo.ops.rows import conditioned

__all__ = ["average_precision"]

NUMBERS = 1 << 24  # distances of a block, 64 MB; products with fewer rows are slow
FEW = 24  # largest number of limits for which counting them one by one is faster


def average_precision(vectors: Tensor, pairs: Selection, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Average precision over the whole gallery in the order of Euclidean distance, computed by products in float32.

    The precision at a relevant row is the share of relevant rows among the rows that are at most as far away, so that
    rows at equal distances have the same rank, as in scikit-learn's ``average_precision_score``.

    Args:
        vectors: (N, D), the embeddings of all rows.
        pairs: Which rows are in the gallery, their labels, and which pairs do not count.
        queries: (Q,), row numbers of the queries; each must have a relevant row in the gallery.

    Returns:
        The mean of the precisions at the relevant rows (Q,), and the precision at the last of them (Q,), which is the
        inverse negative penalty (arXiv 2001.04193).
    """
    gallery = pairs.gallery
    order = np.argsort(pairs.labels[gallery], kind="stable")
    ordered = pairs.labels[gallery][order]
    vectors = conditioned(vectors.float())[0]
    gallery_vectors = vectors[torch.from_numpy(gallery)]
    norms = gallery_vectors.square().sum(dim=1)
    size = max(1, NUMBERS // len(gallery))
    values: tuple[list[Tensor], list[Tensor]] = ([], [])
    sizes = np.bincount(ordered, minlength=int(pairs.labels.max(initial=0)) + 1)[pairs.labels[queries]]
    by_size = np.argsort(sizes, kind="stable")  # a block takes the time and memory of its largest label
    for start in range(0, len(queries), size):
        rows = queries[by_size[start : start + size]]
        query_vectors = vectors[torch.from_numpy(rows)]
        # The query's own norm is left out, as it does not change the order.
        squares = torch.addmm(norms, query_vectors, gallery_vectors.T, alpha=-2)
        first = np.searchsorted(ordered, pairs.labels[rows])
        last = np.searchsorted(ordered, pairs.labels[rows], side="right")
        positions = first[:, None] + np.arange((last - first).max())[None, :]
        there = positions < last[:, None]
        positions = order[np.where(there, positions, 0)]
        there &= gallery[positions] != rows[:, None]
        ignored = torch.from_numpy(rows[:, None] == gallery[None, :])
        if pairs.sequences is not None:
            mine, all_ = pairs.sequences[rows], pairs.sequences[gallery]
            same = (mine[:, None] == all_[None, :]) & (mine[:, None] >= 0)
            ignored |= torch.from_numpy(same)
            there &= ~np.take_along_axis(same, positions, axis=1)
        squares.masked_fill_(ignored, torch.inf)
        far = squares.gather(1, torch.from_numpy(positions)).masked_fill_(~torch.from_numpy(there), torch.inf)
        far = far.sort(dim=1).values  # (R, M), distances of the relevant rows, infinite where there are fewer
        before = _at_most(squares, far)
        hits = torch.searchsorted(far, far, right=True)
        valid = far.isfinite()
        precision = torch.where(valid, hits / before.double(), 0.0)
        count = valid.sum(dim=1)
        values[0].append(precision.sum(dim=1) / count)
        values[1].append(precision.gather(1, (count - 1)[:, None])[:, 0])
    joined = np.empty((2, len(queries)))
    for kind, parts in zip(joined, values, strict=True):
        kind[by_size] = torch.cat([torch.empty(0, dtype=torch.float64), *parts]).numpy()
    return joined[0], joined[1]


def _at_most(squares: Tensor, limits: Tensor) -> Tensor:
    """How many values of each row (R, G) are at most each of its limits (R, M), which ascend; as (R, M)."""
    if limits.shape[1] <= FEW:
        plain, ends = squares.numpy(), limits.numpy()
        return torch.from_numpy(
            np.stack([np.count_nonzero(plain <= ends[:, [column]], axis=1) for column in range(ends.shape[1])], axis=1)
        )
    width = limits.shape[1] + 1
    steps = torch.searchsorted(limits, squares)  # how many limits are below each value
    steps += torch.arange(len(squares))[:, None] * width
    counts = torch.bincount(steps.flatten(), minlength=len(squares) * width)
    return counts.view(-1, width)[:, :-1].cumsum(dim=1)
