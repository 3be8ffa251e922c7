"""Ranked list loss (arXiv 1903.03238)."""

import torch
from torch import Tensor

from omlzoo.errors import BadInput
from omlzoo.losses._loss import Loss
from omlzoo.ops.distances import euclidean
from omlzoo.ops.pairs import Pairs
from omlzoo.ops.unit_rows import normalize

__all__ = ["RankedListLoss"]

SMALL = 1e-5  # is added to each weight, as peers do


class RankedListLoss(Loss):
    """Positives are pulled to within boundary - margin of their anchor, negatives pushed beyond the boundary.

    The mean over anchors of (1 - imbalance) times the weighted mean of d - (boundary - margin) over the positives that
    are farther, plus imbalance times that of boundary - d over the negatives that are nearer. A violation x weighs
    exp(t x), with t the temperature of positives or negatives. d is the Euclidean distance of unit vectors.

    Args:
        margin: Width between positives and negatives, 0 or more.
        boundary: Smallest distance of negatives; None is 1 + margin / 2.
        negative_temperature: t of negatives, from 0, which weighs all alike, to 20.
        positive_temperature: t of positives.
        imbalance: Share of the negatives' term, from 0 to 1.
        gather: Compute over the batches of all processes.

    Attributes:
        stats: "active" (share of the pairs that are on the wrong side), means and hardest of "positive_distance" and
            "negative_distance", "empty_batches".
    """

    def __init__(
        self, margin: float = 0.4, boundary: float | None = None, negative_temperature: float = 10.0,
        positive_temperature: float = 0.0, imbalance: float = 0.5, gather: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(gather)
        if not margin >= 0 or not 0 <= imbalance <= 1:
            raise BadInput(f"margin is {margin} and imbalance {imbalance}; they must be 0 or more, and between 0 and 1")
        if not (0 <= negative_temperature <= 20 and 0 <= positive_temperature <= 20):
            given = f"{negative_temperature} and {positive_temperature}"
            raise BadInput(f"negative_temperature and positive_temperature are {given}; they must be from 0 to 20")
        self.margin, self.imbalance = margin, imbalance
        self.boundary = 1 + margin / 2 if boundary is None else boundary
        self.negative_temperature, self.positive_temperature = negative_temperature, positive_temperature

    def compute(self, pairs: Pairs) -> Tensor | None:
        if not (pairs.positive.any() or pairs.negative.any()):
            return None
        unit = normalize(pairs.rows)
        distances = euclidean(unit, unit if pairs.others is pairs.rows else normalize(pairs.others))
        far = pairs.positive & (distances > self.boundary - self.margin)
        near = pairs.negative & (distances < self.boundary) & (distances > 0)
        pulled = _mean(distances - (self.boundary - self.margin), far, self.positive_temperature)
        pushed = _mean(self.boundary - distances, near, self.negative_temperature)
        active = (far.sum() + near.sum()) / (pairs.positive.sum() + pairs.negative.sum())
        self.note(active=active, **pairs.summary(distances, "distance"))
        return ((1 - self.imbalance) * pulled + self.imbalance * pushed).mean()


def _mean(violations: Tensor, chosen: Tensor, temperature: float) -> Tensor:
    """The weighted mean (B,) of the chosen violations (B, M)."""
    kept = violations.masked_fill(~chosen, 0)
    weights = torch.exp(temperature * kept).masked_fill(~chosen, 0)
    return (weights * kept).sum(dim=1) / (weights.sum(dim=1) + SMALL * violations.shape[1])
