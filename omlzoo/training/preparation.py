"""What a recipe and a table make together: the rows to train and to choose on, sampler, loss, frozen stages."""

import hashlib
import inspect
import os
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from timm.layers.drop import DropPath
from torch import nn
from torch.utils.data import Sampler

from omlzoo import catalog
from omlzoo.checkpoints.weights import Weights
from omlzoo.data import table as tables
from omlzoo.errors import BadInput, notice
from omlzoo.memory import MemoryBank
from omlzoo.models._extractor import Extractor
from omlzoo.models._projected import Projected
from omlzoo.ops.all_gather import processes
from omlzoo.ops.poincare import PoincareHead
from omlzoo.training.recipe import Recipe

__all__ = [
    "add_projection",
    "check_cache",
    "drop_paths",
    "freeze",
    "loader_processes",
    "make_head",
    "make_loss",
    "make_sampler",
    "set_apart",
    "table_digest",
]

HYPERBOLIC = "HyperbolicContrastive"
DROPPING = ("drop_path", "drop_path1", "drop_path2")  # of timm's blocks


def set_apart(train: tables.Table, recipe: Recipe) -> tuple[tables.Table, tables.Table | None]:
    """The rows to train on and, cut off by label or category, those that choose the epoch."""
    if recipe.selection == 0:
        return train, None
    column = recipe.selection_by
    if column not in train.frame:
        raise BadInput(f"selection_by is {column!r}, but the table has no such column; set selection_by to label")
    names = train.frame[column].unique()
    count = max(2 if column == "label" else 1, round(recipe.selection * len(names)))
    if len(names) - count < 2:
        few = f"{len(names)} distinct values of {column} in training are too few to set {count} apart"
        said = f"{few}; the last epoch is kept"
        notice(said)
        return train, None
    chosen = set(np.random.default_rng((recipe.seed, 7)).permutation(names)[:count].tolist())
    apart = train.frame[column].isin(chosen).to_numpy()
    cut = train.rows(apart)
    return train.rows(~apart), replace(cut, frame=cut.frame.assign(is_query=True, is_gallery=True))


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


def check_cache(model: Extractor, recipe: Recipe) -> None:
    """Refuse a cache where there is nothing to keep, or what is kept would not stay true."""
    for wrong, remedy in (
        (not recipe.freeze, "nothing is frozen; set freeze to 1 or more"),
        (bool(recipe.lora), "lora changes the frozen stages; set lora to 0"),
        (not model.steps(), f"{type(model).__name__} cannot be cut into stages; set cache to 0"),
        (processes() > 1, "it works in one process only; set cache to 0"),
    ):
        if recipe.cache and wrong:
            raise BadInput(f"cache is {recipe.cache}, but {remedy}")


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


def freeze(model: Extractor, count: int) -> list[nn.Module]:
    """Stop the first stages from training; returns their modules, which stay in eval mode."""
    stages = model.stages()
    if count >= len(stages):
        raise BadInput(f"freeze is {count}; this model has {len(stages)} stages, freeze fewer")
    parts = [part for stage in stages[:count] for part in stage]
    for part in parts:
        for parameter in [part] if isinstance(part, nn.Parameter) else part.parameters():
            parameter.requires_grad_(False)
    return [part for part in parts if isinstance(part, nn.Module)]


def drop_paths(model: Extractor, chance: float) -> None:
    """Leave blocks out at random in training; the chance rises from 0 at the first to ``chance`` at the last."""
    if not chance:
        return
    blocks = [part for part in model.modules() if any(hasattr(part, name) for name in DROPPING)]
    if not blocks:
        raise BadInput(f"drop_path is {chance}, but {type(model).__name__} has no blocks to drop; set drop_path to 0")
    for number, block in enumerate(blocks):
        for name in DROPPING:
            if hasattr(block, name):
                setattr(block, name, DropPath(chance * number / max(1, len(blocks) - 1)))


def loader_processes(rows: int) -> int:
    if rows < 512:
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(8, cores - 1))


def table_digest(rows: tables.Table) -> str:
    """Counts and sha256 of all rows in their order, by which a resumed run knows its table."""
    counts = f"{len(rows)} rows of {rows.frame['label'].nunique()} labels"
    columns = ", ".join(map(str, rows.frame.columns))
    return f"{counts}, columns {columns}, sha256 {hashlib.sha256(rows.frame.to_csv().encode()).hexdigest()}"
