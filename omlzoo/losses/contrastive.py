"""Contrastive loss on pairs (Hadsell, Chopra and LeCun 2006), in the linear form."""

import torch
from torch import Tensor

from omlzoo.errors import BadInput
from omlzoo.losses._loss import Loss
from omlzoo.ops.distances import euclidean
from omlzoo.ops.pairs import Pairs

__all__ = ["ContrastiveLoss"]


class ContrastiveLoss(Loss):
    """max(0, d - positive_margin) over positive pairs plus max(0, negative_margin - d) over negative pairs.

    d is the Euclidean distance. Each of the two terms is a mean over the pairs where it is above 0. The margins are in
    the unit of the distances: 0 and 1 suit embeddings with L2 norm 1.

    Args:
        positive_margin: The distance up to which positive pairs do not contribute, 0 or more.
        negative_margin: The distance from which on negative pairs do not contribute, at least ``positive_margin``.
        gather: Compute over the batches of all processes.

    Attributes:
        stats: "active" (share of the pairs whose term is above 0), means and hardest of "positive_distance" and
            "negative_distance", "empty_batches".
    """

    def __init__(self, positive_margin: float = 0.0, negative_margin: float = 1.0, gather: bool = False) -> None:
        super().__init__(gather)
        if not 0 <= positive_margin <= negative_margin:
            raise BadInput(
                f"positive_margin is {positive_margin} and negative_margin {negative_margin}; "
                "they must be 0 or more, the negative one not below the positive"
            )
        self.positive_margin, self.negative_margin = positive_margin, negative_margin

    def compute(self, pairs: Pairs) -> Tensor | None:
        if not (pairs.positive.any() or pairs.negative.any()):
            return None
        distances = euclidean(pairs.rows, pairs.others)
        near = torch.relu(distances.flatten().index_select(0, pairs.places) - self.positive_margin)
        far = (self.negative_margin - distances).masked_fill_(pairs.same, 0).relu_()
        active = near.count_nonzero(), far.count_nonzero()
        used = pairs.same.numel() - pairs.itself.count_nonzero()
        self.note(active=(active[0] + active[1]) / used, **pairs.summary(distances, "distance"))
        return near.sum() / active[0].clamp(min=1) + far.sum() / active[1].clamp(min=1)
