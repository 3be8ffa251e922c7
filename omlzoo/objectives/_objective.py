"""The base class of objectives, which compute a scalar from several views of each picture, without labels."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from omlzoo.catalog import described, shared
from omlzoo.errors import BadInput
from omlzoo.ops.all_gather import gather, processes
from omlzoo.ops.pairs import check_batch

__all__ = ["Objective", "head", "ordered_pairs", "ramp"]

Takes = Literal["embedding", "map", "tokens", "visible"]


class Objective(nn.Module):
    """The base class of objectives over views, which implement :meth:`compute`.

    It checks the views, gathers those of all processes if asked to, converts half precision to float32, and counts the
    batches from which nothing can be learned. An objective holds what it alone trains (predictors, prototypes) and what
    it remembers (queues, centres). The projector is made by it and owned by the loop, which also keeps the teacher, an
    exponential average of the model and its projector.

    Args:
        width: The dimension of the body's embedding.
        gather: Compute over the views of all processes (torch.distributed), with gradients, so that every statistic is
            that of the whole batch. Parameters of the objective then get the gradient of the whole batch in each
            process; wrap the model, not the objective, in DistributedDataParallel.

    Attributes:
        teacher: Whether a teacher sees views too.
        kept: Whose body becomes the entry.
        teacher_views: How many of the first views the teacher sees, which are the global ones; None for all.
        unseen: How many of the first views the student need not see; they may be None among its views.
        two_views: Whether it compares one view with one other, so that more of them would be computed for nothing.
        clusters: Whether :meth:`begin_epoch` wants the vectors of all pictures.
        takes: What its projector takes: "embedding" (B, width); or the body and its images, of which it uses the
            feature "map" or the patches, the "tokens" of patches some of which are hidden, or those of "visible"
            patches alone.
        least_views: How many views it needs.
        can_collapse: Whether vectors that are all alike are its failure, and not only those of a poor model.
        momentum: Momentum of the teacher at the first step.
        constant_momentum: Whether it stays; otherwise it rises to 1 as a cosine by step.
        at_least: The number of pictures below which a batch teaches nothing.
    """

    teacher: ClassVar[bool] = False
    kept: ClassVar[Literal["student", "teacher"]] = "student"
    clusters: ClassVar[bool] = False
    takes: ClassVar[Takes] = "embedding"
    least_views: ClassVar[int] = 2
    can_collapse: ClassVar[bool] = True
    at_least: ClassVar[int] = 2
    teacher_views: int | None = None
    unseen: int = 0
    two_views: bool = False
    momentum: float = 0.996
    constant_momentum: bool = False

    def __init__(self, width: int, gather: bool = False) -> None:
        super().__init__()
        if width < 1:
            raise BadInput(f"width is {width}; it must be the dimension of the body's embedding, 1 or more")
        self.width, self.gather = width, gather
        self.empty_batches = 0
        self._last: dict[str, Tensor | float] = {}
        self._flat: Tensor | float | None = None

    def __repr__(self) -> str:
        return described(self)

    def make_projector(self) -> nn.Module | None:
        """A fresh projector from what it takes, for the student or the teacher; None where there is none."""
        return None

    def vectors(self, outputs: Tensor) -> Tensor:
        """What in outputs (B, D) of the projector is a vector of each picture: all, unless it says more.

        Args:
            outputs: (B, D).
        """
        return outputs

    def begin_step(self, step: int, steps: int) -> None:
        """Set what follows a schedule, before a step.

        Args:
            step: The number of the step, from 0.
            steps: The number of steps of the whole run.
        """

    @property
    def looks_around(self) -> bool:
        """Whether :meth:`begin_epoch` has a use for the vectors of all pictures now; by default where ``clusters``."""
        return self.clusters

    def begin_epoch(self, vectors: Tensor, ids: Tensor) -> None:
        """Look at all pictures, before an epoch; only objectives with ``clusters`` do.

        Args:
            vectors: (N, D), the teacher's projections of all pictures, one plain view of each.
            ids: (N,), which picture each is.
        """

    def held(self, projector: nn.Module) -> list[nn.Parameter]:
        """The parameters of the student's projector whose gradients are dropped in this step, after the backward pass.

        They are set to None, not to 0: an optimizer then neither moves nor decays them, nor counts the step.
        """
        return []

    def constant_rate(self) -> list[nn.Parameter]:
        """Own parameters whose learning rate does not fall."""
        return []

    def without_decay(self) -> list[nn.Parameter]:
        """Own parameters without weight decay: biases and norms, and the prototypes where there are some."""
        return [each for name, each in self.named_parameters() if each.ndim < 2 or name.endswith("prototypes")]

    @property
    def stats(self) -> dict[str, float]:
        """Numbers of the last call, and "empty_batches", how many batches so far gave nothing to learn from."""
        last = {name: float(value) for name, value in self._last.items()}
        return {**last, "empty_batches": float(self.empty_batches)}

    @property
    def flat(self) -> float | None:
        """The value that says that nothing is learned, all candidates being equally likely; None where there is none.

        It is that of the last batch, since the number of candidates may follow from it.
        """
        return None if self._flat is None else float(self._flat)

    def note(self, **numbers: Tensor | float) -> None:
        """Keep numbers of this call for :attr:`stats`. Tensors () are detached and converted only when read."""
        self._last = {name: n.detach() if isinstance(n, Tensor) else float(n) for name, n in numbers.items()}

    def compute(self, student: list[Tensor], teacher: list[Tensor], ids: Tensor) -> Tensor | None:
        """The value (), in float32 or float64; None where nothing can be learned from the batch.

        Args:
            student: Outputs (B, D) of the student's projector, one for each view; views of ``unseen`` may be empty.
            teacher: Those of the teacher's, for its views, without gradients; empty without a teacher.
            ids: (B,), which picture each row is. Rows with equal ids are neither positive nor negative pairs.
        """
        raise NotImplementedError

    def forward(self, student: Sequence[Tensor | None], teacher: Sequence[Tensor] | None, ids: Tensor) -> Tensor:
        """The value () for a batch; 0 with a gradient of 0 where nothing can be learned from it.

        Args:
            student: Outputs (B, D) of the student's projector, one for each view; the first ``unseen`` may be None.
            teacher: Those of the teacher's, for its views; None without a teacher.
            ids: (B,), integer, which picture each row is; the pictures of a burst are one.

        Raises:
            BadInput: There are too few views, their shapes do not fit, or a value is not finite.
        """
        seen = [view for view in student if view is not None]
        masters = list(teacher or []) if self.teacher else []
        self._check(list(student), seen, masters, ids)
        names = ids
        if self.gather and processes() > 1:
            whole, names = _gathered(seen, ids)
            masters = _gathered([view.detach() for view in masters], ids)[0] if masters else []
        else:
            whole = seen
        with torch.autocast(ids.device.type, enabled=False):
            ready = [_precise(view) for view in whole]
            missing = [ready[0].new_empty(0, ready[0].shape[1])] * (len(student) - len(seen))
            masters = [_precise(view.detach()) for view in masters]
            value = self.compute(missing + ready, masters, names) if len(names) >= self.at_least else None
        if value is None:
            self.empty_batches += 1
            self._last = {}
            return sum(((view * 0).sum() for view in ready), start=ready[0].new_zeros(()))
        return value

    def _check(self, student: list[Tensor | None], seen: list[Tensor], teacher: list[Tensor], ids: Tensor) -> None:
        name = type(self).__name__
        if len(student) < self.least_views:
            least = "two" if self.least_views == 2 else "one"
            raise BadInput(
                f"{name} was called with {len(student)} view of the student; give {least} or more views of each picture"
            )
        if any(view is None for view in student[self.unseen :]) or not seen:
            raise BadInput(
                f"{name} needs the student's views from number {self.unseen} on; None stands for an earlier one"
            )
        if self.teacher and not teacher:
            raise BadInput(f"{name} compares with a teacher; give the teacher's outputs of the first views")
        if len(teacher) > len(student):
            raise BadInput(
                f"{name} was called with {len(teacher)} views of the teacher and {len(student)} of the student"
            )
        for who, views in (("student", seen), ("teacher", teacher)):
            for view in views:
                check_batch(view, ids, f"the {who}'s views")
                if self.takes == "embedding" and view.shape[1] != seen[0].shape[1]:
                    raise BadInput(
                        f"views of {name} have {view.shape[1]} and {seen[0].shape[1]} columns; make them equal"
                    )


def head(name: str, *arguments: Any, **settings: Any) -> nn.Module:
    """A head of ``omlzoo.models._heads``, looked up by its name.

    Args:
        name: "Perceptron" or "PrototypeHead".
        arguments: Its arguments.
        settings: Its arguments by name.
    """
    made: nn.Module = shared("models._heads", name)(*arguments, **settings)
    return made


def ordered_pairs(first: int, second: int) -> list[tuple[int, int]]:
    """All (i, j) with i below ``first``, j below ``second``, and i != j: two different views, in both orders.

    Args:
        first: The number of views on one side.
        second: The number on the other side.
    """
    return [(i, j) for i in range(first) for j in range(second) if i != j]


def ramp(start: float, end: float, step: int, over: int) -> float:
    """The value at a step of a straight line from ``start`` to ``end``, which it reaches after ``over`` steps.

    Args:
        start: The value at step 0.
        end: The value from step ``over`` on.
        step: The step, from 0.
        over: The number of steps, 0 or more.
    """
    return end if step >= over else start + (end - start) * step / over


def _precise(view: Tensor) -> Tensor:
    return view.float() if view.dtype in (torch.float16, torch.bfloat16) else view


def _gathered(views: list[Tensor], ids: Tensor) -> tuple[list[Tensor], Tensor]:
    """The views of all processes by one exchange, and their ids."""
    whole, names = gather(torch.cat(views, dim=1), ids)
    return list(torch.split(whole, [view.shape[1] for view in views], dim=1)), names
