"""Optimizer steps: gradients of the objective, precision, large batches in chunks, averaged weights."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

from omlzoo.errors import BadInput
from omlzoo.models._extractor import Extractor
from omlzoo.models._text_tower import TextTower
from omlzoo.training.distributed import share_gradients
from omlzoo.training.objective import Outputs, OverViews
from omlzoo.training.optimizers import learning_rate, make_optimizer, parameter_groups
from omlzoo.training.recipe import Recipe
from omlzoo.training.teacher import Teacher
from omlzoo.training.training_model import TrainingModel

__all__ = ["Optimization"]

Minimised = Callable[[Sequence[Tensor | None]], Tensor]


class Optimization:
    """Optimizer, learning rates, scaler and average of the weights of a run.

    Args:
        model: What a step calls, images (B, 3, H, W) float to embeddings (B, D): a :class:`TrainingModel`, an
            Extractor, or one of them in DistributedDataParallel.
        objective: Called with :class:`omlzoo.training.objective.Outputs`; its own parameters are trained with the
            model's.
        recipe: The settings.
        steps: Number of steps of the whole run.
        precision: "fp32", "bf16" or "fp16".
        teacher: Follows the model and is called as it is, without gradients, where the objective compares with one.
    """

    def __init__(
        self,
        model: nn.Module,
        objective: nn.Module,
        recipe: Recipe,
        steps: int,
        precision: str,
        teacher: Teacher | None = None,
    ) -> None:
        self.model, self.objective, self.recipe, self.precision = model, objective, recipe, precision
        self.teacher, self.total = teacher, steps
        body = model.module if isinstance(model, DistributedDataParallel) else model
        self.body: nn.Module = body
        self.device = next(chain(body.parameters(), objective.parameters())).device
        groups = parameter_groups(body, objective, recipe)
        self.optimizer = make_optimizer(groups, recipe)
        self.schedule = learning_rate(recipe.lr, steps, recipe.warmup, recipe.schedule)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=precision == "fp16")
        self.average = AveragedModel(body, avg_fn=self._mixed, use_buffers=True) if recipe.ema else None
        self.steps = 0  # done
        self.waiting = 0  # batches whose gradients are not used yet
        self.overflows = 0  # steps that the scaler left out, their gradients being infinite in fp16

    @property
    def measured_text(self) -> TextTower | None:
        """The text tower to measure and keep, if there is one: the average's where :attr:`measured` is that."""
        model: Any = self.average.module if self.average is not None and self.steps else self.body
        tower: TextTower | None = getattr(model, "text", None)
        return tower

    @property
    def measured(self) -> Extractor:
        """The extractor to measure and keep: the average where there is one and a step was taken, or the teacher."""
        model: Any = self.average.module if self.average is not None and self.steps else self.body
        if self.teacher is not None and getattr(self.objective, "kept", "student") == "teacher":
            model = self.teacher.module
        extractor: Extractor = model.body if isinstance(model, TrainingModel) else model
        return extractor

    @property
    def stats(self) -> dict[str, float]:
        """The objective's own statistics of the last batch."""
        return dict(getattr(self.objective, "stats", {}))

    @property
    def flat(self) -> float | None:
        """The loss of a model that tells nothing apart, where the objective knows it."""
        return getattr(self.objective, "flat", None)

    def look_around(self, embed: Callable[[Extractor], Tensor], ids: Tensor) -> None:
        """Let an objective that clusters look at all pictures before an epoch; others are not asked.

        Args:
            embed: Embeds all N pictures with a model, one plain view of each, (N, D).
            ids: Which picture each is (N,).
        """
        if not isinstance(self.objective, OverViews) or not self.objective.objective.looks_around:
            return
        model: Any = self.body if self.teacher is None else self.teacher.module
        with torch.no_grad():
            vectors = embed(model.body.eval()).to(self.device)
            projected = vectors if model.head is None else model.head.eval()(vectors)
        self.objective.objective.begin_epoch(projected, ids)

    def batch(self, views: Sequence[Tensor], labels: Tensor, rows: Tensor, named: Callable[[], str]) -> float:
        """Add the gradients of a batch; a step follows once there are ``accumulate`` of them. Returns the loss.

        Args:
            views: Views (B, 3, H, W) of the same pictures in the same order.
            labels: Label codes (B,).
            rows: Row numbers (B,) of the pictures.
            named: Returns a text that names the pictures of the batch, for the error.

        Raises:
            BadInput: The loss is not finite; the weights are those before this batch.
        """

        def check(value: Tensor) -> Tensor:
            if not torch.isfinite(value):
                raise BadInput(
                    f"the loss is {value.item()} at step {self.steps}, in the batch of {named()}; "
                    "lower lr, or set clip; the weights before it are kept"
                )
            return value

        if not self.waiting and isinstance(self.objective, OverViews):
            self.objective.begin_step(self.steps, self.total)
        size = self.recipe.chunk
        whole = not size or size >= len(labels)
        last = self.waiting + 1 >= self.recipe.accumulate

        def minimised(student: Sequence[Tensor | None]) -> Tensor:
            return check(self.objective(Outputs(student, self._taught(views), labels, rows)))

        value = (self._whole if whole else self._in_chunks)(views, minimised, last)
        self.waiting += 1
        if last:
            self.step()
        return value

    def step(self) -> None:
        """Take a step with the mean gradient of the batches since the last one."""
        if not self.waiting:
            return
        if self.waiting < self.recipe.accumulate:  # the epoch ended in between
            share_gradients(self.body)
        for group in self.optimizer.param_groups:
            group["lr"] = (self.recipe.lr if group.get("constant") else self.schedule(self.steps)) * group["share"]
        if isinstance(self.objective, OverViews) and isinstance(self.body, TrainingModel):
            for parameter in self.objective.held(self.body.head):
                parameter.grad = None
        trained = [p for group in self.optimizer.param_groups for p in group["params"] if p.grad is not None]
        self.scaler.unscale_(self.optimizer)
        if self.waiting > 1:
            for parameter in trained:
                if parameter.grad is not None:
                    parameter.grad.div_(self.waiting)
        if self.recipe.clip:
            nn.utils.clip_grad_norm_(trained, self.recipe.clip)
        scale = self.scaler.get_scale()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.overflows += self.scaler.get_scale() < scale
        self.optimizer.zero_grad()
        self.steps, self.waiting = self.steps + 1, 0
        if self.average is not None:
            self.average.update_parameters(self.body)
        if self.teacher is not None:
            self.teacher.follow(self.body, self.steps - 1)

    def state_dict(self) -> dict[str, Any]:
        """The state from which training goes on; call it only between steps."""
        return {
            "model": self.body.state_dict(), "objective": self.objective.state_dict(),
            "optimizer": self.optimizer.state_dict(), "scaler": self.scaler.state_dict(),
            "steps": self.steps, "overflows": self.overflows,
            "average": None if self.average is None else self.average.state_dict(),
            "teacher": None if self.teacher is None else self.teacher.state_dict(),
        }  # fmt: skip

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state of :meth:`state_dict`."""
        self.body.load_state_dict(state["model"])
        self.objective.load_state_dict(state["objective"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.steps, self.overflows = state["steps"], state["overflows"]
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        if self.teacher is not None:
            self.teacher.load_state_dict(state["teacher"])

    def autocast(self) -> AbstractContextManager[object]:
        """The context of the precision in which the model runs."""
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16 if self.precision == "bf16" else torch.float16)

    def _split(self, views: Sequence[Tensor]) -> list[tuple[Tensor, bool]]:
        """Each view, and whether the objective needs no output of the student for it."""
        first = getattr(self.objective, "unseen", 0)
        return [(view, number < first) for number, view in enumerate(views)]

    def _taught(self, views: Sequence[Tensor]) -> list[Tensor] | None:
        """The outputs of the teacher for the views that it sees; None without a teacher."""
        if self.teacher is None:
            return None
        seen = views[: getattr(self.objective, "teacher_views", None)]
        with torch.no_grad(), self.autocast():
            return [self.teacher(view) for view in seen]

    def _whole(self, views: Sequence[Tensor], minimised: Minimised, last: bool) -> float:
        with self._together(last):
            with self.autocast():
                value = minimised([None if unseen else self.model(view) for view, unseen in self._split(views)])
            _backward(self.scaler.scale(value))
        return value.item()

    def _in_chunks(self, views: Sequence[Tensor], minimised: Minimised, last: bool) -> float:
        """Gradient caching (arXiv 2101.06983): the loss of the whole batch in the memory of one chunk.

        Every chunk goes through the model twice, with the same dropout; batch norm sees chunks.
        """
        seen = [view for view, unseen in self._split(views) if not unseen]
        parts = [torch.split(view, self.recipe.chunk) for view in seen]
        states: list[list[Tensor]] = []
        student: list[Tensor] = []
        with torch.no_grad(), self.autocast():
            for chunks in parts:
                embedded = []
                for chunk in chunks:
                    states.append(_randomness(self.device))
                    embedded.append(self.body(chunk))
                student.append(torch.cat(embedded).requires_grad_())
        value = minimised([*[None] * (len(views) - len(seen)), *student])
        _backward(self.scaler.scale(value))
        after = _randomness(self.device)
        pulls = [None if view.grad is None else torch.split(view.grad, self.recipe.chunk) for view in student]
        pulled = [(chunk, pull) for chunks, grads in zip(parts, pulls, strict=True)
                  for chunk, pull in zip(chunks, grads or [None] * len(chunks), strict=True)]  # fmt: skip
        used = [number for number, (_, pull) in enumerate(pulled) if pull is not None]
        for number in used:
            chunk, pull = pulled[number]
            _draw_again(states[number], self.device)
            with self._together(last and number == used[-1] and len(self._towers) == 1):
                with self.autocast():
                    again = self.model(chunk)
                if again.requires_grad:  # not of a frozen tower
                    _backward(again, pull)
        if last and len(self._towers) > 1:  # each chunk is of one of them
            share_gradients(self.body)
        _draw_again(after, self.device)
        return value.item()

    @property
    def _towers(self) -> list[Any]:
        return self.body.towers() if isinstance(self.body, TrainingModel) else [None]

    def _together(self, last: bool) -> AbstractContextManager[object]:
        """A context in which processes exchange gradients only in the last backward pass of a step."""
        if isinstance(self.model, DistributedDataParallel) and not last:
            return self.model.no_sync()
        return nullcontext()

    def _mixed(self, average: Tensor, now: Tensor, count: Tensor | int) -> Tensor:
        """The exponential average; its decay is smaller in early steps, so that the first weights lose influence."""
        if not average.is_floating_point():
            return now
        keep = min(self.recipe.ema, (1 + int(count)) / (10 + int(count)))
        return torch.lerp(now, average, keep)


def _backward(value: Tensor, gradient: Tensor | None = None) -> None:
    torch.autograd.backward([value], None if gradient is None else [gradient])


def _randomness(device: torch.device) -> list[Tensor]:
    return [torch.get_rng_state()] + ([torch.cuda.get_rng_state(device)] if device.type == "cuda" else [])


def _draw_again(state: list[Tensor], device: torch.device) -> None:
    torch.set_rng_state(state[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(state[1], device)
