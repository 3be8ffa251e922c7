"""The parts of a run that a recipe names: sampler, loss with its miner, head and projection."""

import inspect
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from PIL import Image
from torch import nn
from torch.utils.data import Sampler

from omlzoo import catalog
from omlzoo.checkpoints.weights import Weights
from omlzoo.data import table as tables
from omlzoo.data.augmentations import augmentation, needed_side
from omlzoo.data.dataset import Pixels
from omlzoo.data.preprocess import Preprocess
from omlzoo.data.views import Views
from omlzoo.errors import BadInput, notice
from omlzoo.models._extractor import Extractor
from omlzoo.models._projected import Projected
from omlzoo.ops.poincare import PoincareHead
from omlzoo.training.own_augment import OwnAugment, OwnViews
from omlzoo.training.own_loss import OwnLoss
from omlzoo.training.own_parts import calling, is_own, make_part, takes, trusted_part
from omlzoo.training.own_sampler import OwnSampler
from omlzoo.training.recipe import Recipe

__all__ = ["add_projection", "make_augment", "make_head", "make_loss", "make_sampler"]

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
    if is_own(recipe.sampler):
        return _own_sampler(rows, recipe)
    kind = catalog.find("samplers", recipe.sampler)
    known = inspect.signature(kind).parameters
    context: dict[str, Any] = {"labels": labels, "n_labels": recipe.n_labels, "n_instances": recipe.n_instances}
    context["seed"] = recipe.seed
    if "categories" in known:
        if "category" not in rows.frame:
            raise BadInput(f"sampler is {recipe.sampler}, but the table has no column category; use Balanced")
        context |= {"categories": rows.frame["category"].to_numpy(), "n_categories": recipe.n_categories}
    elif recipe.n_labels > (distinct := len(set(labels))):
        raise BadInput(f"n_labels is {recipe.n_labels}, but only {distinct} labels are trained on; lower n_labels")
    further = [name for name in known if name not in context]
    for name in recipe.sampler_args:
        if name not in further:
            raise BadInput(f"sampler_args has {name!r}; {recipe.sampler} takes {', '.join(further) or 'none'}")
    arguments = {name: None if value == "none" else value for name, value in recipe.sampler_args.items()}
    sampler: Any = kind(**context, **arguments)
    if getattr(sampler, "short", 0):
        notice(f"{sampler.short} categories have fewer than {recipe.n_labels} labels; others fill their batches")
    if sampler.repeating:
        notice(
            f"{sampler.repeating} labels have fewer than {recipe.n_instances} pictures, so some repeat within a batch"
        )
    made: Sampler[list[int]] = sampler
    return made


def make_augment(recipe: Recipe, preprocess: Preprocess) -> tuple[Callable[[Image.Image], Pixels], int | None]:
    """The recipe's augmentation or views, and the pixels that the shorter side of a picture needs; None for all.

    Args:
        recipe: The settings.
        preprocess: The preprocessing of the model, which gives the size of the input.

    Raises:
        UnknownName: There is no such augmentation.
        BadInput: The recipe asks for small views, which an own augmentation does not make.
    """
    if not is_own(recipe.augment):
        if recipe.objective == "none":
            return augmentation(recipe.augment, preprocess), needed_side(recipe.augment, preprocess)
        views = Views(preprocess, recipe.views, recipe.globals, recipe.locals)
        return views, views.needed_side
    own = OwnAugment(make_part(recipe.augment, "augment", {}), preprocess.crop, recipe.augment)
    if recipe.objective == "none":
        return own, None  # nobody knows how large a picture it needs
    if recipe.locals:
        raise BadInput(f"locals is {recipe.locals}, but an own augmentation makes views of one size; set locals to 0")
    return OwnViews(own, recipe.globals), None


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
    names = (recipe.loss, *recipe.add_losses)
    if is_own(recipe.miner) and not any(is_own(name) or _takes_miner(name) for name in names):
        raise BadInput(f"miner is {recipe.miner}, but {', '.join(names)} takes none; leave it out")
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


