"""Objectives: what a step minimises, computed from the outputs of a model, and of a teacher if there is one.

A loss over embeddings and labels is one kind of objective, :class:`Supervised`. Others look at several views of each
picture, at a teacher's outputs beside the student's, or at no labels at all; the loop is the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from omlzoo.models._extractor import unit
from omlzoo.objectives._objective import Objective

__all__ = ["Captioned", "Outputs", "OverViews", "Supervised"]


@dataclass(frozen=True)
class Outputs:
    """Outputs for a batch of B pictures; an objective is a module that is called with them and returns a scalar.

    Attributes:
        student: Outputs (B, D) of the model that is trained, one tensor for each view of the pictures; None for views
            that the objective does not need.
        teacher: Outputs (B, D) of the teacher, one tensor for each view, without gradients; None without a teacher.
        labels: Label codes (B,).
        rows: Row numbers (B,) of the pictures in the table of the training rows.
    """

    student: Sequence[Tensor | None]
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


class Captioned(Supervised):
    """The objective of a loss over pictures and their captions, whose outputs are those of the second view.

    Args:
        loss: Called with embeddings (B, D) of pictures, those of their captions, and the captions' numbers (B,).
    """

    def forward(self, outputs: Outputs) -> Tensor:
        """The loss, a scalar."""
        value: Tensor = self.loss(*outputs.student, outputs.labels)
        return value


class OverViews(nn.Module):
    """An objective over views of pictures, without labels; two pictures of one id, such as a burst, count as one.

    Args:
        objective: Called with the outputs of the model for each view, those of the teacher, and the ids (B,).
    """

    def __init__(self, objective: Objective) -> None:
        super().__init__()
        self.objective = objective
        self.spread = float("nan")

    def begin_step(self, step: int, steps: int) -> None:
        """Set what follows from the step, such as temperatures.

        Args:
            step: The number of the step, from 0.
            steps: Number of steps of the whole run.
        """
        self.objective.begin_step(step, steps)

    @property
    def kept(self) -> str:
        """Whose body is kept: "student" or "teacher"."""
        return self.objective.kept

    @property
    def teacher_views(self) -> int | None:
        """How many of the first views the teacher sees; None for all."""
        return self.objective.teacher_views

    @property
    def unseen(self) -> int:
        """How many of the first views the student need not see."""
        return self.objective.unseen

    def held(self, projector: nn.Module | None) -> list[nn.Parameter]:
        """Parameters of the projector whose gradients are dropped in this step."""
        return [] if projector is None else self.objective.held(projector)

    @property
    def flat(self) -> float | None:
        """The value of a loss that learns nothing, where it is known."""
        return self.objective.flat

    def forward(self, outputs: Outputs) -> Tensor:
        """The objective, a scalar."""
        seen = next(view for view in outputs.student if view is not None).detach()
        first = unit(self.objective.vectors(seen).float())
        self.spread = float(first.std(dim=0).mean()) * first.shape[1] ** 0.5 if len(first) > 1 else float("nan")
        value: Tensor = self.objective(outputs.student, outputs.teacher, outputs.labels)
        return value

    @property
    def stats(self) -> dict[str, float]:
        """The objective's own statistics of the last batch, and how far the outputs of the first view are spread.

        "spread" is the mean standard deviation of their unit vectors times the root of the dimension: 1 where they are
        spread evenly, 0 where all are equal.
        """
        return {**self.objective.stats, "spread": self.spread}
