"""What a step minimises: a number made of what a model, and a teacher if there is one, gave of a batch.

A loss over embeddings and labels is one kind of objective, :class:`Supervised`. Others look at several views of each
picture, at a teacher's outputs beside the student's, or at no labels at all; the loop is the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

__all__ = ["Outputs", "Supervised"]


@dataclass(frozen=True)
class Outputs:
    """What was made of a batch of B pictures; an objective is a module that is called with it and returns a scalar.

    Attributes:
        student: (B, D) of the model that is trained, one for each view of the pictures.
        teacher: (B, D) of the teacher, one for each view, without a gradient; None where there is no teacher.
        labels: (B,) label codes.
        rows: (B,) which picture of the table each is.
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
