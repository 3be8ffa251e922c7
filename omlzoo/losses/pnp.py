"""PNP (arXiv 2102.04640): the number of negatives that come before each positive, weighed in several ways."""

import torch
from torch import Tensor

from omlzoo.errors import BadInput
from omlzoo.losses._loss import Loss, positive_number
from omlzoo.losses._smooth_ranks import smooth_ranks
from omlzoo.ops.distances import cosine
from omlzoo.ops.pairs import Pairs

__all__ = ["PNPLoss"]

VARIANTS = ("O", "Ds", "Dq", "Iu", "Ib")


class PNPLoss(Loss):
    """Mean over the anchors that have positives and negatives, and their positives p, of a function of N(p).

    N(p) is the sum over negatives n of sigmoid((s(a, n) - s(a, p)) / t), s the cosine. As in the authors' code, the
    anchor counts as one of its own positives.

    Args:
        variant: The function of N: "O" N; "Ds" log(1 + N); "Dq" 1 - 1 / (1 + N)^alpha; "Iu" (1 + N) log(1 + N);
            "Ib" (b N - log(1 + b N)) / b^2.
        b: b of "Ib", above 0.
        alpha: alpha of "Dq", above 0.
        temperature: t, above 0; smaller values are closer to a count.
        gather: Compute over the batches of all processes.

    Attributes:
        stats: "before" (mean of N), means and hardest of "positive_cosine" and "negative_cosine", "empty_batches".
    """

    choosing = False  # ranks are among all items

    def __init__(
        self, variant: str = "O", b: float = 2.0, alpha: float = 1.0, temperature: float = 0.01, gather: bool = False
    ) -> None:
        super().__init__(gather)
        if variant not in VARIANTS:
            raise BadInput(f"variant is {variant!r}; it must be one of {', '.join(VARIANTS)}")
        self.variant, self.b, self.alpha = variant, positive_number("b", b), positive_number("alpha", alpha)
        self.temperature = positive_number("temperature", temperature)

    def compute(self, pairs: Pairs) -> Tensor | None:
        anchors = pairs.positive.any(dim=1) & pairs.negative.any(dim=1)
        if not anchors.any():
            return None
        similarity = cosine(pairs.rows, pairs.others)
        rows, columns = (pairs.same & anchors[:, None]).nonzero(as_tuple=True)
        before = smooth_ranks(similarity, rows, columns, self.temperature, pairs.negative)[:, 1]
        total = similarity.new_zeros(len(similarity)).index_add(0, rows, self._weighed(before))
        self.note(before=before.mean(), **pairs.summary(similarity, "cosine"))
        return (total / pairs.same.sum(dim=1).clamp(min=1))[anchors].mean()

    def _weighed(self, before: Tensor) -> Tensor:
        if self.variant == "Ds":
            return torch.log1p(before)
        if self.variant == "Dq":
            return 1 - (1 + before) ** -self.alpha
        if self.variant == "Iu":
            return (1 + before) * torch.log1p(before)
        if self.variant == "Ib":
            return (self.b * before - torch.log1p(self.b * before)) / self.b**2
        return before
