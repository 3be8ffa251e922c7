"""Soft assignments of rows to prototypes: Sinkhorn's equal shares, and their entropies."""

import torch
from torch import Tensor

__all__ = ["entropies", "sinkhorn"]


@torch.no_grad()
def sinkhorn(scores: Tensor, rounds: int = 3) -> Tensor:
    """Shares (B, K) of prototypes in rows: each row sums to 1, and all prototypes get nearly equal shares.

    The exponentials are scaled in turn over the rows and the prototypes (arXiv 1306.0895). It is done in logarithms, as
    the exponentials of scores divided by 0.05 leave the range of half precision.

    Args:
        scores: (B, K), already divided by their temperature.
        rounds: The number of rounds, 1 or more.
    """
    logarithms = scores
    for _ in range(rounds):
        logarithms = logarithms - logarithms.logsumexp(dim=0)
        logarithms = logarithms.log_softmax(dim=1)
    return logarithms.exp()


@torch.no_grad()
def entropies(shares: Tensor) -> dict[str, Tensor]:
    """How sharp and how spread assignments (B, K) are.

    Returns:
        "teacher_entropy", the mean of the rows' entropies, near 0 where they are sharp, and "mean_entropy", that of
        their mean, near ln K where all prototypes are used and near 0 where one takes all.
    """
    return {
        "teacher_entropy": torch.special.entr(shares).sum(dim=1).mean(),
        "mean_entropy": torch.special.entr(shares.mean(dim=0)).sum(),
    }
