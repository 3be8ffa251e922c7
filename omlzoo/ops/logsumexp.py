"""Logarithms of sums of exponentials over chosen pairs, from which the contrastive losses are computed."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["against_negatives", "log_one_plus", "log_sum_exp"]


def log_sum_exp(values: Tensor, chosen: Tensor | None = None) -> Tensor:
    """The logarithm (B,) of the sum of the exponentials of each row's chosen values.

    A row without a chosen value gives a finite number so low that its exponential is 0, with a gradient of 0, so that
    no NaN arises from it. One tensor (B, M) is kept for the gradient.

    Args:
        values: (B, M), float.
        chosen: (B, M) bool, which values count; None counts all of them.
    """
    logarithms: Tensor = _LogSumExp.apply(values, chosen)
    return logarithms


class _LogSumExp(torch.autograd.Function):
    """Uses the softmax kernel, because torch's exp is a hundred times slower where the result rounds to 0."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, chosen: Tensor | None) -> Tensor:
        low = torch.finfo(values.dtype).min / 4
        kept = values if chosen is None else values.masked_fill(~chosen, low)
        shares = kept.softmax(dim=1)
        logarithms = kept.amax(dim=1) - shares.amax(dim=1).log()  # the largest value has the share exp(value - result)
        if chosen is not None:
            shares[~chosen.any(dim=1)] = 0
        ctx.save_for_backward(shares)
        return logarithms

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (shares,) = ctx.saved_tensors
        return shares * gradients[0][:, None], None


def against_negatives(logits: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
    """InfoNCE (arXiv 1807.03748) of each positive pair against all negatives of its anchor.

    The value is -log(exp(l_p) / (exp(l_p) + sum over negatives of exp(l_n))), with l_p the logit of the pair.

    Args:
        logits: (B, M), similarities of anchors (rows) and items (columns), divided by the temperature.
        positive: (B, M) bool, the positive pairs.
        negative: (B, M) bool, the negative pairs.

    Returns:
        (B, M), 0 where a pair is not positive or its anchor has no negative.
    """
    positions = (positive & negative.any(dim=1, keepdim=True)).flatten().nonzero().flatten()  # few of all pairs
    others = log_sum_exp(logits, negative).index_select(0, positions // max(1, logits.shape[1]))
    values = torch.nn.functional.softplus(others - logits.flatten().index_select(0, positions))
    return values.new_zeros(logits.numel()).index_copy(0, positions, values).view(logits.shape)


def log_one_plus(values: Tensor, chosen: Tensor | None = None) -> Tensor:
    """The logarithm (B,) of 1 plus the sum of the exponentials of each row's chosen values; 0 where none is chosen.

    Args:
        values: (B, M), float.
        chosen: (B, M) bool, which values count; None counts all of them.
    """
    total = log_sum_exp(values, chosen)
    return torch.logaddexp(total, total.new_zeros(()))
