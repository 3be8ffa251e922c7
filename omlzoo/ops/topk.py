"""The largest few of many numbers, faster than looking for them one by one."""

import torch
from torch import Tensor

__all__ = ["largest"]

LANES = 16  # numbers of which only the largest is compared first


def largest(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The ``count`` largest of each row, as ``torch.topk`` finds them; of equal ones any.

    A number among the largest is the maximum of its group, or stands in a group whose maximum is larger still: so it
    is in one of the ``count`` groups with the largest maxima, and only these are looked at closely.

    Args:
        values: (Q, N) float or integer.
        count: At most N.

    Returns:
        Values (Q, count) in no order, and their columns.
    """
    width = values.shape[1]
    groups = width // LANES
    if groups < 4 * count:
        found = values.topk(count, dim=1, sorted=False)
        return found.values, found.indices
    grouped = values[:, : groups * LANES].view(len(values), LANES, groups)  # a group lies across, not side by side
    best = grouped.amax(dim=1).topk(count, dim=1, sorted=False).indices
    places = (best[:, None, :] + torch.arange(LANES, device=values.device)[:, None] * groups).flatten(1)
    rest = torch.arange(groups * LANES, width, device=values.device).expand(len(values), -1)
    places = torch.cat([places, rest], dim=1)
    found = values.gather(1, places).topk(count, dim=1, sorted=False)
    return found.values, places.gather(1, found.indices)
