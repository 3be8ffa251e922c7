"""The loop, to be read from top to bottom: batches, loss, step."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from math import cos, pi

import torch
from torch import Tensor, nn

from omlzoo.dataset import Batch
from omlzoo.errors import BadInput

__all__ = ["EpochSummary", "learning_rate", "train_epoch"]


@dataclass
class EpochSummary:
    """What happened in one epoch.

    Attributes:
        loss: Mean of the batches.
        stats: Means of the loss's own statistics.
        steps: Batches with at least one picture.
        skipped: Row and error of each picture that could not be read.
    """

    loss: float = 0.0
    stats: dict[str, float] = field(default_factory=dict)
    steps: int = 0
    skipped: dict[int, str] = field(default_factory=dict)


def train_epoch(
    model: nn.Module,
    loss: nn.Module,
    batches: Iterable[Batch],
    prepare: Callable[[Tensor], Tensor],
    optimizer: torch.optim.Optimizer,
    schedule: Callable[[int], float],
    first_step: int,
    autocast: Callable[[], AbstractContextManager[object]],
    clip: float = 0.0,
    report: Callable[[float], None] | None = None,
) -> EpochSummary:
    """Train in place over all batches once.

    Args:
        model: Images (B, 3, H, W) float to embeddings (B, D), in the mode it should train in.
        loss: Called with embeddings and labels; its own parameters are the optimizer's business.
        batches: Of :func:`omlzoo.dataset.collate`.
        prepare: Pixels (B, 3, H, W) uint8 to what the model takes, on its device.
        optimizer: Steps once a batch.
        schedule: A step's number, from 0, to its learning rate.
        first_step: Number of the first step.
        autocast: Makes the context that the forward pass runs in.
        clip: Largest norm of the gradient; 0 does not clip.
        report: Called with the loss after each step.

    Raises:
        BadInput: A loss is not finite; the step is named, and the weights are those before it.
    """
    summary = EpochSummary()
    totals: dict[str, float] = {}
    for pixels, labels, bad in batches:
        summary.skipped.update(bad)
        if not len(labels):
            continue
        step = first_step + summary.steps
        for group in optimizer.param_groups:
            group["lr"] = schedule(step)
        images = prepare(pixels)
        with autocast():
            value = loss(model(images), labels.to(images.device))
        if not torch.isfinite(value):
            raise BadInput(f"the loss is {value.item()} at step {step}; lower lr, or set clip")
        optimizer.zero_grad()
        value.backward()
        if clip:
            nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], clip)
        optimizer.step()
        summary.steps += 1
        summary.loss += value.item()
        for name, number in getattr(loss, "stats", {}).items():
            totals[name] = totals.get(name, 0.0) + number
        if report:
            report(value.item())
    steps = max(1, summary.steps)
    summary.loss /= steps
    summary.stats = {name: total / steps for name, total in totals.items()}
    if "empty_batches" in totals:  # counted since the start, not a mean
        summary.stats["empty_batches"] = getattr(loss, "stats", {})["empty_batches"]
    return summary


def learning_rate(peak: float, steps: int, warmup: float) -> Callable[[int], float]:
    """A linear rise over the first share ``warmup`` of the steps, then half a cosine down to 0."""
    rising = max(1, round(warmup * steps))

    def at(step: int) -> float:
        if step < rising:
            return peak * (step + 1) / rising
        return peak * (1 + cos(pi * (step - rising) / max(1, steps - rising))) / 2

    return at
