"""Patches of a model: their sizes, and vision transformers that see some of them only."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from omlzoo.errors import BadInput
from omlzoo.models._extractor import Extractor
from omlzoo.models._staged import as_grid

__all__ = ["Needs", "Patches", "block_masks", "hidden_patches", "patch_rows", "patches_of", "visible_patches"]

Needs = Literal["map", "tokens", "visible"]
LEAST, TRIES, FLAT = 4, 10, 0.3  # patches of a block, trials to place one, and its smallest ratio of sides


@dataclass(frozen=True)
class Patches:
    """The patches of a model's images, or the places of its feature map.

    Attributes:
        width: Dimension of each.
        count: How many there are in an image of the model's size.
        pixels: Numbers of an image that a patch shows, 3 x height x width.
    """

    width: int
    count: int
    pixels: int


def patches_of(model: Extractor, needs: Needs) -> Patches:
    """The patches of a model with an entry, in images of its own size.

    Args:
        model: The model.
        needs: "map" for a feature map or tokens of patches, "tokens" for tokens of patches that can be hidden,
            "visible" for patches that can be left out.

    Raises:
        BadInput: The model has no such thing.
    """
    first, training = next(model.parameters()), model.training
    height, width = model.entry.preprocess.crop
    images = torch.zeros(1, 3, height, width, device=first.device, dtype=first.dtype)
    try:
        with torch.no_grad():
            outputs = model.eval().features(images)
            found = as_grid(outputs, images)
            _, dim, rows, columns = found.shape
            if needs != "map" and ("tokens" not in outputs or patch_rows(model, images) != (rows, columns)):
                raise _no_patches(model)
            if needs == "visible":
                with visible_patches(model, torch.zeros(1, 1, dtype=torch.int64, device=first.device), rows * columns):
                    model.features(images)
    except (RuntimeError, ValueError) as error:  # layers that take all patches alone
        if isinstance(error, BadInput):
            raise
        raise _no_patches(model) from error
    finally:
        model.train(training)
    return Patches(dim, rows * columns, 3 * (height // rows) * (width // columns))


def patch_rows(model: nn.Module, images: Tensor) -> tuple[int, int]:
    """The rows and columns of patches that a vision transformer makes of images.

    Args:
        model: A vision transformer, or a model around one.
        images: (B, 3, H, W).

    Raises:
        BadInput: It is no vision transformer.
    """
    made = _transformer(model).patch_embed.proj
    sides = zip(images.shape[2:], made.kernel_size, made.stride, made.padding, strict=True)
    rows, columns = ((side + 2 * edge - kernel) // stride + 1 for side, kernel, stride, edge in sides)
    return rows, columns


@contextmanager
def hidden_patches(model: nn.Module, mask: Tensor, token: Tensor) -> Iterator[None]:
    """Within it a token stands for the masked patches, as in BEiT (arXiv 2106.08254); positions are added as usual.

    Args:
        model: A vision transformer, or a model around one.
        mask: (B, S) bool, the S patches row by row.
        token: (width,).

    Raises:
        BadInput: It is no vision transformer.
    """

    def hide(_: nn.Module, __: Any, made: Tensor) -> Tensor:
        place = mask.view(len(made), 1, *made.shape[2:])
        return torch.where(place, token.to(made.dtype).view(1, -1, 1, 1), made)

    handle = _transformer(model).patch_embed.proj.register_forward_hook(hide)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def visible_patches(model: nn.Module, kept: Tensor, count: int) -> Iterator[None]:
    """Within it only some patches go through the blocks, with their positions, as in MAE (arXiv 2111.06377).

    Class tokens and registers, which come first, are kept.

    Args:
        model: A vision transformer, or a model around one.
        kept: (B, M) indices of the patches, from 0.
        count: How many patches there are.

    Raises:
        BadInput: It is no vision transformer, or its blocks take positions beside the tokens.
    """

    def choose(_: nn.Module, given: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        tokens, *others = given
        if any(each is not None for each in (*others, *named.values())):
            raise _no_patches(model)
        before = tokens.shape[1] - count
        place = kept[:, :, None].expand(-1, -1, tokens.shape[2])
        chosen = torch.cat([tokens[:, :before], tokens[:, before:].gather(1, place)], dim=1)
        return (chosen, *others), named

    handle = _transformer(model).blocks[0].register_forward_pre_hook(choose, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def block_masks(count: int, grid: tuple[int, int], chance: float, share: tuple[float, float]) -> Tensor:
    """Masks (count, rows * columns) bool of rectangular blocks; it draws one number of torch's global generator.

    A share of the pictures is masked, as in DINOv2 always the same. Blocks of at least four patches, whose sides have a
    ratio from 0.3 to its inverse, are added until the share of masked patches is reached, which is drawn evenly; some
    patches may be missing to it.

    Args:
        count: Number of masks.
        grid: Rows and columns of patches.
        chance: Share of the pictures that are masked; between two whole numbers of them it is the probability of each.
        share: The smallest and the largest share of masked patches.
    """
    random = np.random.default_rng(int(torch.randint(2**62, ())))
    masks = np.zeros((count, *grid), dtype=bool)
    for number in random.permutation(count)[: int(chance * count + random.random())]:
        mask = masks[number]
        wanted = int(random.uniform(*share) * mask.size)
        tries = 0
        while (left := wanted - int(mask.sum())) > 0 and tries < TRIES:
            area = random.uniform(min(LEAST, left), left)
            ratio = np.exp(random.uniform(np.log(FLAT), -np.log(FLAT)))
            height, width = round((area * ratio) ** 0.5), round((area / ratio) ** 0.5)
            tries += 1
            if not (0 < height <= grid[0] and 0 < width <= grid[1]):
                continue
            top, start = random.integers(grid[0] - height + 1), random.integers(grid[1] - width + 1)
            block = mask[top : top + height, start : start + width]
            if 0 < (~block).sum() <= left:
                block[:] = True
                tries = 0
    return torch.from_numpy(masks).flatten(1)


def _transformer(model: nn.Module) -> Any:
    """The part of a model that makes patches and sends them through blocks."""
    for part in model.modules():
        made = getattr(getattr(part, "patch_embed", None), "proj", None)
        if isinstance(made, nn.Conv2d) and hasattr(part, "blocks"):
            return part
    raise _no_patches(model)


def _no_patches(model: nn.Module) -> BadInput:
    name = type(getattr(model, "module", model)).__name__
    return BadInput(f"{name} has no patches that can be hidden or left out; take a plain vision transformer")
