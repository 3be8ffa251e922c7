"""SimSiam (arXiv 2011.10566)."""

import torch
from torch import Tensor, nn

from omlzoo.objectives._contrast import agreement
from omlzoo.objectives._objective import Objective, head, ordered_pairs
from omlzoo.ops.unit_rows import normalize

__all__ = ["SimSiam"]


class SimSiam(Objective):
    """A predictor foretells the projection of another view, which gets no gradient: the mean of -cosine.

    The authors let the predictor's learning rate stay, and decay every parameter, so :meth:`constant_rate` gives the
    predictor and :meth:`without_decay` nothing. It learns from small data with care only: -1 within an epoch is a
    collapse.

    Args:
        width: The dimension of the body's embedding.
        dim: The dimension of the projector's layers, two hidden ones and the last.
        hidden: The dimension of the predictor's hidden layer.
        gather: Compute over the views of all processes; the predictor's batch norm then sees the whole batch.

    Attributes:
        predictor: Trained with the model.
        stats: "positive_cosine" and "negative_cosine" of predictions and projections, "empty_batches".
    """

    def __init__(self, width: int, dim: int = 2048, hidden: int = 512, gather: bool = False) -> None:
        super().__init__(width, gather)
        self.dim, self.hidden = dim, hidden
        self.predictor = head("Perceptron", [dim, hidden, dim], last_bias=True)

    def make_projector(self) -> nn.Module:
        """Three linear layers, each with a batch norm, the last of which has neither gain nor offset."""
        return head("Perceptron", [self.width, self.dim, self.dim, self.dim], last_norm="plain")

    def constant_rate(self) -> list[nn.Parameter]:
        """The predictor's."""
        return list(self.predictor.parameters())

    def without_decay(self) -> list[nn.Parameter]:
        """None: the authors decay all."""
        return []

    def compute(self, student: list[Tensor], teacher: list[Tensor], ids: Tensor) -> Tensor:
        predicted = [normalize(self.predictor(view)) for view in student]
        fixed = [normalize(view.detach()) for view in student]
        pairs = ordered_pairs(len(student), len(student))
        near = [(predicted[i] * fixed[j]).sum(dim=1).mean() for i, j in pairs]
        self.note(**agreement(predicted[0], fixed[1], ids))
        return -torch.stack(near).mean()
