"""Logarithms of sums of exponentials over chosen pairs, which the contrastive losses are made of."""

import torch
from torch import Tensor

__all__ = ["against_negatives", "log_one_plus"]


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
    far = torch.finfo(logits.dtype).min / 4  # finite: an anchor without negatives has no NaN in its gradient
    others = logits.masked_fill(~negative, far).logsumexp(dim=1, keepdim=True)
    values = torch.nn.functional.softplus(others - logits)
    return values * (positive & negative.any(dim=1, keepdim=True))


def log_one_plus(values: Tensor, chosen: Tensor) -> Tensor:
    """log(1 + sum over the chosen of exp(value)) of each row of (B, M), as (B,); 0 where none is chosen."""
    kept = values.masked_fill(~chosen, torch.finfo(values.dtype).min / 4)
    return torch.nn.functional.pad(kept, (1, 0)).logsumexp(dim=1)  # the 1 is exp(0)
