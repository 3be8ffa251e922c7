"""N-pairs loss (Sohn, NeurIPS 2016)."""

from torch import Tensor

from omlzoo.errors import BadInput
from omlzoo.losses._loss import Loss
from omlzoo.ops.logsumexp import against_negatives
from omlzoo.ops.pairs import Pairs

__all__ = ["NPairsLoss"]


class NPairsLoss(Loss):
    """Mean over positive pairs (a, p) of log(1 + sum over the anchor's negatives of exp(a n - a p)).

    The products are of the embeddings as they are: the loss is made for vectors of any L2 norm, which
    ``regularization`` keeps small. The paper's batch has an anchor and a positive of each label, and the negatives of
    an anchor are the others' positives: that is ``loss(anchors, labels, positives, labels)``. Within one batch every
    positive pair counts, both ways, against all items of other labels; PyTorch Metric Learning takes there the first
    pair of each label, which depends on the order of the batch, and divides by the norms unless told otherwise.

    Args:
        regularization: Weight of the mean squared L2 norm of the batch's embeddings, 0 or more.
        gather: Compute over the batches of all processes.

    Attributes:
        stats: "pairs" (the number of positive pairs used), "squared_norm" (mean squared L2 norm), means and hardest of
            "positive_product" and "negative_product", "empty_batches".
    """

    def __init__(self, regularization: float = 0.0, gather: bool = False) -> None:
        super().__init__(gather)
        if not regularization >= 0:
            raise BadInput(f"regularization is {regularization}; it must be 0 or more")
        self.regularization = regularization

    def compute(self, pairs: Pairs) -> Tensor | None:
        used = pairs.positive if pairs.indices is not None else pairs.positive & pairs.negative.any(dim=1, keepdim=True)
        count = used.sum()
        if not count:
            return None
        products = pairs.rows @ pairs.others.T
        value = against_negatives(products, pairs.positive, pairs.negative).sum() / count
        norm = pairs.rows.square().sum(dim=1).mean()
        self.note(pairs=count, squared_norm=norm, **pairs.summary(products, "product"))
        return value + self.regularization * norm if self.regularization else value
