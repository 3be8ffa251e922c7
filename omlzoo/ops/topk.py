"""The largest few of many numbers, faster than ``torch.topk``."""

import torch
from torch import Tensor

__all__ = ["largest"]

LANES = 16  # numbers of a group, of which only the largest is compared at first


def largest(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The ``count`` largest values of each row, as ``torch.topk`` finds them; of equal values any may be returned.

    Each row is divided into groups. A value among the ``count`` largest lies in one of the ``count`` groups with the
    largest maxima, so only these groups are searched.

    Args:
        values: (Q, N) float or integer.
        count: How many values of each row to find, at most N.

    Returns:
        Values (Q, count) in no particular order, and their columns (Q, count).
    """
    width = values.shape[1]
    groups = width // LANES
    if groups < 4 * count:
        top = values.topk(count, dim=1, sorted=False)
        return top.values, top.indices
    # The members of a group are ``groups`` columns apart.
    grouped = values[:, : groups * LANES].view(len(values), LANES, groups)
    best = grouped.amax(dim=1).topk(count, dim=1, sorted=False).indices
    columns = (best[:, None, :] + torch.arange(LANES, device=values.device)[:, None] * groups).flatten(1)
    rest = torch.arange(groups * LANES, width, device=values.device).expand(len(values), -1)
    columns = torch.cat([columns, rest], dim=1)
    top = values.gather(1, columns).topk(count, dim=1, sorted=False)
    return top.values, columns.gather(1, top.indices)
