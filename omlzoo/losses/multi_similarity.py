"""Multi-similarity loss (arXiv 1904.06627)."""

from collections.abc import Callable
from dataclasses import replace

from torch import Tensor

from omlzoo.losses._loss import Loss, positive_number
from omlzoo.ops.distances import cosine
from omlzoo.ops.logsumexp import log_one_plus
from omlzoo.ops.pairs import Indices, Pairs

__all__ = ["MultiSimilarityLoss"]

PairMiner = Callable[..., Indices]


class MultiSimilarityLoss(Loss):
    """Mean over anchors of log(1 + sum over positives of exp(-a (s - base))) / a, and the same over negatives.

    The term of the negatives is log(1 + sum over negatives of exp(b (s - base))) / b. s is the cosine. An anchor
    without pairs counts as 0.

    Args:
        alpha: a, the scale of positive pairs, above 0.
        beta: b, the scale of negative pairs, above 0.
        base: The cosine around which pairs are weighted.
        pair_miner: Chooses the pairs, such as :class:`omlzoo.miners.MultiSimilarityPairs`; None uses all pairs.
        gather: Compute over the batches of all processes.

    Attributes:
        stats: "pairs" (share of all pairs that are used), means and hardest of "positive_cosine" and
            "negative_cosine", "empty_batches".
    """

    def __init__(
        self, alpha: float = 2.0, beta: float = 50.0, base: float = 0.5, pair_miner: PairMiner | None = None,
        gather: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(gather)
        self.alpha, self.beta = positive_number("alpha", alpha), positive_number("beta", beta)
        self.base = base
        self.pair_miner = pair_miner

    def compute(self, pairs: Pairs) -> Tensor | None:
        positive, negative = self._chosen(pairs)
        if not (positive.any() or negative.any()):
            return None
        similarity = cosine(pairs.rows, pairs.others)
        near = log_one_plus(-self.alpha * (similarity - self.base), positive) / self.alpha
        far = log_one_plus(self.beta * (similarity - self.base), negative) / self.beta
        share = (positive.sum() + negative.sum()) / (~pairs.itself).sum()
        self.note(pairs=share, **pairs.summary(similarity, "cosine"))
        return (near + far).mean()

    def _chosen(self, pairs: Pairs) -> tuple[Tensor, Tensor]:
        if self.pair_miner is None or pairs.indices is not None:
            return pairs.positive, pairs.negative
        references = () if pairs.others is pairs.rows else (pairs.others, pairs.other_labels, pairs.own)
        return replace(pairs, indices=self.pair_miner(pairs.rows, pairs.labels, *references)).chosen
