"""Circle loss (arXiv 2002.10857) on pairs."""

import torch
from torch import Tensor

from omlzoo.errors import BadInput
from omlzoo.losses._loss import Loss, positive_number
from omlzoo.ops.distances import cosine
from omlzoo.ops.logsumexp import log_sum_exp
from omlzoo.ops.pairs import Pairs

__all__ = ["CircleLoss"]


class CircleLoss(Loss):
    """Mean over anchors of log(1 + sum exp(g a_n (s_n - m)) x sum exp(-g a_p (s_p - 1 + m))).

    s are cosines. The weights a_p = max(0, 1 + m - s_p) and a_n = max(0, s_n + m) have no gradient. Only anchors with
    at least one positive and one negative count.

    Args:
        margin: m, in [0, 1].
        scale: g, above 0.
        gather: Compute over the batches of all processes.

    Attributes:
        stats: "anchors" (the number that count), means and hardest of "positive_cosine" and "negative_cosine",
            "empty_batches".
    """

    def __init__(self, margin: float = 0.4, scale: float = 80.0, gather: bool = False) -> None:
        super().__init__(gather)
        if not 0 <= margin <= 1:
            raise BadInput(f"margin is {margin}; it must be between 0 and 1")
        self.margin, self.scale = margin, positive_number("scale", scale)

    def compute(self, pairs: Pairs) -> Tensor | None:
        anchors = pairs.positive.any(dim=1) & pairs.negative.any(dim=1)
        if not anchors.any():
            return None
        similarity = cosine(pairs.rows, pairs.others)
        fixed = similarity.detach()
        near = -self.scale * torch.relu(1 + self.margin - fixed) * (similarity - 1 + self.margin)
        far = self.scale * torch.relu(fixed + self.margin) * (similarity - self.margin)
        both = log_sum_exp(near, pairs.positive) + log_sum_exp(far, pairs.negative)
        self.note(anchors=anchors.sum(), **pairs.summary(similarity, "cosine"))
        return torch.nn.functional.softplus(both)[anchors].mean()