def _own_sampler(rows: tables.Table, recipe: Recipe) -> Sampler[list[int]]:
    labels = rows.frame["label"].to_numpy()
    if recipe.sampler_args:
        said = f"sampler_args {recipe.sampler_args} go with samplers of omlzoo"
        raise BadInput(f"{said}; write those of an own one as module:Name(argument=value)")
    size = recipe.n_labels * recipe.n_instances
    context: dict[str, Any] = {"labels": labels, "n_labels": recipe.n_labels, "n_instances": recipe.n_instances}
    context |= {"seed": recipe.seed, "n_categories": recipe.n_categories, "m": recipe.n_instances, "batch_size": size}
    if "category" in rows.frame:
        context["categories"] = rows.frame["category"].to_numpy()
    made = make_part(recipe.sampler, "sampler", context)
    if not isinstance(made, Sampler) and callable(made) and not hasattr(made, "__iter__"):
        with calling("sampler", recipe.sampler):
            made = made(labels)
    elif trusted_part(recipe.sampler, "sampler").arguments is None and recipe.selection:
        raise BadInput(
            f"sampler {recipe.sampler} is made already, and cannot know the rows that are left once "
            f"{recipe.selection:.0%} of the labels are set apart to choose the epoch; give a function of their "
            "labels, such as lambda labels: Balanced(labels, 8, 4), or set selection to 0"
        )
    if not hasattr(made, "__iter__"):
        raise BadInput(f"sampler {recipe.sampler} gave {type(made).__name__}; it must give batches of row numbers")
    return OwnSampler(made, len(labels), size, recipe.seed, recipe.sampler)


def _own_loss(recipe: Recipe, dim: int, n_labels: int, gather: bool) -> nn.Module:
    context: dict[str, Any] = {"dim": dim, "n_labels": n_labels, "gather": gather}
    context |= {"embedding_size": dim, "num_classes": n_labels}  # as PyTorch Metric Learning calls them
    if recipe.memory:
        raise BadInput(f"memory is {recipe.memory}, which goes with losses of omlzoo; give a loss with a memory of its "
                       "own, such as CrossBatch or PyTorch Metric Learning's CrossBatchMemory")  # fmt: skip
    part = trusted_part(recipe.loss, "loss")
    arguments = {name: None if value == "none" else value for name, value in recipe.loss_args.items()}
    if arguments and (part.arguments is None or not arguments.keys() <= takes(part.thing)):
        raise BadInput(f"loss_args {arguments} do not suit {part}; write them as module:Name(argument=value)")
    miner = None if recipe.miner == "none" else _miner(recipe)
    return OwnLoss(make_part(recipe.loss, "loss", {**context, **arguments}), miner, recipe.loss.partition("(")[0])


def _takes_miner(loss: str) -> bool:
    return "miner" in inspect.signature(catalog.find("losses", loss)).parameters


def _miner(recipe: Recipe) -> Any:
    if not is_own(recipe.miner):
        return catalog.find("miners", recipe.miner)()
    return make_part(recipe.miner, "miner", {})


def _one_loss(recipe: Recipe, dim: int, n_labels: int, gather: bool) -> nn.Module:
    if is_own(recipe.loss):
        return _own_loss(recipe, dim, n_labels, gather)
    kind = catalog.find("losses", recipe.loss)
    known = inspect.signature(kind).parameters
    arguments = {name: None if value == "none" else value for name, value in recipe.loss_args.items()}
    for name in arguments:
        if name not in known:
            raise BadInput(f"loss_args has {name!r}; {recipe.loss} takes {', '.join(known)}")
    if isinstance(inner := arguments.get("loss"), str):  # of a loss over another
        arguments["loss"] = _one_loss(replace(recipe, loss=inner, loss_args={}, memory=0), dim, n_labels, gather)
    context: dict[str, Any] = {"dim": dim, "n_labels": n_labels, "gather": gather and not recipe.memory}
    if recipe.poincare:
        context["clip"] = arguments["clip"] = None  # the head clips
    if "miner" in known and recipe.miner != "none":
        context["miner"] = _miner(recipe)
    try:
        made: nn.Module = kind(**{name: value for name, value in context.items() if name in known} | arguments)
    except TypeError as error:
        raise BadInput(f"loss_args {arguments} do not suit {recipe.loss}: {error}") from error
    if not recipe.memory:
        return made
    if not getattr(made, "references", False):
        raise BadInput(f"memory is {recipe.memory}, but {recipe.loss} compares with no other items; set memory to 0")
    longer: nn.Module = catalog.find("losses", "CrossBatch").over(made, recipe.memory, dim, gather)
    return longer
