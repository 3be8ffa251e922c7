"""Lifted structure loss (arXiv 1511.06452)."""

import torch
from torch import Tensor

from omlzoo.losses._loss import Loss
from omlzoo.ops.distances import euclidean
from omlzoo.ops.logsumexp import log_sum_exp
from omlzoo.ops.pairs import Pairs
from omlzoo.ops.unit_rows import normalize

__all__ = ["LiftedStructureLoss"]


class LiftedStructureLoss(Loss):
    """Mean over positive pairs (i, j) of max(0, J)^2 / 2.

    J is log(sum of exp(m- - d) over the negatives of i and of j) + d(i, j) - m+, with d the Euclidean
    distance of unit vectors.

    Args:
        negative_margin: m-.
        positive_margin: m+.
        gather: Compute over the batches of all processes.

    Attributes:
        stats: "active" (share of the positive pairs with J above 0), means and hardest of "positive_distance" and
            "negative_distance", "empty_batches".
    """

    references = False  # both items of a pair need their negatives

    def __init__(self, negative_margin: float = 1.0, positive_margin: float = 0.0, gather: bool = False) -> None:
        super().__init__(gather)
        self.negative_margin, self.positive_margin = negative_margin, positive_margin

    def compute(self, pairs: Pairs) -> Tensor | None:
        if not (pairs.positive.any() and pairs.negative.any()):
            return None
        unit = normalize(pairs.rows)
        distances = euclidean(unit, unit)
        lifted = log_sum_exp(self.negative_margin - distances, pairs.negative)
        first, second = pairs.positive.nonzero(as_tuple=True)
        both = torch.logaddexp(lifted.index_select(0, first), lifted.index_select(0, second))
        gap = both + distances.flatten().index_select(0, pairs.places) - self.positive_margin
        self.note(active=(gap > 0).float().mean(), **pairs.summary(distances, "distance"))
        return torch.relu(gap).square().mean() / 2
