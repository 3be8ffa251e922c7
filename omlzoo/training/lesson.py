"""A lesson: what a student is taught by a teacher's vectors, and by labels where there are some."""

import copy
import inspect
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Sampler

from omlzoo import catalog
from omlzoo.data.table import Table
from omlzoo.errors import BadInput
from omlzoo.ops.all_gather import gather as gathered
from omlzoo.training.mixed_batches import MixedBatches
from omlzoo.training.objective import Outputs
from omlzoo.training.parts import make_loss, make_sampler
from omlzoo.training.recipe import Recipe
from omlzoo.training.teacher_vectors import TeacherVectors

__all__ = ["Lesson", "Taught"]

DISTILLATION = "SimilarityDistillation"
DEFAULTS = {"teacher_temperature": 0.05, "temperature": 0.1, "unscaled": True}  # docs/distillation.md has the reasons
QUEUE = 1024  # the teacher's vectors that rows are compared with, where there are as many


@dataclass(frozen=True)
class Lesson:
    """A teacher's vectors, and how a run learns from them.

    Attributes:
        teacher: The vectors.
    """

    teacher: TeacherVectors

    def batches(self, rows: Table, recipe: Recipe) -> Sampler[list[int]]:
        """Row numbers of each batch: labelled ones where the labels have a weight, then some of all rows.

        Args:
            rows: The rows to train on, with the column label, "" where a row has none.
            recipe: The settings.

        Raises:
            BadInput: No row has a label where they have a weight, or the sampler cannot draw such batches of them.
        """
        if recipe.teacher_weight == 1:
            return MixedBatches(len(rows), recipe.n_taught, recipe.seed)
        has = _labelled(rows)
        if not has.any():
            weight = recipe.teacher_weight
            raise BadInput(f"teacher_weight is {weight}, but no training row has a label; set teacher_weight to 1")
        places = np.flatnonzero(has).tolist()
        return MixedBatches(len(rows), recipe.n_taught, recipe.seed, make_sampler(rows.rows(has), recipe), places)

    def objective(self, rows: Table, recipe: Recipe, dim: int, gather: bool = False) -> "Taught":
        """What a step of the run minimises.

        Args:
            rows: The rows to train on.
            recipe: The settings.
            dim: Dimension of the student's embeddings.
            gather: Whether it is computed over the batches of all processes together.

        Raises:
            BadInput: The arguments of the teacher or of the loss are not ones that it takes.
        """
        loss, queue = teaching_loss(recipe, len(rows))
        known = Known(torch.from_numpy(self.teacher.vectors(rows)[0]), label_codes(rows))
        width = known.vectors.shape[1]
        head = nn.Linear(dim, width) if queue and width != dim else None
        labelled = None
        if recipe.teacher_weight < 1:
            labelled = make_loss(recipe, dim, int(known.codes.max()) + 1)
        return Taught(loss, known, recipe.teacher_weight, queue, labelled, head, recipe.seed, gather)


def teaching_loss(recipe: Recipe, rows: int) -> tuple[nn.Module, int]:
    """The loss between student and teacher, and the number of the teacher's vectors in the queue, 0 for none.

    Args:
        recipe: The settings.
        rows: Number of rows to train on.

    Raises:
        BadInput: An argument is not one that it takes, or breaks its rule.
    """
    kind = catalog.find("losses", DISTILLATION)
    takes = [*(name for name in inspect.signature(kind).parameters if name != "gather"), "queue"]
    given = DEFAULTS | {name: None if value == "none" else value for name, value in recipe.teacher_args.items()}
    for name in given:
        if name not in takes:
            raise BadInput(f"teacher_args has {name!r}; it takes {', '.join(takes)}")
    queue = given.pop("queue", min(QUEUE, rows))
    if not isinstance(queue, int) or isinstance(queue, bool) or not 0 <= queue <= rows:
        raise BadInput(
            f"queue of teacher_args is {queue!r}; it must be a whole number from 0 to {rows}, the training rows"
        )
    try:
        made: nn.Module = kind(**given)
    except TypeError as error:
        raise BadInput(f"teacher_args {given} do not suit {DISTILLATION}: {error}") from error
    return made, queue


