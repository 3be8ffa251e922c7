"""InfoNCE with a learned bilinear similarity (CURL, arXiv 2004.04136)."""

import torch
from torch import Tensor, nn

from omlzoo.catalog import described
from omlzoo.losses._loss import Loss, positive_number
from omlzoo.ops.logsumexp import against_negatives
from omlzoo.ops.pairs import Pairs

__all__ = ["BilinearInfoNCE"]


class BilinearInfoNCE(Loss):
    """Mean over positive pairs (q, k) of -log(exp(l) / (exp(l) + sum over negatives of exp(l))), l = q W k / t.

    W is initialised as the identity, with which l is the ordinary inner product. After training, multiply the gallery
    by it with :meth:`fold`: its inner products with plain queries are then the learned similarities.

    Args:
        dim: D, the dimension of the embeddings.
        temperature: t, above 0.
        gather: Compute over the batches of all processes.

    Attributes:
        weight: W (D, D), a trained parameter.
        stats: "pairs" (the number of positive pairs used), means and hardest of "positive_cosine" and
            "negative_cosine" (which are the values q W k here), "empty_batches".
    """

    def __init__(self, dim: int, temperature: float = 1.0, gather: bool = False) -> None:
        super().__init__(gather)
        self.temperature = positive_number("temperature", temperature)
        self.weight = nn.Parameter(torch.eye(int(positive_number("dim", dim))))

    def __repr__(self) -> str:
        return described(self, dim=str(len(self.weight)))

    def fold(self, keys: Tensor) -> Tensor:
        """The products W k (N, D) of keys (N, D): their inner products with queries are the learned similarities."""
        return keys @ self.weight.T.to(keys.dtype)

    def compute(self, pairs: Pairs) -> Tensor | None:
        count = (pairs.positive & pairs.negative.any(dim=1, keepdim=True)).sum()
        if not count:
            return None
        similarity = pairs.rows @ self.fold(pairs.others).T
        values = against_negatives(similarity / self.temperature, pairs.positive, pairs.negative)
        self.note(pairs=count, **pairs.summary(similarity, "cosine"))
        return values.sum() / count
