"""Ranks of items with a gradient: a sum of sigmoids in place of a count of the items that come before."""

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from omlzoo.errors import BadInput

__all__ = ["smooth_ranks", "whole_ranks"]

# The largest number of (pair, item) that is kept at once; beyond it values are recomputed for the gradient.
CELLS = 4_000_000


def whole_ranks(k: int | tuple[int, ...]) -> tuple[int, ...]:
    """The ranks that a loss counts up to, from one or several.

    Raises:
        BadInput: One is no whole number of 1 or more, or there is none.
    """
    ranks = tuple(k) if isinstance(k, tuple | list) else (k,)
    if not ranks or any(not isinstance(each, int) or isinstance(each, bool) or each < 1 for each in ranks):
        raise BadInput(f"k is {k}; it must be a whole number of 1 or more, or several of them")
    return ranks


def smooth_ranks(
    similarity: Tensor, rows: Tensor, columns: Tensor, temperature: float, counted: Tensor | None = None
) -> Tensor:
    """For each pair (a, x) the sum over all items i of sigmoid((s(a, i) - s(a, x)) / t).

    The item x itself adds 0.5, which is the caller's to take away. Above 4 million sigmoids the memory is that of a
    part of the pairs.

    Args:
        similarity: (B, M), larger is nearer.
        rows: (P,), the anchors of the pairs, from 0 to B - 1.
        columns: (P,), their items, from 0 to M - 1.
        temperature: t, above 0, in the unit of the similarity.
        counted: (B, M) bool, the items that are counted for each anchor; None counts all.

    Returns:
        (P,), or (P, 2) where ``counted`` is given: among all items, and among those that are counted.
    """

    def ranks(similarity: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        to_all = similarity.index_select(0, rows)  # (P, M)
        to_item = similarity.flatten().index_select(0, rows * similarity.shape[1] + columns)[:, None]
        before = torch.sigmoid((to_all - to_item) / temperature)
        if counted is None:
            return before.sum(dim=1)
        among = before.masked_fill(~counted.index_select(0, rows), 0).sum(dim=1)
        return torch.stack([before.sum(dim=1), among], dim=1)

    step = max(1, CELLS // max(1, similarity.shape[1]))
    parts = [slice(start, start + step) for start in range(0, len(rows), step)]
    if len(parts) == 1:
        return ranks(similarity, rows, columns)
    values = [checkpoint(ranks, similarity, rows[part], columns[part], use_reentrant=False) for part in parts]
    return torch.cat(values) if values else similarity.new_zeros(0 if counted is None else (0, 2))
