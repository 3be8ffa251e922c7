"""The parts of a run that a recipe names: sampler, loss with its miner, head and projection."""

import inspect
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.utils.data import Sampler

from omlzoo import catalog
from omlzoo.checkpoints.weights import Weights
from omlzoo.data import table as tables
from omlzoo.errors import BadInput, notice
from omlzoo.memory import MemoryBank
from omlzoo.models._extractor import Extractor
from omlzoo.models._projected import Projected
from omlzoo.objectives._objective import Objective
from omlzoo.ops.poincare import PoincareHead
from omlzoo.training.recipe import Recipe

__all__ = ["add_projection", "make_head", "make_loss", "make_objective", "make_sampler"]

HYPERBOLIC = "HyperbolicContrastive"


def make_sampler(rows: tables.Table, recipe: Recipe) -> Sampler[list[int]]:
    """The recipe's sampler of batches of row numbers.

    Args:
        rows: The training rows, with the columns label and, for some samplers, category.
        recipe: The settings.

    Raises:
        BadInput: The rows have one label, fewer labels than a batch, or no categories where the sampler needs them.
        UnknownName: There is no such sampler.
    """
    labels = rows.frame["label"].to_numpy()
    if len(set(labels)) < 2:
        raise BadInput(f"all {len(labels)} training rows have one label, {labels[0]!r}; training needs at least two")
    if recipe.sampler in ("Balanced", "FullCoverage", "NearestLabels"):
        distinct = len(set(labels))
        if recipe.n_labels > distinct:
            raise BadInput(f"n_labels is {recipe.n_labels}, but only {distinct} labels are trained on; lower n_labels")
        sampler = catalog.find("samplers", recipe.sampler)(labels, recipe.n_labels, recipe.n_instances, recipe.seed)
    else:
        if "category" not in rows.frame:
            raise BadInput(f"sampler is {recipe.sampler}, but the table has no column category; use Balanced")
        sampler = catalog.find("samplers", recipe.sampler)(
            labels,
            rows.frame["category"].to_numpy(),
            recipe.n_categories,
            recipe.n_labels,
            recipe.n_instances,
            recipe.seed,
        )
        if sampler.short:
            notice(f"{sampler.short} categories have fewer than {recipe.n_labels} labels; others fill their batches")
    if sampler.repeating:
        notice(
            f"{sampler.repeating} labels have fewer than {recipe.n_instances} pictures, so some repeat within a batch"
        )
    return sampler  # type: ignore[no-any-return]


def make_loss(recipe: Recipe, dim: int, n_labels: int, gather: bool = False) -> nn.Module:
    """The recipe's loss, with its miner, memory and further losses.

    Args:
        recipe: The settings.
        dim: Dimension of the vectors that the loss compares.
        n_labels: Number of training labels.
        gather: Whether the loss is that of the batches of all processes together.

    Raises:
        BadInput: The loss does not take the recipe's arguments, or no memory.
        UnknownName: There is no such loss or miner.
    """
    made = _one_loss(recipe, dim, n_labels, gather)
    if not recipe.add_losses:
        return made
    others = {
        _one_loss(replace(recipe, loss=name, loss_args={}, memory=0), dim, n_labels, gather): weight
        for name, weight in recipe.add_losses.items()
    }
    summed: nn.Module = catalog.find("losses", "WeightedSum")({made: 1.0, **others})
    return summed


def make_objective(recipe: Recipe, width: int, gather: bool = False) -> Objective | None:
    """The recipe's objective over views; None where it trains a loss over labels.

    Args:
        recipe: The settings.
        width: Dimension of the model's embeddings.
        gather: Whether the objective is that of the batches of all processes together.

    Raises:
        UnknownName: There is no such objective.
        BadInput: It does not take the recipe's arguments.
    """
    if recipe.objective == "none":
        return None
    kind = catalog.find("objectives", recipe.objective)
    takes = [name for name in inspect.signature(kind).parameters if name not in ("width", "gather")]
    arguments = {name: None if value == "none" else value for name, value in recipe.objective_args.items()}
    for name in arguments:
        if name not in takes:
            raise BadInput(f"objective_args has {name!r}; {recipe.objective} takes {', '.join(takes)}")
    try:
        made: Objective = kind(width, gather=gather, **arguments)
    except TypeError as error:
        raise BadInput(f"objective_args {arguments} do not suit {recipe.objective}: {error}") from error
    return made


def make_head(recipe: Recipe, width: int) -> PoincareHead | None:
    """The head that follows the model in training only, if the recipe asks for one.

    Args:
        recipe: The settings; curvature and clip of the head are those of the loss.
        width: Dimension of the model's embeddings.

    Returns:
        The head, or None where the recipe's poincare is 0.

    Raises:
        BadInput: The recipe has a loss that measures no distances in a ball.
    """
    if not recipe.poincare:
        return None
    others = {recipe.loss, *recipe.add_losses} - {HYPERBOLIC}
    if others:
        text = f"poincare is {recipe.poincare}, but {', '.join(sorted(others))} measures no distances in a ball"
        raise BadInput(f"{text}; set loss to {HYPERBOLIC}, or poincare to 0")
    arguments = {name: recipe.loss_args[name] for name in ("curvature", "clip") if name in recipe.loss_args}
    return PoincareHead(width, recipe.poincare, **arguments)


def add_projection(model: Extractor, dim: int, seed: int) -> Extractor:
    """The model followed by a linear projection, with an entry that describes both.

    Args:
        model: The extractor to project the embeddings of.
        dim: Dimension of the projected embeddings.
        seed: Seed of the projection's first weights.

    Raises:
        BadInput: The model has a projection already.
    """
    entry = model.entry
    if isinstance(model, Projected):
        raise BadInput(f"project is {dim}, but {entry.name} has a projection to {model.dim} already; set project to 0")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        longer = Projected(model, dim, model.normalize)
    arch_args = {"arch": entry.arch, "dim": dim, "arch_args": entry.arch_args}
    params = sum(parameter.numel() for parameter in longer.parameters())
    longer.weights = Weights(replace(entry, arch="projected", arch_args=arch_args, dim=dim, params=params))
    return longer.eval()


def _one_loss(recipe: Recipe, dim: int, n_labels: int, gather: bool) -> nn.Module:
    kind = catalog.find("losses", recipe.loss)
    takes = inspect.signature(kind).parameters
    arguments = {name: None if value == "none" else value for name, value in recipe.loss_args.items()}
    for name in arguments:
        if name not in takes:
            raise BadInput(f"loss_args has {name!r}; {recipe.loss} takes {', '.join(takes)}")
    context: dict[str, Any] = {"dim": dim, "n_labels": n_labels, "gather": gather and not recipe.memory}
    if recipe.poincare:
        context["clip"] = arguments["clip"] = None  # the head clips
    if "miner" in takes:
        context["miner"] = catalog.find("miners", recipe.miner)()
    try:
        made: nn.Module = kind(**{name: value for name, value in context.items() if name in takes} | arguments)
    except TypeError as error:
        raise BadInput(f"loss_args {arguments} do not suit {recipe.loss}: {error}") from error
    if not recipe.memory:
        return made
    if not getattr(made, "references", False):
        raise BadInput(f"memory is {recipe.memory}, but {recipe.loss} compares with no other items; set memory to 0")
    longer: nn.Module = catalog.find("losses", "CrossBatch")(made, MemoryBank(recipe.memory, dim, gather=gather))
    return longer
