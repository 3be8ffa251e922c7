"""Where the relevant rows stand in the whole gallery, counted without sorting it."""

import numpy as np
import torch
from torch import Tensor

from omlzoo.metrics._selection import Selection

__all__ = ["average_precision"]

NUMBERS = 1 << 24  # distances of a block, 64 MB; thinner products are slow
FEW = 24  # limits that are counted one by one, which is faster up to there


def average_precision(vectors: Tensor, pairs: Selection, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Precision over the whole gallery in the order of Euclidean distance, of products in float32.

    Precision at a relevant row is the share of relevant rows among those at most as far as it, so that rows equally
    far stand at one rank (as scikit-learn's ``average_precision_score``).

    Args:
        vectors: (N, D).
        pairs: Which rows are the gallery and which do not count.
        queries: (Q,) rows, each with a relevant gallery row.

    Returns:
        (Q,) mean precision at the relevant rows, and (Q,) precision at the last of them (the inverse negative penalty,
        arXiv 2001.04193).
    """
    gallery = pairs.gallery
    order = np.argsort(pairs.labels[gallery], kind="stable")
    ordered = pairs.labels[gallery][order]
    gallery_vectors = vectors[torch.from_numpy(gallery)].float()
    norms = gallery_vectors.square().sum(dim=1)
    size = max(1, NUMBERS // len(gallery))
    values: tuple[list[Tensor], list[Tensor]] = ([], [])
    for start in range(0, len(queries), size):
        rows = queries[start : start + size]
        query_vectors = vectors[torch.from_numpy(rows)].float()
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
        far = far.sort(dim=1).values  # (R, M), of the relevant rows, infinite where there are fewer
        before = _at_most(squares, far)
        hits = torch.searchsorted(far, far, right=True)
        valid = far.isfinite()
        precision = torch.where(valid, hits / before.double(), 0.0)
        count = valid.sum(dim=1)
        values[0].append(precision.sum(dim=1) / count)
        values[1].append(precision.gather(1, (count - 1)[:, None])[:, 0])
    joined = [torch.cat(each).numpy() if each else np.empty(0) for each in values]
    return joined[0], joined[1]


def _at_most(squares: Tensor, limits: Tensor) -> Tensor:
    """How many of each row (R, G) are at most each of its limits (R, M), ascending: (R, M)."""
    if limits.shape[1] <= FEW:
        plain, ends = squares.numpy(), limits.numpy()
        return torch.from_numpy(
            np.stack([np.count_nonzero(plain <= ends[:, [column]], axis=1) for column in range(ends.shape[1])], axis=1)
        )
    width = limits.shape[1] + 1
    steps = torch.searchsorted(limits, squares)  # how many limits are below each
    steps += torch.arange(len(squares))[:, None] * width
    counts = torch.bincount(steps.flatten(), minlength=len(squares) * width)
    return counts.view(-1, width)[:, :-1].cumsum(dim=1)
