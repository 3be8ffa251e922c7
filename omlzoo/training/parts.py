"""The parts of a run that a recipe names: sampler, loss with its miner, head, projection."""

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
from omlzoo.ops.poincare import PoincareHead
from omlzoo.training.recipe import Recipe

__all__ = ["add_projection", "make_head", "make_loss", "make_sampler"]

HYPERBOLIC = "HyperbolicContrastive"


def make_sampler(rows: tables.Table, recipe: Recipe) -> Sampler[list[int]]:
    labels = rows.frame["label"].to_numpy()
    if len(set(labels)) < 2:
        raise BadInput(f"all {len(labels)} training rows have one label, {labels[0]!r}; training needs at least two")
    if recipe.sampler in ("Balanced", "FullCoverage", "NearestLabels"):
        found = len(set(labels))
        if recipe.n_labels > found:
            raise BadInput(f"n_labels is {recipe.n_labels}, but only {found} labels are trained on; lower n_labels")
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
            said = f"{sampler.short} categories have fewer than {recipe.n_labels} labels; others fill their batches"
            notice(said)
    if sampler.repeating:
        said = (
            f"{sampler.repeating} labels have fewer than {recipe.n_instances} pictures, so some repeat within a batch"
        )
        notice(said)
    return sampler  # type: ignore[no-any-return]


def make_loss(recipe: Recipe, dim: int, n_labels: int, gather: bool = False) -> nn.Module:
    """The recipe's loss, given its miner and what it has to know of the data if it takes them.

    With ``gather`` it is that of the batches of all processes.
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


def make_head(recipe: Recipe, width: int) -> PoincareHead | None:
    """What only training has after the model, where the recipe asks for it; curvature and clip are the loss's."""
    if not recipe.poincare:
        return None
    others = {recipe.loss, *recipe.add_losses} - {HYPERBOLIC}
    if others:
        said = f"poincare is {recipe.poincare}, but {', '.join(sorted(others))} measures no distances in a ball"
        raise BadInput(f"{said}; set loss to {HYPERBOLIC}, or poincare to 0")
    given = {name: recipe.loss_args[name] for name in ("curvature", "clip") if name in recipe.loss_args}
    return PoincareHead(width, recipe.poincare, **given)


def add_projection(model: Extractor, dim: int, seed: int) -> Extractor:
    """The model with a linear projection to ``dim`` numbers after it, and the entry that says so."""
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
    given: dict[str, Any] = {"dim": dim, "n_labels": n_labels, "gather": gather and not recipe.memory}
    if recipe.poincare:
        given["clip"] = arguments["clip"] = None  # the head did it
    if "miner" in takes:
        given["miner"] = catalog.find("miners", recipe.miner)()
    try:
        made: nn.Module = kind(**{name: value for name, value in given.items() if name in takes} | arguments)
    except TypeError as error:
        raise BadInput(f"loss_args {arguments} do not suit {recipe.loss}: {error}") from error
    if not recipe.memory:
        return made
    if not getattr(made, "references", False):
        raise BadInput(f"memory is {recipe.memory}, but {recipe.loss} compares with no other items; set memory to 0")
    longer: nn.Module = catalog.find("losses", "CrossBatch")(made, MemoryBank(recipe.memory, dim, gather=gather))
    return longer
