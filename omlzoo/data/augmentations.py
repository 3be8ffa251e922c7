"""Training augmentations, from a PIL image to (3, H, W) uint8, with random numbers of torch's global generator.

Given the labels of its pixels too, they move them as they move the picture, and return (4, H, W).
"""

from collections.abc import Callable
from dataclasses import replace
from math import ceil, cos, exp, radians, sin, sqrt
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torchvision import tv_tensors
from torchvision.transforms import v2

from omlzoo.data.label_images import IGNORED
from omlzoo.data.preprocess import Preprocess
from omlzoo.data.transforms import Transform, to_pixels
from omlzoo.errors import UnknownName

__all__ = ["AUGMENTATIONS", "Drawing", "Photo", "augmentation", "needed_side"]


class Photo:
    """For photographs: random crop of 40 to 100 % of the area, random mirroring, and slight changes of colour.

    Pictures are not mixed and no parts are erased, because a retrieval label belongs to the whole object.

    Args:
        preprocess: The preprocessing of the model, which gives the size of the input.
    """

    def __init__(self, preprocess: Preprocess) -> None:
        height, width = preprocess.crop
        self.crop = v2.RandomResizedCrop(
            (height, width), scale=(0.4, 1.0), ratio=(0.75 * width / height, 4 / 3 * width / height)
        )
        self.others = v2.Compose([v2.RandomHorizontalFlip(), v2.ColorJitter(0.2, 0.2, 0.2, 0.02)])

    def __call__(self, image: Image.Image, labels: Image.Image | None = None) -> Tensor:
        """The augmented picture, (3, H, W) uint8, of a PIL image; with its labels (4, H, W)."""
        return _moved(v2.Compose([self.crop, self.others]), image, labels)


class Crop:
    """Random bicubic crop of 20 to 100 % of the area and random mirroring, as Hyp-ViT (arXiv 2203.10833) trains."""

    def __init__(self, preprocess: Preprocess) -> None:
        self.crop = v2.RandomResizedCrop(
            preprocess.crop, scale=(0.2, 1.0), interpolation=v2.InterpolationMode.BICUBIC, antialias=True
        )
        self.mirror = v2.RandomHorizontalFlip()

    def __call__(self, image: Image.Image, labels: Image.Image | None = None) -> Tensor:
        """The augmented picture, (3, H, W) uint8, of a PIL image; with its labels (4, H, W)."""
        return _moved(v2.Compose([self.crop, self.mirror]), image, labels)


class Rich:
    """Random crop and mirroring, and at random one warp, one blur, one change of colours and one of the channels.

    The groups of operations are those of Open Metric Learning's heavy augmentation; the operations are torchvision's.
    """

    def __init__(self, preprocess: Preprocess) -> None:
        paper = {tv_tensors.Mask: IGNORED, "others": (255, 255, 255)}
        self.steps = v2.Compose([
            v2.RandomResizedCrop(preprocess.crop, scale=(0.4, 1.0), antialias=True),
            v2.RandomHorizontalFlip(),
            _one_of(0.5, v2.RandomPerspective(0.07, 1.0, fill=paper),
                    v2.RandomAffine(2, (0.05, 0.05), shear=7, fill=paper), v2.ElasticTransform(30.0, fill=paper)),
            _one_of(0.5, v2.GaussianBlur(5, (0.7, 2.0)), v2.GaussianBlur(3, (0.3, 1.0))),
            _one_of(0.8, v2.ColorJitter(0.4, 0.4, 0.4, 0.1), v2.RandomAdjustSharpness(2.0, 1.0),
                    v2.RandomAutocontrast(1.0)),
            _one_of(0.2, v2.Grayscale(3), v2.RandomChannelPermutation()),
        ])  # fmt: skip

    def __call__(self, image: Image.Image, labels: Image.Image | None = None) -> Tensor:
        """The augmented picture, (3, H, W) uint8, of a PIL image; with its labels (4, H, W)."""
        return _moved(self.steps, image, labels)


def _moved(steps: Callable[..., Any], image: Image.Image, labels: Image.Image | None) -> Tensor:
    """A picture, and its labels if there are any, after steps that take both alike."""
    if labels is None:
        return to_pixels(steps(image))
    picture, mask = steps(image, tv_tensors.Mask(torch.from_numpy(np.array(labels))[None]))  # values stay as they are
    return torch.cat([to_pixels(picture), mask.as_subclass(Tensor)])


def _one_of(chance: float, *steps: nn.Module) -> nn.Module:
    chosen: nn.Module = v2.RandomApply([v2.RandomChoice(list(steps))], p=chance)
    return chosen


