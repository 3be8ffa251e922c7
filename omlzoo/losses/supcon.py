"""Supervised contrastive loss (arXiv 2004.11362), the form with the mean outside the logarithm."""

from torch import Tensor

from omlzoo.losses._loss import Loss, positive_number
from omlzoo.ops.distances import cosine
from omlzoo.ops.logsumexp import log_sum_exp
from omlzoo.ops.pairs import Pairs

__all__ = ["SupConLoss"]


class SupConLoss(Loss):
    """Mean over anchors of -mean over their positives p of log(exp(s(a, p)/t) / sum over all others of exp(s/t)).

    s is the cosine. Anchors without a positive do not count.

    Args:
        temperature: t, above 0.
        gather: Compute over the batches of all processes.

    Attributes:
        stats: "anchors" (the number that count), means and hardest of "positive_cosine" and "negative_cosine",
            "empty_batches".
    """

    def __init__(self, temperature: float = 0.1, gather: bool = False) -> None:
        super().__init__(gather)
        self.temperature = positive_number("temperature", temperature)

    def compute(self, pairs: Pairs) -> Tensor | None:
        counts = pairs.positive.sum(dim=1)  # (B,)
        anchors = counts > 0
        if not anchors.any():
            return None
        similarity = cosine(pairs.rows, pairs.others)
        logits = similarity / self.temperature
        near = logits.masked_fill(~pairs.positive, 0).sum(dim=1)
        values = log_sum_exp(logits, ~pairs.itself)[anchors] - near[anchors] / counts[anchors]
        self.note(anchors=anchors.sum(), **pairs.summary(similarity, "cosine"))
        return values.mean()
