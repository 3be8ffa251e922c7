"""Triplet loss with a margin (FaceNet, arXiv 1503.03832) or in the soft form (arXiv 1703.07737)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from omlzoo.batch import check_batch
from omlzoo.distances import euclidean
from omlzoo.errors import BadInput
from omlzoo.miners.triplets import AllTriplets, HardTriplets

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
        near, far, chosen = self._compare(embeddings, labels)
        count = int(chosen.sum())
        empty = self.stats["empty_batches"] + float(count == 0)
        if count == 0:
            self.stats = {"triplets": 0.0, "empty_batches": empty}
            return embeddings.sum() * 0
        gap = near - far
        values = nn.functional.softplus(gap) if self.margin is None else torch.relu(gap + self.margin)
        values = values * chosen
        with torch.no_grad():
            totals = torch.stack([(values > 0).sum(), (near * chosen).sum(), (far * chosen).sum()]) / count
        names = ("active", "positive_distance", "negative_distance")
        self.stats = {
            "triplets": float(count),
            **dict(zip(names, totals.tolist(), strict=True)),
            "empty_batches": empty,
        }
        return values.sum() / count

    def _compare(self, embeddings: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of P pairs the distance (P, 1), of N rows that to the anchor (P, N), and which of these rows count (P, N)."""
        distances = euclidean(embeddings, embeddings)  # (B, B)
        flat = distances.flatten()  # a flat select has a cheaper gradient than [i, j]
        if isinstance(self.miner, AllTriplets):  # the negatives of an anchor stand in its row: no lists of them
            anchors, positives, chosen = self.miner.pairs(labels)
            far = distances.index_select(0, anchors)
        else:
            anchors, positives, negatives = self.miner(embeddings, labels)
            far = flat.index_select(0, anchors * len(labels) + negatives)[:, None]
            chosen = torch.ones_like(far, dtype=torch.bool)
        return flat.index_select(0, anchors * len(labels) + positives)[:, None], far, chosen
