"""From a batch to a step: groups of parameters, learning rates, precision, large batches in chunks."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from math import cos, pi
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

from omlzoo.errors import BadInput
from omlzoo.models._extractor import Extractor
from omlzoo.training.distributed import share_gradients
from omlzoo.training.recipe import Recipe
from omlzoo.training.training_model import TrainingModel

__all__ = ["Optimization", "checkpoint_blocks", "learning_rate"]

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "AdamW": torch.optim.AdamW,
    "Adam": torch.optim.Adam,
    "SGD": lambda groups, lr: torch.optim.SGD(groups, lr=lr, momentum=0.9, nesterov=True),
}


class Optimization:
    """Optimizer, learning rates, scaler and average of the weights of a run.

    Args:
        model: What a step calls, images (B, 3, H, W) float to embeddings (B, D): a :class:`TrainingModel`, an
            Extractor, or one of them in DistributedDataParallel.
        loss: Called with embeddings and labels; its own parameters are trained with the model's.
        recipe: The settings.
        steps: Of the whole run.
        precision: "fp32", "bf16" or "fp16".
    """

    def __init__(self, model: nn.Module, loss: nn.Module, recipe: Recipe, steps: int, precision: str) -> None:
        self.model, self.loss, self.recipe, self.precision = model, loss, recipe, precision
        body = model.module if isinstance(model, DistributedDataParallel) else model
        self.body: nn.Module = body
        self.device = next(chain(body.parameters(), loss.parameters())).device
        groups = parameter_groups(body, loss, recipe)
        self.optimizer = OPTIMIZERS[recipe.optimizer](groups, lr=recipe.lr)
        self.schedule = learning_rate(recipe.lr, steps, recipe.warmup, recipe.schedule)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=precision == "fp16")
        self.average = AveragedModel(body, avg_fn=self._mixed, use_buffers=True) if recipe.ema else None
        self.steps = 0  # done
        self.waiting = 0  # batches whose gradients are not used yet
        self.overflows = 0  # steps that the scaler left out, their gradients being infinite in fp16

    @property
    def measured(self) -> nn.Module:
        """The extractor to measure and keep: the average where there is one and a step was taken."""
        average: Any = self.average
        found: nn.Module = average.module if average is not None and self.steps else self.body
        return found.body if isinstance(found, TrainingModel) else found

    def batch(self, images: Tensor, labels: Tensor, named: Callable[[], str]) -> float:
        """Add the gradients of a batch; a step follows once there are ``accumulate`` of them. Returns the loss.

        Args:
            images: (B, 3, H, W).
            labels: (B,).
            named: Says which pictures the batch has, for the error.

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

        size = self.recipe.chunk
        whole = not size or size >= len(images)
        last = self.waiting + 1 >= self.recipe.accumulate
        value = (self._whole if whole else self._in_chunks)(images, labels, check, last)
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
            group["lr"] = self.schedule(self.steps) * group["share"]
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

    def state_dict(self) -> dict[str, Any]:
        """Everything to go on from here; only between steps."""
        return {
            "model": self.body.state_dict(), "loss": self.loss.state_dict(), "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(), "steps": self.steps, "overflows": self.overflows,
            "average": None if self.average is None else self.average.state_dict(),
        }  # fmt: skip

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.body.load_state_dict(state["model"])
        self.loss.load_state_dict(state["loss"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.steps, self.overflows = state["steps"], state["overflows"]
        if self.average is not None:
            self.average.load_state_dict(state["average"])

    def autocast(self) -> AbstractContextManager[object]:
        """What the model runs in."""
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16 if self.precision == "bf16" else torch.float16)

    def _whole(self, images: Tensor, labels: Tensor, check: Callable[[Tensor], Tensor], last: bool) -> float:
        with self._together(last):
            with self.autocast():
                value = check(self.loss(self.model(images), labels))
            _backward(self.scaler.scale(value))
        return value.item()

    def _in_chunks(self, images: Tensor, labels: Tensor, check: Callable[[Tensor], Tensor], last: bool) -> float:
        """Gradient caching (arXiv 2101.06983): the loss of the whole batch in the memory of one chunk.

        Every chunk goes through the model twice, with the same dropout; batch norm sees chunks.
        """
        parts = torch.split(images, self.recipe.chunk)
        drawn, found = [], []
        with torch.no_grad(), self.autocast():
            for part in parts:
                drawn.append(_randomness(self.device))
                found.append(self.body(part))
        embeddings = torch.cat(found).requires_grad_()
        value = check(self.loss(embeddings, labels))
        _backward(self.scaler.scale(value))
        if embeddings.grad is None:
            return value.item()
        after = _randomness(self.device)
        for number, (part, pull) in enumerate(zip(parts, torch.split(embeddings.grad, self.recipe.chunk), strict=True)):
            _draw_again(drawn[number], self.device)
            with self._together(last and number == len(parts) - 1):
                with self.autocast():
                    again = self.model(part)
                _backward(again, pull)
        _draw_again(after, self.device)
        return value.item()

    def _together(self, last: bool) -> AbstractContextManager[object]:
        """Processes exchange gradients once a step, in its last backward pass."""
        if isinstance(self.model, DistributedDataParallel) and not last:
            return self.model.no_sync()
        return nullcontext()

    def _mixed(self, average: Tensor, now: Tensor, count: Tensor | int) -> Tensor:
        """The exponential average; early on it forgets faster, so that a short run is not its own beginning."""
        if not average.is_floating_point():
            return now
        keep = min(self.recipe.ema, (1 + int(count)) / (10 + int(count)))
        return torch.lerp(now, average, keep)


def parameter_groups(model: nn.Module, loss: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """Groups by weight decay and share of the learning rate.

    Biases, norms and tokens have no weight decay. The learning rate of a stage is ``layer_decay`` times that of the
    one after it, and the loss's own parameters have ``loss_lr`` times the model's.
    """
    share: dict[int, float] = {}
    stages = model.stages() if isinstance(model, Extractor | TrainingModel) else []
    for number, stage in enumerate(stages):
        for part in stage:
            for parameter in [part] if isinstance(part, nn.Parameter) else part.parameters():
                share[id(parameter)] = recipe.layer_decay ** (len(stages) - 1 - number)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for module in (model, loss):
        for parameter in module.parameters():
            if parameter.requires_grad:
                decay = recipe.weight_decay if parameter.ndim >= 2 and len(parameter) > 1 else 0.0
                factor = recipe.loss_lr if module is loss else share.get(id(parameter), 1.0)
                groups.setdefault((decay, factor), []).append(parameter)
    return [{"params": found, "weight_decay": key[0], "share": key[1]} for key, found in groups.items()]


def learning_rate(peak: float, steps: int, warmup: float, schedule: str = "cosine") -> Callable[[int], float]:
    """A linear rise over the first share ``warmup`` of the steps, then half a cosine or a line down to 0, or level."""
    rising = max(1, round(warmup * steps))

    def at(step: int) -> float:
        if step < rising:
            return peak * (step + 1) / rising
        passed = (step - rising) / max(1, steps - rising)
        return peak * {"cosine": (1 + cos(pi * passed)) / 2, "linear": 1 - passed, "constant": 1.0}[schedule]

    return at


def checkpoint_blocks(stages: Iterable[list[nn.Module | nn.Parameter]]) -> None:
    """Compute what lies within the middle stages again in the backward pass instead of keeping it."""
    from functools import partial

    from torch.utils.checkpoint import checkpoint

    for stage in list(stages)[1:-1]:
        for part in stage:
            if isinstance(part, nn.Module):
                part.forward = partial(checkpoint, part.forward, use_reentrant=False)


def _backward(value: Tensor, gradient: Tensor | None = None) -> None:
    torch.autograd.backward([value], None if gradient is None else [gradient])


def _randomness(device: torch.device) -> list[Tensor]:
    return [torch.get_rng_state()] + ([torch.cuda.get_rng_state(device)] if device.type == "cuda" else [])


def _draw_again(state: list[Tensor], device: torch.device) -> None:
    torch.set_rng_state(state[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(state[1], device)
