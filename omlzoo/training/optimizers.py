"""Optimizers, the groups of parameters that they step, and learning rates over the steps of a run."""

from collections.abc import Callable
from math import cos, pi
from typing import Any

import torch
from torch import nn

from omlzoo.models._extractor import Extractor
from omlzoo.objectives._objective import Objective
from omlzoo.training.recipe import Recipe
from omlzoo.training.training_model import TrainingModel

__all__ = ["OPTIMIZERS", "learning_rate", "parameter_groups"]

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "AdamW": torch.optim.AdamW,
    "Adam": torch.optim.Adam,
    "SGD": lambda groups, lr: torch.optim.SGD(groups, lr=lr, momentum=0.9, nesterov=True),
}


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
    stages = model.stages() if isinstance(model, Extractor | TrainingModel) else []
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
