"""Distances and similarities between embeddings, exact in float32, also under autocast, and their summaries."""

from typing import Any

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
        found: Tensor = _Euclidean.apply(left, None if right is left else right)
        return found


class _Euclidean(torch.autograd.Function):
    """The distances and their gradient, without the (N, M) intermediates that autograd would keep."""

    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor | None) -> Tensor:
        kind = torch.float32 if left.dtype in (torch.float16, torch.bfloat16) else left.dtype
        exact = torch.float32 if left.device.type == "mps" else torch.float64
        rows = left.to(exact)
        others = rows if right is None else right.to(exact)
        norms = rows.square().sum(dim=1)[:, None] + others.square().sum(dim=1)[None, :]  # (N, M)
        squares = torch.addmm(norms, rows, others.T, alpha=-2)
        found = squares.masked_fill_(squares <= norms.mul_(RESOLUTION), 0).sqrt_().to(kind)
        ctx.itself = right is None
        ctx.save_for_backward(left, left if right is None else right, found)
        return found

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None]:
        left, right, found = ctx.saved_tensors
        exact = torch.float32 if left.device.type == "mps" else torch.float64
        pull = (gradients[0] / found).masked_fill_(found == 0, 0).to(exact)  # (N, M): along left - right
        if ctx.itself:
            pull += pull.T.clone()
        rows, others = left.to(exact), right.to(exact)
        first = second = None
        if ctx.needs_input_grad[0]:
            first = (rows * pull.sum(dim=1, keepdim=True) - pull @ others).to(left.dtype)
        if not ctx.itself and ctx.needs_input_grad[1]:
            second = (others * pull.sum(dim=0)[:, None] - pull.T @ rows).to(right.dtype)
        return first, second


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
