"""VICReg (arXiv 2105.04906)."""

import torch
from torch import Tensor, nn

from omlzoo.objectives._contrast import agreement
from omlzoo.objectives._objective import Objective, head, ordered_pairs

__all__ = ["VICReg"]


class VICReg(Objective):
    """Views of a picture agree, each dimension varies over the batch, and different dimensions are uncorrelated.

    As in the authors' code, and unlike their paper, the first term is a mean over the dimensions and the second is
    halved. With more than two views the first is the mean over pairs of views, the others are means over views in the
    proportion that two views have.

    Args:
        width: The dimension of the body's embedding.
        invariance: Weight of the squared distance of two views.
        variance: Weight of what is missing to a standard deviation of 1.
        covariance: Weight of the squared covariances of different dimensions.
        hidden: The dimension of the two hidden layers of the projector.
        dim: The dimension of the projection.
        gather: Compute over the views of all processes.

    Attributes:
        stats: "invariance", "variance", "covariance" (the terms before their weights), "positive_cosine",
            "negative_cosine", "empty_batches".
    """

    def __init__(
        self, width: int, invariance: float = 25.0, variance: float = 25.0, covariance: float = 1.0, hidden: int = 8192,
        dim: int = 8192, gather: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(width, gather)
        self.invariance, self.variance, self.covariance = invariance, variance, covariance
        self.hidden, self.dim = hidden, dim

    def make_projector(self) -> nn.Module:
        """Three linear layers with batch norm in between; the last has no bias."""
        return head("Perceptron", [self.width, self.hidden, self.hidden, self.dim], bias=True)

    def compute(self, student: list[Tensor], teacher: list[Tensor], ids: Tensor) -> Tensor:
        pairs = [(i, j) for i, j in ordered_pairs(len(student), len(student)) if i < j]
        near = torch.stack([nn.functional.mse_loss(student[i], student[j]) for i, j in pairs]).mean()
        spread = torch.stack([(1 - (view.var(dim=0) + 1e-4).sqrt()).relu().mean() for view in student]).mean()
        tied = 2 * torch.stack([_off_diagonal(view) for view in student]).mean()
        self.note(invariance=near, variance=spread, covariance=tied, **agreement(student[0], student[1], ids))
        return self.invariance * near + self.variance * spread + self.covariance * tied


def _off_diagonal(view: Tensor) -> Tensor:
    """The sum of the squared covariances of different dimensions, divided by their number D."""
    centred = view - view.mean(dim=0)
    covariance = centred.T @ centred / (len(view) - 1)
    return (covariance.square().sum() - covariance.diagonal().square().sum()) / view.shape[1]
