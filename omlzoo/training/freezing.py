"""Frozen stages of a model, and blocks that are dropped at random or computed again in the backward pass."""

from collections.abc import Iterable
from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint

from omlzoo import catalog
from omlzoo.errors import BadInput
from omlzoo.models._extractor import Extractor
from omlzoo.models._text_tower import TextTower
from omlzoo.ops.all_gather import processes
from omlzoo.training.lora import add_lora
from omlzoo.training.recipe import Recipe

__all__ = ["check_cache", "checkpoint_blocks", "drop_paths", "freeze", "prepare"]

DROPPING = ("drop_path", "drop_path1", "drop_path2")  # of timm's blocks


def check_cache(model: Extractor, recipe: Recipe) -> None:
    """Refuse a cache of frozen stages where nothing is frozen, or where the kept outputs would become wrong.

    Args:
        model: The extractor to train.
        recipe: The settings; nothing is checked where its cache is 0.

    Raises:
        BadInput: The cache does not suit the other settings, the model, or the number of processes.
    """
    for wrong, remedy in (
        (not recipe.freeze, "nothing is frozen; set freeze to 1 or more"),
        (bool(recipe.lora), "lora changes the frozen stages; set lora to 0"),
        (not model.steps(), f"{type(model).__name__} cannot be cut into stages; set cache to 0"),
        (processes() > 1, "it works in one process only; set cache to 0"),
    ):
        if recipe.cache and wrong:
            raise BadInput(f"cache is {recipe.cache}, but {remedy}")


def freeze(model: Extractor, count: int) -> list[nn.Module]:
    """Exclude the first stages of a model from training.

    Args:
        model: The extractor; the parameters of the stages need no gradient afterwards.
        count: Number of stages to freeze, from 0 to one fewer than there are; 0 freezes none.

    Returns:
        The modules of the frozen stages, which have to stay in eval mode.

    Raises:
        BadInput: The model has no more than ``count`` stages.
    """
    stages = model.stages()
    if count >= len(stages):
        raise BadInput(f"freeze is {count}; this model has {len(stages)} stages, freeze fewer")
    parts = [part for stage in stages[:count] for part in stage]
    for part in parts:
        for parameter in [part] if isinstance(part, nn.Parameter) else part.parameters():
            parameter.requires_grad_(False)
    return [part for part in parts if isinstance(part, nn.Module)]


def prepare(body: Extractor, recipe: Recipe, text: TextTower | None = None) -> list[nn.Module]:
    """Freeze what the recipe does not train of body and text tower, and add what it adds to them.

    Args:
        body: The extractor that is trained, changed in place.
        recipe: The settings.
        text: The text tower that is trained beside it, changed in place; None for none.

    Returns:
        The modules that have to stay in eval mode.

    Raises:
        BadInput: The body has no more stages than are to be frozen, or no layers or blocks for what is added.
    """
    if recipe.towers == "text":
        body.requires_grad_(False)
        frozen: list[nn.Module] = [body]
    else:
        frozen = freeze(body, recipe.freeze)
        drop_paths(body, recipe.drop_path)
        if recipe.lora:
            add_lora(body, recipe.lora)
    if text is not None and recipe.towers == "image":
        frozen.append(text.requires_grad_(False))
    elif text is not None and recipe.lora:
        add_lora(text, recipe.lora)
    if recipe.precision == "bf16":
        catalog.shared("models._attention", "explicit_in_bf16")(body)
    return frozen


def drop_paths(model: Extractor, chance: float) -> None:
    """Leave blocks out at random in training (arXiv 1603.09382); the probability rises linearly with depth.

    Args:
        model: The extractor, changed in place.
        chance: Probability that the last block is left out, from 0 to 0.9; 0 changes nothing. That of the first is 0.

    Raises:
        BadInput: The model has no blocks that can be left out.
    """
    if not chance:
        return
    blocks = [part for part in model.modules() if any(hasattr(part, name) for name in DROPPING)]
    if not blocks:
        raise BadInput(f"drop_path is {chance}, but {type(model).__name__} has no blocks to drop; set drop_path to 0")
    from timm.layers.drop import DropPath  # timm takes longer to import than torch

    for number, block in enumerate(blocks):
        for name in DROPPING:
            if hasattr(block, name):
                setattr(block, name, DropPath(chance * number / max(1, len(blocks) - 1)))


def checkpoint_blocks(stages: Iterable[list[nn.Module | nn.Parameter]]) -> None:
    """Compute the activations of all stages but the first and the last again in the backward pass, to save memory."""
    for stage in list(stages)[1:-1]:
        for part in stage:
            if isinstance(part, nn.Module):
                part.forward = partial(checkpoint, part.forward, use_reentrant=False)
