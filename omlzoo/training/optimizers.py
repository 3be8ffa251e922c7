"""Optimizers, the groups of parameters that they step, and learning rates over the steps of a run."""

from collections.abc import Callable
from functools import partial
from math import cos, pi
from typing import Any

import torch
from torch import nn

from omlzoo.errors import BadInput
from omlzoo.models._extractor import Extractor
from omlzoo.objectives._objective import Objective
from omlzoo.training.own_parts import calling, is_own, takes, trusted_part
from omlzoo.training.recipe import Recipe
from omlzoo.training.training_model import TrainingModel

__all__ = ["learning_rate", "make_optimizer", "parameter_groups"]

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "AdamW": torch.optim.AdamW,
    "Adam": torch.optim.Adam,
    "SGD": partial(torch.optim.SGD, momentum=0.9, nesterov=True),
}
FUSED = ("cpu", "cuda")  # kinds of device for which torch has one kernel for the whole step of a parameter


def make_optimizer(groups: list[dict[str, Any]], recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimizer; each parameter is read and written once in a step where the device can do so.

    Args:
        groups: The groups of :func:`parameter_groups`.
        recipe: The settings.
    """
    kinds = {parameter.device.type for group in groups for parameter in group["params"]}
    fused = kinds <= set(FUSED)
    if is_own(recipe.optimizer):
        return _own_optimizer(groups, recipe)
    optimizer = OPTIMIZERS[recipe.optimizer](groups, lr=recipe.lr, fused=fused)
    if fused:
        optimizer.register_step_pre_hook(lambda stepped, *_: _same_order(stepped))
    return optimizer


def _own_optimizer(groups: list[dict[str, Any]], recipe: Recipe) -> torch.optim.Optimizer:
    """The optimizer that a user's class or function makes of the groups; the learning rate of a step is the run's."""
    part = trusted_part(recipe.optimizer, "optimizer")
    if part.arguments is None and not callable(part.thing):
        raise BadInput(f"optimizer {part} is made already; give its class, or a function that makes it from groups of "
                       "parameters, such as lambda groups: torch.optim.RMSprop(groups, alpha=0.9)")  # fmt: skip
    known = {"lr": recipe.lr} if "lr" in takes(part.thing) else {}
    with calling("optimizer", part, "cannot be made"):
        made = part.thing(groups, **{**known, **(part.arguments or {})})
    if not isinstance(made, torch.optim.Optimizer):
        raise BadInput(f"optimizer {part} gave {type(made).__name__}; it must give a torch.optim.Optimizer")
    wanted = {id(each) for group in groups for each in group["params"]}
    if {id(each) for group in made.param_groups for each in group["params"]} != wanted:
        raise BadInput(f"optimizer {part} does not have the parameters that it was given; hand all groups on to it")
    shared = {group["share"] for group in groups} != {1.0}
    if shared and not all("share" in group for group in made.param_groups):
        said = f"optimizer {part} makes groups of its own, so layer_decay and loss_lr would be lost"
        raise BadInput(f"{said}; set both to 1")
    for group in made.param_groups:  # those of an optimizer that regroups them
        group.setdefault("share", 1.0)
    return made


def _same_order(optimizer: torch.optim.Optimizer) -> None:
    """Lay gradients and kept means out as their parameters are.

    The fused kernels of torch go through memory in its order and do not look at strides, so a gradient that is laid
    out otherwise would change other weights than its own. Autograd lays out as the parameter; this holds whatever else
    writes a gradient.

    The kernel of SGD takes kept means of all parameters or of none. One that had no gradient before, such as a held
    prototype, gets a mean of 0, after which its first step is what it would have been.
    """
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.grad is None:
                continue
            if parameter.grad.stride() != parameter.stride():
                parameter.grad = torch.empty_like(parameter).copy_(parameter.grad)
            kept = optimizer.state[parameter]
            if isinstance(optimizer, torch.optim.SGD) and kept.get("momentum_buffer") is None:
                kept["momentum_buffer"] = torch.zeros_like(parameter)
            for name, value in kept.items():
                if torch.is_tensor(value) and value.ndim and value.stride() != parameter.stride():
                    kept[name] = torch.empty_like(parameter).copy_(value)


def parameter_groups(model: nn.Module, loss: nn.Module, recipe: Recipe) -> list[dict[str, Any]]:
    """Parameters that are trained, in groups of the same weight decay and share of the learning rate.

    Biases, norms and tokens have no weight decay. The learning rate of a stage is ``layer_decay`` times that of the
    one after it, and the loss's own parameters have ``loss_lr`` times the model's.

    Args:
        model: The model; only an Extractor or a TrainingModel has stages.
        loss: The loss or objective, which may have parameters of its own.
        recipe: The settings.

    Returns:
        Groups for an optimizer, each with the keys "params", "weight_decay", "share", and "constant", which says that
        its learning rate does not fall.
    """
    share: dict[int, float] = {}
    towers = [model.stages()] if isinstance(model, Extractor) else []
    for stages in model.towers() if isinstance(model, TrainingModel) else towers:
        for number, stage in enumerate(stages):
            for part in stage:
                for parameter in [part] if isinstance(part, nn.Parameter) else part.parameters():
                    share[id(parameter)] = recipe.layer_decay ** (len(stages) - 1 - number)
    objectives = [part for part in loss.modules() if isinstance(part, Objective)]
    bare = {id(parameter) for each in objectives for parameter in each.without_decay()}
    constant = {id(parameter) for each in objectives for parameter in each.constant_rate()}
    groups: dict[tuple[float, float, bool], list[nn.Parameter]] = {}
    for module in (model, loss):
        for parameter in module.parameters():
            if parameter.requires_grad:
                matrix = parameter.ndim >= 2 and len(parameter) > 1 and id(parameter) not in bare
                decay = recipe.weight_decay if matrix else 0.0
                factor = recipe.loss_lr if module is loss else share.get(id(parameter), 1.0)
                groups.setdefault((decay, factor, id(parameter) in constant), []).append(parameter)
    return [
        {"params": members, "weight_decay": decay, "share": factor, "constant": steady}
        for (decay, factor, steady), members in groups.items()
    ]


def learning_rate(peak: float, steps: int, warmup: float, schedule: str = "cosine") -> Callable[[int], float]:
    """A learning rate that rises linearly, then falls to 0 or stays constant.

    Args:
        peak: The largest learning rate.
        steps: Number of steps of the whole run.
        warmup: Share of the steps in which the learning rate rises, from 0 to 1.
        schedule: How it goes on: "cosine" and "linear" fall to 0, "constant" stays at the peak.

    Returns:
        A function from the number of a step, from 0, to its learning rate.
    """
    rising = max(1, round(warmup * steps))

    def at(step: int) -> float:
        if step < rising:
            return peak * (step + 1) / rising
        passed = (step - rising) / max(1, steps - rising)
        return peak * {"cosine": (1 + cos(pi * passed)) / 2, "linear": 1 - passed, "constant": 1.0}[schedule]

    return at
