"""What of a model trains, and how its blocks are computed: frozen stages, dropped and recomputed blocks."""

from collections.abc import Iterable
from functools import partial

from timm.layers.drop import DropPath
from torch import nn
from torch.utils.checkpoint import checkpoint

from omlzoo.errors import BadInput
from omlzoo.models._extractor import Extractor
from omlzoo.ops.all_gather import processes
from omlzoo.training.recipe import Recipe

__all__ = ["check_cache", "checkpoint_blocks", "drop_paths", "freeze"]

DROPPING = ("drop_path", "drop_path1", "drop_path2")  # of timm's blocks


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


def checkpoint_blocks(stages: Iterable[list[nn.Module | nn.Parameter]]) -> None:
    """Compute what lies within the middle stages again in the backward pass instead of keeping it."""
    for stage in list(stages)[1:-1]:
        for part in stage:
            if isinstance(part, nn.Module):
                part.forward = partial(checkpoint, part.forward, use_reentrant=False)
