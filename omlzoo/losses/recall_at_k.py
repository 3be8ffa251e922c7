"""A differentiable recall@k (arXiv 2108.11179), by cosine and without the anchor itself."""

import torch
from torch import Tensor

from omlzoo.catalog import described
from omlzoo.losses._loss import Loss, positive_number
from omlzoo.losses._smooth_ranks import smooth_ranks, whole_ranks
from omlzoo.ops.distances import cosine
from omlzoo.ops.pairs import Pairs

__all__ = ["RecallAtKLoss"]


class RecallAtKLoss(Loss):
    """1 minus a smooth recall@k, averaged over the values of k and the anchors that have positives and negatives.

    The rank of a positive p is 1 + the sum over the items i other than p and the anchor of
    sigmoid((s(a, i) - s(a, p)) / t2), s the cosine. The recall is the sum over positives of sigmoid((k - rank) / t1),
    at most k, divided by the smaller of k and the number of positives.

    Args:
        k: One number of nearest items or several, each 1 or more.
        temperature1: t1, in ranks, above 0; smaller values are closer to a step.
        temperature2: t2, above 0; smaller values are closer to true ranks.
        gather: Compute over the batches of all processes.

    Attributes:
        stats: "recall" (the smooth recall), means and hardest of "positive_cosine" and "negative_cosine",
            "empty_batches".
    """

    choosing = False  # ranks are among all items

    def __init__(
        self, k: int | tuple[int, ...] = (1, 2, 4, 8, 16), temperature1: float = 1.0, temperature2: float = 0.01,
        gather: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(gather)
        self.ks = whole_ranks(k)
        self.temperature1 = positive_number("temperature1", temperature1)
        self.temperature2 = positive_number("temperature2", temperature2)

    def __repr__(self) -> str:
        return described(self, k=str(self.ks[0] if len(self.ks) == 1 else self.ks))

    def compute(self, pairs: Pairs) -> Tensor | None:
        anchors = pairs.positive.any(dim=1) & pairs.negative.any(dim=1)
        if not anchors.any():
            return None
        similarity = cosine(pairs.rows, pairs.others)
        rows, columns = (pairs.positive & anchors[:, None]).nonzero(as_tuple=True)
        ranks = smooth_ranks(similarity, rows, columns, self.temperature2, ~pairs.itself)[:, 1] + 0.5
        relevant = pairs.positive.sum(dim=1)
        values = []
        for k in self.ks:
            hits = torch.sigmoid((k - ranks) / self.temperature1)
            total = similarity.new_zeros(len(similarity)).index_add(0, rows, hits).clamp(max=k)
            values.append(total / relevant.clamp(min=1, max=k))
        recall = torch.stack(values).mean(dim=0)[anchors].mean()
        self.note(recall=recall, **pairs.summary(similarity, "cosine"))
        return 1 - recall
