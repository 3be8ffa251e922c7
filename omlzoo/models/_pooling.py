"""Pooling of feature maps to vectors."""

from typing import Literal

import torch
from torch import Tensor, nn

__all__ = ["Pooling", "generalized_mean", "pooled"]

Pooling = Literal["mean", "gem", "max"]


def pooled(map_: Tensor, pooling: Pooling, power: float = 3.0) -> Tensor:
    """Pool feature maps to vectors.

    Args:
        map_: Feature maps (B, C, h, w).
        pooling: "mean", "max", or "gem", the generalised mean (arXiv 1711.02512).
        power: Exponent of the generalised mean, above 0.

    Returns:
        Vectors (B, C).
    """
    if pooling == "gem":
        return generalized_mean(map_, power)
    return map_.amax(dim=(2, 3)) if pooling == "max" else map_.mean(dim=(2, 3))


def generalized_mean(map_: Tensor, power: float) -> Tensor:
    """Pool feature maps by their generalised mean, which is computed in float32 even under autocast.

    Args:
        map_: Feature maps (B, C, h, w). Values below 1e-6 are taken as 1e-6.
        power: Exponent p of the mean, above 0.

    Returns:
        Vectors (B, C) in the data type of ``map_``.
    """
    with torch.autocast(map_.device.type, enabled=False):
        powers = map_.float().clamp(min=1e-6).pow(power)
        return nn.functional.adaptive_avg_pool2d(powers, 1).flatten(1).pow(1 / power).to(map_.dtype)
