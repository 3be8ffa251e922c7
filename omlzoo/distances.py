"""Distances and similarities between embeddings, exact in float32, also under autocast, and their summaries."""

import torch
from torch import Tensor, nn

__all__ = ["cosine", "euclidean", "summary"]

RESOLUTION = 1e-13  # squared distances below this share of the squared norms are rounding: the rows are equal


def euclidean(left: Tensor, right: Tensor) -> Tensor:
    """Euclidean distances (N, M) of rows (N, D) and (M, D).

    One matrix product in float64 (float32 where the device has no other), so the memory is N x M and the usual
    cancellation between near rows does not show in float32. Equal rows have distance 0, and the gradient there is 0.
    The result has the inputs' type; half precision gives float32.
    """
    with torch.autocast(left.device.type, enabled=False):
        kind = torch.float32 if left.dtype in (torch.float16, torch.bfloat16) else left.dtype
        exact = torch.float32 if left.device.type == "mps" else torch.float64
        left, right = left.to(exact), right.to(exact)
        norms = left.square().sum(dim=1)[:, None] + right.square().sum(dim=1)[None, :]  # (N, M)
        squares = norms - 2 * left @ right.T
        apart = squares > RESOLUTION * norms
        return torch.where(apart, squares, 1.0).sqrt().mul(apart).to(kind)


def cosine(left: Tensor, right: Tensor) -> Tensor:
    """Cosines (N, M) of rows (N, D) and (M, D); a zero row has cosine 0 with everything."""
    return nn.functional.normalize(left) @ nn.functional.normalize(right).T


def summary(values: Tensor, positive: Tensor, negative: Tensor, unit: str) -> dict[str, Tensor]:
    """Means over pairs and the hardest of them, for the statistics of a loss.

    Args:
        values: (N, M), distances or cosines.
        positive: (N, M) bool, the pairs of one label.
        negative: (N, M) bool, the pairs of two labels.
        unit: "distance" or "cosine", which says what is hard and ends the names.

    Returns:
        "positive_<unit>" and "negative_<unit>", the means, and "hardest_positive_<unit>" and
        "hardest_negative_<unit>", each (); NaN where there is no such pair.
    """
    values = values.detach()
    far = -torch.inf if unit == "distance" else torch.inf
    hardest = (torch.amax, torch.amin) if unit == "distance" else (torch.amin, torch.amax)
    found = {}
    for name, mask, empty, extreme in (
        ("positive", positive, far, hardest[0]),
        ("negative", negative, -far, hardest[1]),
    ):
        count = mask.sum()
        found[f"{name}_{unit}"] = (values * mask).sum() / count
        end = extreme(values.masked_fill(~mask, empty)) if values.numel() else values.new_tensor(torch.nan)
        found[f"hardest_{name}_{unit}"] = torch.where(count > 0, end, torch.nan)
    return found
