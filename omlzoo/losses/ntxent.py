"""NT-Xent (arXiv 2002.05709); with references, such as MoCo's queue, it is InfoNCE (arXiv 1807.03748)."""

from torch import Tensor

from omlzoo.losses._loss import Loss, positive_number
from omlzoo.ops.distances import cosine
from omlzoo.ops.logsumexp import against_negatives
from omlzoo.ops.pairs import Pairs

__all__ = ["NTXentLoss"]


class NTXentLoss(Loss):
    """Mean over positive pairs of -log(exp(s_p/t) / (exp(s_p/t) + sum over the anchor's negatives of exp(s_n/t))).

    s is the cosine. Where the two views of a picture have a label of their own, this is SimCLR's loss; with keys and a
    queue as references (:class:`omlzoo.losses.CrossBatch`) it is MoCo's.

    Args:
        temperature: t, above 0.
        gather: Compute over the batches of all processes.

    Attributes:
        stats: "pairs" (the number of positive pairs used), means and hardest of "positive_cosine" and
            "negative_cosine", "empty_batches".
    """

    def __init__(self, temperature: float = 0.07, gather: bool = False) -> None:
        super().__init__(gather)
        self.temperature = positive_number("temperature", temperature)

    def compute(self, pairs: Pairs) -> Tensor | None:
        used = pairs.positive if pairs.indices is not None else pairs.positive & pairs.negative.any(dim=1, keepdim=True)
        count = used.sum()
        if not count:
            return None
        similarity = cosine(pairs.rows, pairs.others)
        values = against_negatives(similarity / self.temperature, pairs.positive, pairs.negative)
        self.note(pairs=count, **pairs.summary(similarity, "cosine"))
        return values.sum() / count