class Drawing:
    """For characters and sketches: a random warp with an elastic part, applied as one resampling.

    The warp rotates, scales, stretches, shears and shifts the picture and displaces it smoothly. Each amount is drawn
    uniformly between minus and plus its limit. Parts that come from outside the picture have the colour of the border.

    Args:
        preprocess: The preprocessing of the model, which is applied before the warp.
        turn: Limit of the rotation, in degrees.
        scale: Limit of the logarithm of the factor of the size.
        stretch: Limit of the logarithm of the factor by which the width grows and the height shrinks.
        shear: Limit of the shear, the horizontal displacement per unit of height.
        shift: Limit of the shift in each direction, as a share of half the side.
        elastic: Mean standard deviation of the random displacements on a coarse grid, as a share of half the side. The
            standard deviation is drawn between 0 and twice this value.
        cells: Rows and columns of the coarse grid.
    """

    def __init__(
        self,
        preprocess: Preprocess,
        turn: float = 15,
        scale: float = 0.2,
        stretch: float = 0.15,
        shear: float = 0.25,
        shift: float = 0.15,
        elastic: float = 0.04,
        cells: int = 5,
    ) -> None:
        self.transform, self.labels = Transform(preprocess), Labels(preprocess)
        self.turn, self.scale, self.stretch, self.shear = turn, scale, stretch, shear
        self.shift, self.elastic, self.cells = shift, elastic, cells

    def __call__(self, image: Image.Image, labels: Image.Image | None = None) -> Tensor:
        """The augmented picture, (3, H, W) uint8, of a PIL image; with its labels (4, H, W)."""
        levels = self.transform.pixels(image)[None].float()  # (1, 3, H, W)
        turn, scale, stretch, shear, across, down, strength = (torch.rand(7) * 2 - 1).tolist()
        angle, slant = radians(self.turn * turn), self.shear * shear
        wide = exp(-self.scale * scale - self.stretch * stretch)
        high = exp(-self.scale * scale + self.stretch * stretch)
        matrix = [
            [cos(angle) * wide, cos(angle) * slant - sin(angle) * high, self.shift * across],
            [sin(angle) * wide, sin(angle) * slant + cos(angle) * high, self.shift * down],
        ]
        grid = nn.functional.affine_grid(
            torch.tensor([matrix]), list(levels.shape), align_corners=False
        )  # (1, H, W, 2)
        coarse = torch.randn(1, 2, self.cells, self.cells) * self.elastic * (1 + strength)
        smooth = nn.functional.interpolate(coarse, (16, 16), mode="bicubic", align_corners=True)
        smooth = nn.functional.interpolate(smooth, levels.shape[-2:], mode="bilinear", align_corners=True)
        grid = grid + smooth.permute(0, 2, 3, 1)
        warped = nn.functional.grid_sample(levels, grid, padding_mode="border", align_corners=False)
        picture = warped[0].round().clamp(0, 255).byte()
        if labels is None:
            return picture
        shown = 255 - self.labels(labels)[None].float()  # what comes from outside is 0 here, so ignored
        moved = nn.functional.grid_sample(shown, grid, mode="nearest", padding_mode="zeros", align_corners=False)
        return torch.cat([picture, (255 - moved[0]).byte()])


class Plain:
    """The transform of the evaluation, without augmentation."""

    def __init__(self, preprocess: Preprocess) -> None:
        self.transform, self.labels = Transform(preprocess), Labels(preprocess)

    def __call__(self, image: Image.Image, labels: Image.Image | None = None) -> Tensor:
        """The picture, (3, H, W) uint8, of a PIL image; with its labels (4, H, W)."""
        pixels = self.transform.pixels(image)
        return pixels if labels is None else torch.cat([pixels, self.labels(labels)])


class Labels:
    """Resizes and crops labels as a preprocessing does the picture, to their nearest pixels."""

    def __init__(self, preprocess: Preprocess) -> None:
        pad = None if preprocess.pad is None else IGNORED
        self.transform = Transform(replace(preprocess, pad=pad, antialias=True), Image.Resampling.NEAREST)

    def __call__(self, labels: Image.Image) -> Tensor:
        """The labels (1, H, W) uint8 of a PIL image of mode L."""
        return self.transform.pixels(Image.merge("RGB", [labels] * 3))[:1]


AUGMENTATIONS: dict[str, Callable[[Preprocess], Callable[..., Tensor]]] = {
    "none": Plain,
    "photo": Photo,
    "hypvit": Crop,
    "rich": Rich,
    "drawing": Drawing,
}


# Of the shorter side of a picture, what the smallest crop keeps: the root of its area by its narrowest shape.
SMALLEST = {"photo": sqrt(0.4 * 0.75), "hypvit": sqrt(0.2 * 0.75), "rich": sqrt(0.4 * 0.75)}


def needed_side(name: str, preprocess: Preprocess) -> int | None:
    """Pixels that the shorter side of a picture needs for an augmentation.

    It is twice the side that the picture or a crop of it is resized to, or more where crops are so small that one of
    them would be enlarged.

    Args:
        name: A key of :data:`AUGMENTATIONS`.
        preprocess: The preprocessing of the model.

    Returns:
        The pixels; None where the picture is needed whole, because it is resized without a filter, so that each of its
        pixels has a say of its own.
    """
    if name not in SMALLEST and not preprocess.antialias:
        return None
    side = max(preprocess.crop if name in SMALLEST else preprocess.resize)
    return ceil(side * max(2, 1 / SMALLEST.get(name, 1)))


def augmentation(name: str, preprocess: Preprocess) -> Callable[..., Tensor]:
    """The augmentation of a name.

    Args:
        name: A key of :data:`AUGMENTATIONS`; "none" is the transform of the evaluation, without augmentation.
        preprocess: The preprocessing of the model, which gives the size of the input.

    Returns:
        A function from a PIL image to (3, H, W) uint8, or from a PIL image and one of its labels to (4, H, W).

    Raises:
        UnknownName: There is no such augmentation.
    """
    if name not in AUGMENTATIONS:
        raise UnknownName("omlzoo.data.augmentations", name, AUGMENTATIONS)
    return AUGMENTATIONS[name](preprocess)
