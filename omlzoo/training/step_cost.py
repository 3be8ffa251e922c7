"""What a step of a run costs, counted on two pictures before the first step: operations, parameters, memory."""

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from omlzoo.data.dataset import collate
from omlzoo.errors import notice
from omlzoo.ops.all_gather import processes
from omlzoo.training.building import RunParts

__all__ = ["StepCost", "step_cost"]

PICTURES = 2  # that are counted; with one, batch norm has nothing to normalise
TRIED = 32  # rows that are tried for a readable picture
STATES = {"SGD": 1}  # copies of the trained parameters that an optimizer keeps; the others keep two


@dataclass(frozen=True)
class StepCost:
    """The cost of a step.

    Attributes:
        pictures: Number of pictures of a batch, or of one process's part of it.
        parameters: Number of parameters of the model and its head.
        trained: Number of those that are trained, with those of the loss.
        flops: Floating-point operations of a batch, forward and backward, of convolutions, matrix products and
            attention; a multiplication and an addition are two.
        memory: Bytes of weights, gradients, the optimizer's state, and what is kept for the backward pass.
    """

    pictures: int
    parameters: int
    trained: int
    flops: int
    memory: int

    def __str__(self) -> str:
        million = f"{self.parameters / 1e6:,.2f} million parameters, {self.trained / 1e6:,.2f} trained"
        return f"{self.pictures} pictures, {self.flops / 1e9:,.1f} GFLOPs, {million}, {self.memory / 1e9:.2f} GB"


def step_cost(parts: RunParts) -> StepCost | None:
    """Count the cost of a step on a copy of the model; nothing of the run changes.

    Args:
        parts: The parts of the run.

    Returns:
        The cost; None where no picture can be read or the model refuses to be counted, which is said.
    """
    views = _views(parts)
    if views is None:
        return None
    size = -(-len(next(iter(parts.data.batches))) // processes())
    step, recipe = parts.step, parts.step.recipe
    model, kept = copy.deepcopy(parts.model).train(), 0
    try:
        with torch.random.fork_rng(), step.autocast():
            if model.stage:
                with torch.no_grad():
                    views = [view if _is_text(view) else model.body.until(view, model.stage) for view in views]
            forward = _forward(model, views)
            whole, kept = _both_ways(model, views)
            if step.teacher is not None:
                whole += forward
    except RuntimeError as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        notice(f"what a step costs is not known; the model cannot be counted: {reason:.200}")
        return None
    chunk = recipe.chunk if 0 < recipe.chunk < size else size
    whole += forward if chunk < size else 0  # chunks go through the model twice
    learned = _bytes(p for group in step.optimizer.param_groups for p in group["params"])
    weights = _bytes(_tensors(step.body)) + _bytes(_tensors(step.objective))
    copies = (step.average is not None) + (step.teacher is not None)
    state = learned * (1 + STATES.get(recipe.optimizer, 2))
    return StepCost(
        pictures=size,
        parameters=sum(p.numel() for p in step.body.parameters()),
        trained=sum(p.numel() for group in step.optimizer.param_groups for p in group["params"]),
        flops=whole * size // PICTURES,
        memory=weights + copies * _bytes(_tensors(step.body)) + state + kept * chunk // PICTURES,
    )


def _views(parts: RunParts) -> list[Tensor] | None:
    """The views of the first readable picture, each twice; None where there is none."""
    pictures = parts.data.pictures
    for row in range(min(TRIED, len(pictures))):
        item = pictures[row, 0]
        if item[0] is not None:
            joined = collate if parts.captioning is None else parts.captioning.collate
            loaded = joined([item] * PICTURES)[0]
            each = loaded if isinstance(loaded, list) else [loaded]
            return [view.to(parts.inputs.device) if _is_text(view) else parts.inputs.images(view) for view in each]
    return None


def _is_text(view: Tensor) -> bool:
    """Whether a view is the token ids of captions."""
    return view.dtype == torch.int64


def _forward(model: nn.Module, views: list[Tensor]) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        for view in views:
            model(view)
    return int(counter.get_total_flops())


def _both_ways(model: nn.Module, views: list[Tensor]) -> tuple[int, int]:
    """Operations of the passes forward and backward, and bytes that are kept between them."""
    own = {each.untyped_storage().data_ptr() for each in _tensors(model)}
    seen: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        place = tensor.untyped_storage().data_ptr()
        if place not in own:
            seen.setdefault(place, tensor)  # held, so that its memory is not given to another
        return tensor

    with FlopCounterMode(display=False) as counter:
        with saved_tensors_hooks(pack, lambda tensor: tensor):
            outputs = [model(view).float().sum() for view in views]
        kept = sum(each.untyped_storage().nbytes() for each in seen.values())
        if any(each.requires_grad for each in outputs):
            torch.autograd.backward([torch.stack(outputs).sum()])
    return int(counter.get_total_flops()), kept


def _tensors(module: nn.Module) -> Iterable[Tensor]:
    return chain(module.parameters(), module.buffers())


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(each.numel() * each.element_size() for each in tensors)
