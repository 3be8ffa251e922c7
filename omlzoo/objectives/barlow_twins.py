"""Barlow Twins (arXiv 2103.03230)."""

import torch
from torch import Tensor, nn

from omlzoo.losses._loss import positive_number
from omlzoo.objectives._contrast import agreement
from omlzoo.objectives._objective import Objective, head, ordered_pairs

__all__ = ["BarlowTwins"]


class BarlowTwins(Objective):
    """The correlations of the dimensions of two views are near 1 on the diagonal and near 0 elsewhere.

    The value is the sum of (C_ii - 1)^2 plus ``weight`` times the sum of C_ij^2, i != j, with C the correlations over
    the batch. In the authors' code processes add up their C outside of the gradient, which makes it 1 / (number of
    processes) of the true one; here it is the true one. With more than two views it is the mean over their pairs.

    Args:
        width: The dimension of the body's embedding.
        weight: Weight of the correlations of different dimensions, above 0.
        hidden: The dimension of the two hidden layers of the projector.
        dim: The dimension of the projection.
        gather: Compute over the views of all processes.

    Attributes:
        stats: "diagonal", "off_diagonal" (the two sums), "positive_cosine", "negative_cosine", "empty_batches".
    """

    def __init__(
        self, width: int, weight: float = 0.0051, hidden: int = 8192, dim: int = 8192, gather: bool = False
    ) -> None:
        super().__init__(width, gather)
        self.weight, self.hidden, self.dim = positive_number("weight", weight), hidden, dim

    def make_projector(self) -> nn.Module:
        """Three linear layers without bias, with batch norm in between."""
        return head("Perceptron", [self.width, self.hidden, self.hidden, self.dim])

    def compute(self, student: list[Tensor], teacher: list[Tensor], ids: Tensor) -> Tensor:
        rows = [nn.functional.batch_norm(view, None, None, training=True) for view in student]
        on, off = [], []
        for i, j in ordered_pairs(len(rows), len(rows)):
            if i < j:
                correlation = rows[i].T @ rows[j] / len(ids)
                own = correlation.diagonal()
                on.append((own - 1).square().sum())
                off.append(correlation.square().sum() - own.square().sum())
        diagonal, rest = torch.stack(on).mean(), torch.stack(off).mean()
        self.note(diagonal=diagonal, off_diagonal=rest, **agreement(student[0], student[1], ids))
        return diagonal + self.weight * rest
