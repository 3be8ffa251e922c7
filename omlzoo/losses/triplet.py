"""Triplet loss with a margin (FaceNet, arXiv 1503.03832) or in the soft form (arXiv 1703.07737)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from omlzoo.batch import check_batch
from omlzoo.distances import euclidean
from omlzoo.errors import BadInput
from omlzoo.miners.triplets import HardTriplets

__all__ = ["TripletLoss"]

Miner = Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]


class TripletLoss(nn.Module):
    """Mean over triplets of max(0, margin + d(a, p) - d(a, n)), d Euclidean; or of log(1 + exp(d(a, p) - d(a, n))).

    Args:
        margin: In the unit of the distances, 0 or more; None is the soft form.
        miner: Chooses the triplets, called with what the loss is called with; HardTriplets by default.

    Attributes:
        stats: Of the last call: "triplets", "active" (share with a loss above 0), "positive_distance" and
            "negative_distance" (means), and "empty_batches", counted since the start.
    """

    def __init__(self, margin: float | None = 0.2, miner: Miner | None = None) -> None:
        super().__init__()
        if margin is not None and not margin >= 0:
            raise BadInput(f"margin is {margin}; it must be 0 or more, or None for the soft form")
        self.margin = margin
        self.miner = miner or HardTriplets()
        self.stats: dict[str, float] = {"empty_batches": 0.0}

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The loss () of embeddings (B, D) with labels (B,); 0 with a gradient of 0 where there is no triplet.

        Raises:
            BadInput: An embedding is not finite, or the numbers of rows differ.
        """
        check_batch(embeddings, labels)
        anchors, positives, negatives = self.miner(embeddings, labels)
        empty = self.stats["empty_batches"] + float(len(anchors) == 0)
        if len(anchors) == 0:
            self.stats = {"triplets": 0.0, "empty_batches": empty}
            return embeddings.sum() * 0
        distances = euclidean(embeddings, embeddings).flatten()  # (B * B,)
        rows = anchors * len(embeddings)
        near = distances.index_select(0, rows + positives)  # (T,); its gradient is cheaper than that of [i, j]
        far = distances.index_select(0, rows + negatives)
        gap = near - far
        values = nn.functional.softplus(gap) if self.margin is None else torch.relu(gap + self.margin)
        with torch.no_grad():
            numbers = torch.stack([(values > 0).float().mean(), near.mean(), far.mean()]).tolist()
        names = ("active", "positive_distance", "negative_distance")
        self.stats = {
            "triplets": float(len(anchors)),
            **dict(zip(names, numbers, strict=True)),
            "empty_batches": empty,
        }
        return values.mean()
