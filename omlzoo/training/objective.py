"""Objectives: what a step minimises, computed from the outputs of a model, and of a teacher if there is one.

A loss over embeddings and labels is one kind of objective, :class:`Supervised`. Others look at several views of each
picture, at a teacher's outputs beside the student's, or at no labels at all; the loop is the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

__all__ = ["Outputs", "Supervised"]


@dataclass(frozen=True)
class Outputs:
    """Outputs for a batch of B pictures; an objective is a module that is called with them and returns a scalar.

    Attributes:
        student: Outputs (B, D) of the model that is trained, one tensor for each view of the pictures.
        teacher: Outputs (B, D) of the teacher, one tensor for each view, without gradients; None without a teacher.
        labels: Label codes (B,).
        rows: Row numbers (B,) of the pictures in the table of the training rows.
    """

    student: Sequence[Tensor]
    teacher: Sequence[Tensor] | None
    labels: Tensor
    rows: Tensor


class Supervised(nn.Module):
    """The objective of a loss over the embeddings of the first view.

    Args:
        loss: Called with embeddings (B, D) and labels (B,).
    """

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, outputs: Outputs) -> Tensor:
        """The loss, a scalar."""
        value: Tensor = self.loss(outputs.student[0], outputs.labels)
        return value

    @property
    def stats(self) -> dict[str, float]:
        """The loss's own statistics of the last batch."""
        return dict(getattr(self.loss, "stats", {}))
