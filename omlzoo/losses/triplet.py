"""Triplet loss with a margin (FaceNet, arXiv 1503.03832) or in the soft form (arXiv 1703.07737)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from omlzoo.errors import BadInput
from omlzoo.losses._loss import Loss
from omlzoo.miners.triplets import AllTriplets, HardTriplets
from omlzoo.ops.distances import euclidean
from omlzoo.ops.pairs import Indices, Pairs

__all__ = ["TripletLoss"]

FEW = 8  # if at most one of so many pairs is needed, their distances are computed one by one, else the whole matrix
Miner = Callable[..., Indices]


class TripletLoss(Loss):
    """Mean over triplets of max(0, margin + d(a, p) - d(a, n)), d Euclidean; or of log(1 + exp(d(a, p) - d(a, n))).

    Args:
        margin: In the unit of the distances, 0 or more; None selects the soft form.
        miner: Chooses the triplets, or pairs of which all triplets are taken; it is called with the arguments of the
            loss. None is HardTriplets. For triplets
            that are known beforehand there are the miners GivenTriplets and StackedTriplets.
        gather: Mine and compute over the batches of all processes.

    Attributes:
        stats: Of the last call: "triplets" (their number), "active" (share with a loss above 0), "positive_distance"
            and "negative_distance" (means), "hardest_gap" (largest d(a, p) - d(a, n)), and "empty_batches".
    """

    def __init__(self, margin: float | None = 0.2, miner: Miner | None = None, gather: bool = False) -> None:
        super().__init__(gather)
        if margin is not None and not margin >= 0:
            raise BadInput(f"margin is {margin}; it must be 0 or more, or None for the soft form")
        self.margin = margin
        self.miner = miner or HardTriplets()

    def compute(self, pairs: Pairs) -> Tensor | None:
        near, far, chosen = self._compare(pairs)
        count = chosen.sum()
        if not count:
            return None
        margin = self.margin or 0.0
        # Minus infinity contributes neither to the loss nor to its gradient.
        gap = (near + margin - far).masked_fill_(~chosen, -torch.inf)
        del far  # frees memory, as there may be many triplets
        values = nn.functional.softplus(gap) if self.margin is None else torch.relu(gap)
        with torch.no_grad():
            positive = (near[:, 0] * chosen.sum(dim=1)).sum() / count
            between = gap.masked_fill(~chosen, 0).sum() / count - margin
            active, hardest = (values > 0).sum() / count, gap.amax() - margin
        self.note(
            triplets=count, active=active, positive_distance=positive, negative_distance=positive - between,
            hardest_gap=hardest,
        )  # fmt: skip
        return values.sum() / count

    def _compare(self, pairs: Pairs) -> tuple[Tensor, Tensor, Tensor]:
        """Distances of P positive pairs (P, 1), of their anchors to N items (P, N), and which of these count (P, N)."""
        indices = self._indices(pairs)
        if indices is None or len(indices) == 4:  # the rows of the matrices serve as lists of negatives
            if indices is not pairs.indices:
                pairs = replace(pairs, indices=indices)
            distances = euclidean(pairs.rows, pairs.others)
            anchors, positives = pairs.positive.nonzero(as_tuple=True)
            far = distances.index_select(0, anchors)
            chosen = pairs.negative.index_select(0, anchors)
            return _pick(distances, anchors, positives), far, chosen
        anchors, positives, negatives = indices
        points: Any = None if pairs.indices is not None else getattr(self.miner, "points", None)
        rows, others = (pairs.rows, pairs.others) if points is None else [points(pairs.rows, pairs.labels)] * 2
        near, far = _of_lists(rows, others, anchors, positives, negatives)
        return near, far, torch.ones_like(far, dtype=torch.bool)

    def _indices(self, pairs: Pairs) -> Indices | None:
        """The triplets, or pairs of which all triplets are made: those that were given or mined; None for all."""
        if pairs.indices is not None or isinstance(self.miner, AllTriplets):
            return pairs.indices
        references = () if pairs.others is pairs.rows else (pairs.others, pairs.other_labels, pairs.own)
        return self.miner(pairs.rows, pairs.labels, *references)


def _of_lists(
    rows: Tensor, others: Tensor, anchors: Tensor, positives: Tensor, negatives: Tensor
) -> tuple[Tensor, Tensor]:
    """Distances (T, 1) of anchors to positives and to negatives; each distinct pair is computed once."""
    pairs = torch.cat([anchors * len(others) + positives, anchors * len(others) + negatives])
    distinct, inverse = torch.unique(pairs, return_inverse=True)
    if len(distinct) * FEW > len(rows) * len(others):
        values = euclidean(rows, others).flatten().index_select(0, pairs)
    else:
        first, second = distinct // len(others), distinct % len(others)
        values = (rows.index_select(0, first) - others.index_select(0, second)).norm(dim=1).index_select(0, inverse)
    return values[: len(anchors), None], values[len(anchors) :, None]


def _pick(distances: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """The distances (P, 1) at (rows, columns); index_select has a cheaper gradient than indexing by [rows, columns]."""
    return distances.flatten().index_select(0, rows * distances.shape[1] + columns)[:, None]
