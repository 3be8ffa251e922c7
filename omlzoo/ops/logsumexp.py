"""Logarithms of sums of exponentials over chosen pairs, which the contrastive losses are made of."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["against_negatives", "log_one_plus", "log_sum_exp"]


def log_sum_exp(values: Tensor, chosen: Tensor | None = None) -> Tensor:
    """log(sum over the chosen of exp(value)) of each row of (B, M), as (B,); all count where ``chosen`` is None.

    A row where none is chosen gives a number so low that it vanishes beside any other, with a gradient of 0; it is
    finite, so no NaN comes of it. One tensor (B, M) is kept for the gradient.
    """
    found: Tensor = _LogSumExp.apply(values, chosen)
    return found


class _LogSumExp(torch.autograd.Function):
    """By the softmax kernel: torch's exp takes a hundred times longer where the result rounds to 0."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, chosen: Tensor | None) -> Tensor:
        low = torch.finfo(values.dtype).min / 4
        kept = values if chosen is None else values.masked_fill(~chosen, low)
        shares = kept.softmax(dim=1)
        found = kept.amax(dim=1) - shares.amax(dim=1).log()  # the largest has the share exp(it - result)
        if chosen is not None:
            shares[~chosen.any(dim=1)] = 0
        ctx.save_for_backward(shares)
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (shares,) = ctx.saved_tensors
        return shares * gradients[0][:, None], None


def against_negatives(logits: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """InfoNCE (arXiv 1807.03748): of each positive pair, how it stands against all negatives of its anchor.

    -log(exp(l_p) / (exp(l_p) + sum over negatives of exp(l_n))).

    Args:
        logits: (B, M).
        positive: (B, M) bool.
        negative: (B, M) bool.

    Returns:
        (B, M), 0 where a pair is not positive or its anchor has no negative.
    """
    places = (positive & negative.any(dim=1, keepdim=True)).flatten().nonzero().flatten()  # few of all pairs
    others = log_sum_exp(logits, negative).index_select(0, places // max(1, logits.shape[1]))
    values = torch.nn.functional.softplus(others - logits.flatten().index_select(0, places))
    return values.new_zeros(logits.numel()).index_copy(0, places, values).view(logits.shape)


def log_one_plus(values: Tensor, chosen: Tensor | None = None) -> Tensor:
    """log(1 + sum over the chosen of exp(value)) of each row of (B, M), as (B,); 0 where none is chosen."""
    total = log_sum_exp(values, chosen)
    return torch.logaddexp(total, total.new_zeros(()))