def label_codes(rows: Table) -> Tensor:
    """Codes (N,) of the labels, 0, 1, ... in order of their first occurrence; -1 in rows without a label."""
    labels, has = rows.frame["label"].to_numpy(), _labelled(rows)
    codes = {label: code for code, label in enumerate(dict.fromkeys(labels[has].tolist()))}
    return torch.tensor([codes[label] if known else -1 for label, known in zip(labels.tolist(), has, strict=True)])


def _labelled(rows: Table) -> np.ndarray:
    return (rows.frame["label"].astype(str) != "").to_numpy()


@dataclass(frozen=True)
class Known:
    """What is known of each training row; a copy of the run's objective shares it.

    Attributes:
        vectors: (N, E) float32, the teacher's.
        codes: (N,), codes of the labels; -1 in rows without one.
    """

    vectors: Tensor
    codes: Tensor

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return copy.copy(self)


class Taught(nn.Module):
    """The objective of distillation: (1 - a) x the loss of the labelled rows + a x the teacher's term of all rows.

    It is SimCLRv2's (arXiv 2006.10029) with embeddings in place of classes: the teacher's term compares a row's
    similarities to other pictures with those that the teacher sees.

    Args:
        teaching: Called with embeddings of student and teacher, and anchors, such as
            :class:`omlzoo.losses.SimilarityDistillation`.
        known: The teacher's vectors and the label codes of the training rows.
        weight: a, above 0, up to 1.
        queue: Number of the teacher's vectors that rows are compared with, drawn anew in each step, beside those of the
            batch itself; 0 compares the rows of the batch with each other.
        loss: Called with embeddings (B, D) and labels (B,) of the labelled rows; None where a is 1.
        head: From the student's embeddings to the teacher's dimension, for a queue; it is not kept.
        seed: Seed of the draws.
        gather: Whether to compute over the batches of all processes together.
    """

    calls: Tensor

    def __init__(
        self,
        teaching: nn.Module,
        known: Known,
        weight: float,
        queue: int = 0,
        loss: nn.Module | None = None,
        head: nn.Module | None = None,
        seed: int = 0,
        gather: bool = False,
    ) -> None:
        super().__init__()
        self.teaching, self.known, self.weight, self.queue = teaching, known, weight, queue
        self.loss, self.head, self.seed, self.gather = loss, head, seed, gather
        self.register_buffer("calls", torch.zeros((), dtype=torch.long))

    def forward(self, outputs: Outputs) -> Tensor:
        """The objective, a scalar.

        Raises:
            BadInput: There are no outputs for the first view.
        """
        student, rows = outputs.student[0], outputs.rows
        if student is None:
            raise BadInput("a student is taught by the embeddings of its first view; it is None")
        if self.gather:
            student, rows = gathered(student, rows.to(student.device))
        rows = rows.cpu()
        teacher = self.known.vectors[rows].to(student.device)
        value: Tensor = self.teaching(self._placed(student), teacher, self._anchors(teacher))
        if self.loss is None:
            return self.weight * value
        codes = self.known.codes[rows].to(student.device)
        labelled = codes >= 0
        own: Tensor = self.loss(student[labelled], codes[labelled])
        return self.weight * value + (1 - self.weight) * own

    @property
    def stats(self) -> dict[str, float]:
        """Statistics of the teacher's term and of the labelled loss, of the last batch."""
        return {**dict(getattr(self.loss, "stats", {})), **dict(getattr(self.teaching, "stats", {}))}

    def _placed(self, student: Tensor) -> Tensor:
        """The embeddings where the teacher's vectors are."""
        if self.head is None:
            return student
        placed: Tensor = self.head(student)
        return placed

    def _anchors(self, teacher: Tensor) -> Tensor | None:
        """The teacher's vectors of the batch (B, E) and ``queue`` others; equal in all processes."""
        if not self.queue:
            return None
        random = np.random.default_rng((self.seed, int(self.calls)))
        self.calls += 1
        drawn = torch.from_numpy(random.integers(0, len(self.known.vectors), self.queue))
        return torch.cat([teacher, self.known.vectors[drawn].to(teacher.device)])
