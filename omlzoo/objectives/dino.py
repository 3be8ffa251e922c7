"""DINO (arXiv 2104.14294), with the choices of DINOv2 (arXiv 2304.07193) by argument."""

import math

import torch
from torch import Tensor, nn

from omlzoo.errors import BadInput
from omlzoo.losses._loss import positive_number
from omlzoo.objectives._assignment import entropies
from omlzoo.objectives._objective import Objective, head
from omlzoo.objectives._self_distillation import (
    Centring,
    cross_entropy_of_views,
    follow,
    held_now,
    koleo,
    last_layers,
    teacher_shares,
    warm,
)

__all__ = ["DINO"]


class DINO(Objective):
    """The student's shares of prototypes in every view follow the teacher's in the global views.

    The value is the mean over pairs of a teacher's view and another view of the student of the cross-entropy of
    softmax((teacher - centre) / teacher's temperature) and softmax(student / temperature). The centre is a moving mean
    of the teacher's outputs, and moves after it was used. Schedules that the authors give in epochs of ImageNet are
    steps here, and at most a share of the run.

    Args:
        width: The dimension of the body's embedding.
        prototypes: K. Small sets need fewer: 1,024 below 20,000 pictures, 4,096 below 100,000.
        temperature: The student's.
        teacher_temperature: The teacher's after its warm-up; above 0.07 training is unstable.
        start_temperature: The teacher's at the first step.
        warmup: The number of steps of the warm-up, at most three tenths of the run.
        held_steps: For how many steps the prototypes stay as drawn, at most a tenth of the run.
        centring: "centre", or "sinkhorn" as an option of DINOv2, over all views of the teacher together.
        centre_momentum: Of the centre, in [0, 1).
        koleo: Weight of DINOv2's term that spreads the student's embeddings in each global view; its authors take 0.1.
        views: How many first views are global; the teacher sees these.
        momentum: Of the teacher, at first; the authors advise 0.9995 for batches of 256.
        norm: Whether the head has batch norms; the authors have none for transformers.
        hidden: The dimension of the head's two hidden layers.
        bottleneck: The dimension in which the prototypes are.
        gather: Compute over the views of all processes.

    Attributes:
        centre: (K,); part of the state dict.
        stats: "teacher_entropy" (mean entropy of the teacher's outputs), "mean_entropy" (entropy of their mean, ln K
            where all prototypes are used), "agreement" (share of rows with the same largest prototype in two views),
            "teacher_temperature", "koleo", "empty_batches".
    """

    teacher = True
    kept = "teacher"
    at_least = 1
    centre: Tensor

    def __init__(
        self, width: int, prototypes: int = 65_536, temperature: float = 0.1, teacher_temperature: float = 0.04,
        start_temperature: float = 0.04, warmup: int = 37_500, held_steps: int = 1_250,
        centring: Centring = "centre", centre_momentum: float = 0.9, koleo: float = 0.0,
        views: int = 2, momentum: float = 0.996, norm: bool = False, hidden: int = 2048, bottleneck: int = 256,
        gather: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(width, gather)
        if prototypes < 2 or views < 1 or not 0 <= centre_momentum < 1 or centring not in ("centre", "sinkhorn"):
            raise BadInput(
                f"prototypes {prototypes} must be 2 or more, views {views} 1 or more, centre_momentum "
                f"{centre_momentum} in [0, 1), centring {centring!r} 'centre' or 'sinkhorn'"
            )
        self.prototypes, self.temperature = prototypes, positive_number("temperature", temperature)
        self.teacher_temperature = positive_number("teacher_temperature", teacher_temperature)
        self.start_temperature = positive_number("start_temperature", start_temperature)
        self.warmup, self.held_steps, self.centring, self.centre_momentum = (
            warmup,
            held_steps,
            centring,
            centre_momentum,
        )
        self.koleo, self.views, self.teacher_views, self.momentum = koleo, views, views, momentum
        self.norm, self.hidden, self.bottleneck = norm, hidden, bottleneck
        self.register_buffer("centre", torch.zeros(prototypes))
        self._sharpness, self._held = self.teacher_temperature, False

    def make_projector(self) -> nn.Module:
        """Three layers with GELU, L2 norm 1, and the prototypes; with the embedding beside it for KoLeo."""
        widths = [self.width, self.hidden, self.hidden, self.bottleneck]
        return head("PrototypeHead", widths, self.prototypes, norm=self.norm, beside=self.koleo > 0)

    def begin_step(self, step: int, steps: int) -> None:
        """Set the teacher's temperature, and whether the prototypes are held.

        Args:
            step: The number of the step, from 0.
            steps: The number of steps of the whole run.
        """
        self._sharpness = warm(self.start_temperature, self.teacher_temperature, step, steps, self.warmup)
        self._held = held_now(step, steps, self.held_steps)

    def held(self, projector: nn.Module) -> list[nn.Parameter]:
        """The prototypes of the student's projector, at first."""
        return last_layers(projector) if self._held else []

    def compute(self, student: list[Tensor], teacher: list[Tensor], ids: Tensor) -> Tensor | None:
        outputs = [view[:, : self.prototypes] for view in teacher]
        guesses = [(view[:, : self.prototypes] / self.temperature).log_softmax(dim=1) for view in student]
        targets = teacher_shares(outputs, self._sharpness, self.centre, self.centring)
        value = cross_entropy_of_views(targets, guesses)
        if self.koleo:
            spread = koleo([view[:, self.prototypes :] for view in student[: self.views]], ids)
        else:
            spread = value.new_zeros(())
        if self.training and self.centring == "centre":
            follow(self.centre, torch.cat(outputs), self.centre_momentum)
        same = (targets[0].argmax(dim=1) == guesses[1].argmax(dim=1)).float().mean()
        self._flat = math.log(self.prototypes) + self.koleo * spread.detach()
        self.note(**entropies(torch.cat(targets)), agreement=same, teacher_temperature=self._sharpness, koleo=spread)
        return value + self.koleo * spread
