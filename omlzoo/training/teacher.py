"""The teacher of self-supervised objectives: an exponential average of the model that is trained."""

import copy
from collections.abc import Iterable
from math import cos, pi
from typing import Any

import torch
from torch import Tensor, nn

from omlzoo.models._dense_heads import MaskedPrototypes

__all__ = ["Teacher"]


class Teacher(nn.Module):
    """A copy of a model whose parameters follow it, as in MoCo (arXiv 1911.05722) and BYOL (arXiv 2006.07733).

    The momentum rises to 1 as a cosine by the step: 1 - (1 - a)(1 + cos(pi k / N)) / 2. Parameters follow after each
    optimizer step. Batch norm has statistics of its own, of what the teacher sees in training.

    Args:
        student: The model to follow. The copy has no gradients, leaves no blocks out (drop path) and hides no patches.
        momentum: The momentum a of the first step, in [0, 1].
        steps: The number N of steps of the whole run.
        constant: Whether the momentum stays as it is.
    """

    def __init__(self, student: nn.Module, momentum: float, steps: int, constant: bool = False) -> None:
        super().__init__()
        self.module = copy.deepcopy(student).requires_grad_(False)
        parts: Iterable[Any] = self.module.modules()
        for part in parts:
            if hasattr(part, "drop_prob"):
                part.drop_prob = 0.0
            if isinstance(part, MaskedPrototypes):
                part.masking = False
        self.first, self.total, self.constant = momentum, steps, constant

    def momentum(self, step: int) -> float:
        """The momentum of a step, a number from 0."""
        if self.constant:
            return self.first
        return 1 - (1 - self.first) * (1 + cos(pi * min(step, self.total) / max(1, self.total))) / 2

    def in_mode_of(self, student: nn.Module) -> None:
        """Put each part into the mode of the student's: training, and evaluation where a stage is frozen."""
        for ours, theirs in zip(self.module.modules(), student.modules(), strict=True):
            ours.training = theirs.training

    @torch.no_grad()
    def follow(self, student: nn.Module, step: int) -> None:
        """Move the parameters towards the student's.

        Args:
            student: The model, of the teacher's own architecture.
            step: The number of the step that was taken, from 0.
        """
        keep = self.momentum(step)
        for ours, theirs in zip(self.module.parameters(), student.parameters(), strict=True):
            ours.lerp_(theirs.to(ours.dtype), 1 - keep)

    def forward(self, given: Tensor) -> Any:
        return self.module(given)
