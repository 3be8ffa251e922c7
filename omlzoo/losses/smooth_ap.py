"""Smooth-AP (arXiv 2007.12163): average precision with sigmoids in place of steps."""

from torch import Tensor

from omlzoo.losses._loss import Loss, positive_number
from omlzoo.losses._smooth_ranks import smooth_ranks
from omlzoo.ops.distances import cosine
from omlzoo.ops.pairs import Pairs

__all__ = ["SmoothAPLoss"]


class SmoothAPLoss(Loss):
    """1 minus a smooth average precision, averaged over the anchors that have positives and negatives.

    The precision at a positive p is r+(p) / r(p): its rank among the positives and among all items, each 1 + the sum
    over the other items i of sigmoid((s(a, i) - s(a, p)) / t), s the cosine. As in the authors' code, the anchor counts
    as one of its own positives. Labels may have any number of items.

    Args:
        temperature: t, above 0; smaller values are closer to true ranks.
        gather: Compute over the batches of all processes.

    Attributes:
        stats: "precision" (the smooth average precision), means and hardest of "positive_cosine" and
            "negative_cosine", "empty_batches".
    """

    choosing = False  # ranks are among all items

    def __init__(self, temperature: float = 0.01, gather: bool = False) -> None:
        super().__init__(gather)
        self.temperature = positive_number("temperature", temperature)

    def compute(self, pairs: Pairs) -> Tensor | None:
        anchors = pairs.positive.any(dim=1) & pairs.negative.any(dim=1)
        if not anchors.any():
            return None
        similarity = cosine(pairs.rows, pairs.others)
        rows, columns = (pairs.same & anchors[:, None]).nonzero(as_tuple=True)
        ranks = smooth_ranks(similarity, rows, columns, self.temperature, pairs.same) + 0.5
        total = similarity.new_zeros(len(similarity)).index_add(0, rows, ranks[:, 1] / ranks[:, 0])
        precision = (total / pairs.same.sum(dim=1).clamp(min=1))[anchors].mean()
        self.note(precision=precision, **pairs.summary(similarity, "cosine"))
        return 1 - precision
