"""BYOL (arXiv 2006.07733)."""

import torch
from torch import Tensor, nn

from omlzoo.objectives._contrast import agreement
from omlzoo.objectives._objective import Objective, head, ordered_pairs
from omlzoo.ops.unit_rows import normalize

__all__ = ["BYOL"]


class BYOL(Objective):
    """The student predicts the teacher's projection of another view: 2 - 2 cosines, summed over both directions.

    As in the authors' code the directions are summed. Lightly's loop takes the mean of -cosine over the directions,
    whose gradient is a quarter of this one. With more than two views the value is twice the mean over the pairs of a
    view of the teacher and another of the student. The authors' teacher starts from a draw of its own; here it starts
    as the student, as in Lightly, since the body usually has weights already.

    Args:
        width: The dimension of the body's embedding.
        hidden: The dimension of the hidden layer of projector and predictor.
        dim: The dimension of the projection.
        momentum: Of the teacher, at first: the authors' 0.996 for 1,000 epochs of ImageNet, 0.99 for 100 and 300.
        gather: Compute over the views of all processes; the predictor's batch norm then sees the whole batch.

    Attributes:
        predictor: The student's predictor, trained with the model.
        stats: "positive_cosine" and "negative_cosine" of predictions and the teacher's projections, "empty_batches".
    """

    teacher = True

    def __init__(
        self, width: int, hidden: int = 4096, dim: int = 256, momentum: float = 0.996, gather: bool = False
    ) -> None:
        super().__init__(width, gather)
        self.hidden, self.dim, self.momentum = hidden, dim, momentum
        self.predictor = head("Perceptron", [dim, hidden, dim], bias=True)

    def make_projector(self) -> nn.Module:
        """One hidden layer with bias and batch norm; the last layer has neither."""
        return head("Perceptron", [self.width, self.hidden, self.dim], bias=True)

    def compute(self, student: list[Tensor], teacher: list[Tensor], ids: Tensor) -> Tensor:
        predicted = [self.predictor(view) for view in student]
        pairs = ordered_pairs(len(teacher), len(student))
        near = [(normalize(teacher[t]) * normalize(predicted[s])).sum(dim=1).mean() for t, s in pairs]
        self.note(**agreement(predicted[1], teacher[0], ids))
        return 2 * (2 - 2 * torch.stack(near).mean())
