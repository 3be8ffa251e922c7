"""Threshold-consistent margin (TCM, arXiv 2307.04047): an additional term that lets one threshold fit all labels."""

from torch import Tensor

from omlzoo.errors import BadInput
from omlzoo.losses._loss import Loss
from omlzoo.ops.distances import cosine
from omlzoo.ops.pairs import Pairs, pair_up

__all__ = ["ThresholdConsistentMargin"]


class ThresholdConsistentMargin(Loss):
    """Mean of m+ - s over positive pairs with cosine s <= m+, plus mean of s - m- over negative pairs with s >= m-.

    The means are over these hard pairs only; a term without hard pairs is 0. Because it has a gradient for hard pairs
    only, it is added to another loss: ``WeightedSum({SupConLoss(): 1, ThresholdConsistentMargin(): 1})``.

    Args:
        positive_margin: m+, a cosine, at most 1.
        negative_margin: m-, a cosine, at least -1 and not above m+.
        positive_weight: Weight of the term of positive pairs, 0 or more.
        negative_weight: Weight of the term of negative pairs, 0 or more.
        gather: Compute over the batches of all processes.

    Attributes:
        stats: "hard_positives" and "hard_negatives" (numbers of pairs), means and hardest of "positive_cosine" and
            "negative_cosine", "empty_batches".
    """

    def __init__(
        self, positive_margin: float = 0.9, negative_margin: float = 0.5, positive_weight: float = 1.0,
        negative_weight: float = 1.0, gather: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(gather)
        if not -1 <= negative_margin <= positive_margin <= 1:
            raise BadInput(
                f"positive_margin is {positive_margin} and negative_margin {negative_margin}; "
                "they must lie in [-1, 1], the negative one not above the positive"
            )
        if not (positive_weight >= 0 and negative_weight >= 0):
            raise BadInput(f"the weights are {positive_weight} and {negative_weight}; they must be 0 or more")
        self.positive_margin, self.negative_margin = positive_margin, negative_margin
        self.positive_weight, self.negative_weight = positive_weight, negative_weight

    def set_margins(self, embeddings: Tensor, labels: Tensor, hard: float = 0.25) -> None:
        """Set the margins to quantiles of cosines, such as those of the embeddings of a first epoch.

        Args:
            embeddings: (N, D), float; all pairs among them are used.
            labels: (N,), integer.
            hard: Share of the positive pairs, and of the negative pairs, that are to count as hard, in (0, 1).

        Raises:
            BadInput: ``hard`` is out of range, there are no positive or no negative pairs, or the quantile of positive
                pairs is below that of negative pairs, so that no threshold separates them yet.
        """
        if not 0 < hard < 1:
            raise BadInput(f"hard is {hard}; it must be between 0 and 1")
        pairs = pair_up(embeddings.detach().float(), labels)
        if not (pairs.positive.any() and pairs.negative.any()):
            raise BadInput("the margins need pairs of one label and of two; give more embeddings")
        values = cosine(pairs.rows, pairs.others)
        near = float(values[pairs.positive].kthvalue(max(1, round(hard * int(pairs.positive.sum())))).values)
        far = float((-values[pairs.negative]).kthvalue(max(1, round(hard * int(pairs.negative.sum())))).values.neg())
        if near < far:
            raise BadInput(
                f"the hardest {hard:.0%} of pairs cross: positives from {near:.3f} down, negatives from {far:.3f} up; "
                "train longer first, or give a smaller share"
            )
        self.positive_margin, self.negative_margin = near, far

    def compute(self, pairs: Pairs) -> Tensor | None:
        if not (pairs.positive.any() or pairs.negative.any()):
            return None
        similarity = cosine(pairs.rows, pairs.others)
        near = pairs.positive & (similarity.detach() <= self.positive_margin)
        far = pairs.negative & (similarity.detach() >= self.negative_margin)
        first = ((self.positive_margin - similarity) * near).sum() / near.sum().clamp(min=1)
        second = ((similarity - self.negative_margin) * far).sum() / far.sum().clamp(min=1)
        self.note(
            hard_positives=near.sum(), hard_negatives=far.sum(),
            **pairs.summary(similarity, "cosine"),
        )  # fmt: skip
        return self.positive_weight * first + self.negative_weight * second
