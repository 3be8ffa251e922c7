"""Labels by the votes of the nearest rows, the weighted k-NN of arXiv 1805.01978 and of DINO (arXiv 2104.14294)."""

import torch
from torch import Tensor

from omlzoo.errors import BadInput
from omlzoo.ops.nearest import nearest_blocks

__all__ = ["check_votes", "elect", "vote", "vote_shares"]

LEAST = 1e-6  # temperature below which only rows at exactly the best score vote


def check_votes(k: int, temperature: float) -> None:
    """Refuse a number of voters or a temperature out of its range.

    Args:
        k: How many rows vote, at least 1.
        temperature: By which scores are divided, at least 1e-6.

    Raises:
        BadInput: One is out of its range.
    """
    if k < 1:
        raise BadInput(f"k is {k}; it must be at least 1")
    if not LEAST <= temperature < float("inf"):
        raise BadInput(f"temperature is {temperature}; it must be at least {LEAST:g}, usual are 0.07 and 0.1")


def vote_shares(scores: Tensor, temperature: float) -> Tensor:
    """The share of each hit in the votes of its query: exp(score / temperature), divided by the sum over the hits.

    Args:
        scores: (Q, k), higher is nearer; -inf where there is no hit.
        temperature: As in :func:`check_votes`.

    Returns:
        (Q, k) float64 whose rows sum to 1; NaN in the rows of queries without any hit.
    """
    return (scores.double() / temperature).softmax(dim=1)


def elect(shares: Tensor, codes: Tensor) -> Tensor:
    """The label (Q,) with most votes; of two with as many, the one of the nearer hit.

    Args:
        shares: (Q, k), votes of the hits, the nearest first.
        codes: (Q, k) int, their labels.
    """
    together = torch.zeros_like(shares)
    for hit in range(codes.shape[1]):  # one by one, as (Q, k, k) at once would be large
        together += torch.where(codes == codes[:, hit, None], shares[:, hit, None], 0)
    first = (together == together.amax(dim=1, keepdim=True)).int().argmax(dim=1)
    return codes.gather(1, first[:, None])[:, 0]


def vote(train: Tensor, codes: Tensor, queries: Tensor, k: int, temperature: float) -> Tensor:
    """The label (Q,) that the k nearest rows by cosine elect for each query; all vote where there are fewer.

    Args:
        train: (N, D), float, L2 norm 1, N at least 1.
        codes: (N,) int, their labels.
        queries: (Q, D), float, L2 norm 1.
        k: How many rows vote.
        temperature: Of the votes.

    Raises:
        BadInput: k or the temperature is out of its range.
    """
    check_votes(k, temperature)
    elected = [codes.new_empty(0)]
    for _, scores, ids in nearest_blocks(queries, train, min(k, len(train)), similarity="cosine"):
        elected.append(elect(vote_shares(scores, temperature), codes[ids]))
    return torch.cat(elected)
