"""A differentiable precision@k (after Recall@k surrogates, arXiv 2108.11179)."""

import torch
from torch import Tensor

from omlzoo.catalog import described
from omlzoo.losses._loss import Loss, positive_number
from omlzoo.losses._smooth_ranks import smooth_ranks, whole_ranks
from omlzoo.ops.distances import euclidean
from omlzoo.ops.pairs import Pairs

__all__ = ["SurrogatePrecision"]


class SurrogatePrecision(Loss):
    """1 minus a differentiable approximation of precision@k, averaged over the values of k.

    The rank of a positive p of anchor a is the sum over all items i of sigmoid((d(a, p) - d(a, i)) / t2). The precision
    is the sum over positives of sigmoid((k - rank) / t1), divided by the smaller of k and the number of positives. As
    in Open Metric Learning, the anchor counts as one of its own positives, and k is increased by one for it.

    Args:
        k: One number of nearest items or several, each 1 or more.
        temperature1: t1, in ranks, above 0; smaller values are closer to a step function.
        temperature2: t2, in the unit of the Euclidean distances d, above 0; smaller values are closer to true ranks.
        gather: Compute over the batches of all processes.

    Attributes:
        stats: "precision" (the approximation), means and hardest of "positive_distance" and "negative_distance",
            "empty_batches".
    """

    choosing = False  # ranks are among all items

    def __init__(
        self, k: int | tuple[int, ...] = 5, temperature1: float = 1.0, temperature2: float = 0.01, gather: bool = False
    ) -> None:
        super().__init__(gather)
        self.ks = whole_ranks(k)
        self.temperature1 = positive_number("temperature1", temperature1)
        self.temperature2 = positive_number("temperature2", temperature2)

    def __repr__(self) -> str:
        return described(self, k=str(self.ks[0] if len(self.ks) == 1 else self.ks))

    def compute(self, pairs: Pairs) -> Tensor | None:
        if not (pairs.positive.any() and pairs.negative.any()):
            return None
        distances = euclidean(pairs.rows, pairs.others)
        rows, columns = pairs.same.nonzero(as_tuple=True)  # (P,), including each anchor with itself
        ranks = smooth_ranks(-distances, rows, columns, self.temperature2)
        relevant = pairs.same.sum(dim=1)
        itself = int(pairs.own is not None)
        values = []
        for k in self.ks:
            hits = torch.sigmoid((k + itself - ranks) / self.temperature1)
            total = distances.new_zeros(len(distances)).index_add(0, rows, hits)
            values.append(total / relevant.clamp(min=1, max=k + itself))
        precision = torch.stack(values).mean()
        self.note(precision=precision, **pairs.summary(distances, "distance"))
        return 1 - precision
