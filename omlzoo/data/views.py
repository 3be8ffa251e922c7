"""Views of a picture for learning without labels: several random crops and changes of one decoded picture."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2

from omlzoo.data.augmentations import Drawing
from omlzoo.data.preprocess import Preprocess
from omlzoo.data.transforms import to_pixels
from omlzoo.errors import BadInput, UnknownName

__all__ = ["SETS", "ViewSet", "Views", "shown"]

SHARP = 48  # pixels; smaller views are not blurred, which would leave nothing of them
Range = tuple[float, float]


@dataclass(frozen=True)
class ViewSet:
    """How the views of a picture are drawn.

    Attributes:
        area: Share of the picture's area that a view of the whole shows, at least and at most.
        local_area: The same for a small view.
        jitter: Strengths of the changes of brightness, contrast, saturation and hue.
        gray: Probability that a view has no colour.
        blur: Probability of a blur in the first view, in the second, and in small ones.
        solarize: Probability that bright pixels are inverted in the second view.
        mirror: Probability that a view is mirrored.
        bicubic: Whether crops are resized bicubically; bilinearly otherwise.
    """

    area: Range
    local_area: Range
    jitter: tuple[float, float, float, float]
    gray: float
    blur: tuple[float, float, float]
    solarize: float = 0.0
    mirror: float = 0.5
    bicubic: bool = False


MILD = (0.2, 0.2, 0.2, 0.02)
SETS: dict[str, ViewSet | None] = {
    "mild": ViewSet((0.2, 1), (0.05, 0.3), MILD, gray=0.0, blur=(0, 0, 0)),
    "photo": ViewSet((0.2, 1), (0.05, 0.3), (0.4, 0.4, 0.4, 0.1), gray=0.2, blur=(0.5, 0.5, 0.5)),  # MoCo v2, SimSiam
    "simclr": ViewSet((0.08, 1), (0.05, 0.3), (0.8, 0.8, 0.8, 0.2), gray=0.2, blur=(0.5, 0.5, 0.5)),
    "byol": ViewSet((0.08, 1), (0.05, 0.3), (0.4, 0.4, 0.2, 0.1), 0.2, (1.0, 0.1, 0.5), 0.2, bicubic=True),
    "dino": ViewSet((0.4, 1), (0.05, 0.4), (0.4, 0.4, 0.2, 0.1), 0.2, (1.0, 0.1, 0.5), 0.2, bicubic=True),
    "swav": ViewSet((0.14, 1), (0.05, 0.14), (0.8, 0.8, 0.8, 0.2), gray=0.2, blur=(0.5, 0.5, 0.5)),
    "crop": ViewSet((0.2, 1), (0.05, 0.3), (0, 0, 0, 0), gray=0.0, blur=(0, 0, 0), bicubic=True),  # MAE, CURL
    "drawing": None,  # warps of the whole: no mirror, no colour
}


class Views:
    """Several views of a picture, which is decoded once. It uses torch's global generator.

    The sets are those of the papers, in torchvision's operations: "simclr" (arXiv 2002.05709), "photo" (MoCo v2, arXiv
    2003.04297), "byol" (arXiv 2006.07733), "dino" (arXiv 2104.14294), "swav" (arXiv 2006.09882), "crop" (MAE, arXiv
    2111.06377, and CURL, arXiv 2004.04136). "mild" leaves colours nearly as they are, where they tell things apart;
    "drawing" warps without mirroring, for characters and sketches.

    Args:
        preprocess: The preprocessing of the model, which gives the size of the views of the whole.
        name: A key of SETS.
        globals: Number of views of the whole picture, at least 1.
        locals: Number of small views of parts of it, which come after the others.
        local_size: Height and width of small views in pixels; None is three sevenths of the model's, as 96 of 224, in
            steps of 16 from 96 pixels on.

    Raises:
        UnknownName: There is no such set.
        BadInput: There is no view, or a number of views is below 0.
    """

    def __init__(
        self, preprocess: Preprocess, name: str = "mild", globals: int = 2, locals: int = 0,
        local_size: tuple[int, int] | None = None,
    ) -> None:  # fmt: skip
        if name not in SETS:
            raise UnknownName("omlzoo.data.views", name, SETS)
        if globals < 1 or locals < 0:
            raise BadInput(f"globals is {globals} and locals {locals}; there must be 1 or more views of the whole")
        self.size = preprocess.crop
        self.local_size = local_size or (_smaller(self.size[0]), _smaller(self.size[1]))
        self.globals, self.locals = globals, locals
        found = SETS[name]
        self.steps: list[Callable[[Image.Image], Tensor]]
        if found is None:
            whole = Drawing(preprocess)
            parts = [_Part(whole, self.local_size)] * locals
            self.steps = [*[whole] * globals, *parts]
        else:
            wholes = [_view(found, self.size, found.area, found.blur[min(i, 1)], i == 1) for i in range(globals)]
            small = _view(found, self.local_size, found.local_area, found.blur[2], False)
            self.steps = [*wholes, *[small] * locals]

    def __call__(self, image: Image.Image) -> list[Tensor]:
        """The views of a PIL image, each (3, H, W) uint8: those of the whole, then the small ones."""
        return [step(image) for step in self.steps]

    def __len__(self) -> int:
        return len(self.steps)


class _Part:
    """A random part of a drawing's warp."""

    def __init__(self, whole: Callable[[Image.Image], Tensor], size: tuple[int, int]) -> None:
        self.whole, self.crop = whole, v2.RandomResizedCrop(size, scale=(0.2, 0.6), antialias=True)

    def __call__(self, image: Image.Image) -> Tensor:
        part: Tensor = self.crop(self.whole(image))
        return part


def _view(
    given: ViewSet, size: tuple[int, int], area: Range, blur: float, solarize: bool
) -> Callable[[Image.Image], Tensor]:
    """One view: a crop of the picture, and then changes of its small copy alone."""
    mode = v2.InterpolationMode.BICUBIC if given.bicubic else v2.InterpolationMode.BILINEAR
    ratio = size[1] / size[0]
    steps: list[Any] = [
        v2.RandomResizedCrop(size, scale=area, ratio=(0.75 * ratio, 4 / 3 * ratio), interpolation=mode, antialias=True)
    ]
    if given.mirror:
        steps.append(v2.RandomHorizontalFlip(given.mirror))
    if any(given.jitter):
        jitter = v2.ColorJitter(*given.jitter)
        steps.append(v2.RandomApply([jitter], 0.8) if given.gray else jitter)
    if given.gray:
        steps.append(v2.RandomGrayscale(given.gray))
    if blur and min(size) >= SHARP:
        steps.append(v2.RandomApply([v2.GaussianBlur(min(size) // 20 * 2 + 1, (0.1, 2.0))], blur))
    if solarize and given.solarize:
        steps.append(v2.RandomSolarize(128, given.solarize))
    together = v2.Compose(steps)
    return lambda image: to_pixels(together(image))


def _smaller(side: int) -> int:
    small = side * 3 // 7
    return max(8, small // 16 * 16 if small >= 96 else small // 8 * 8)


def shown(views: Sequence[Tensor]) -> list[Image.Image]:
    """Views as PIL images, for a page."""
    return [Image.fromarray(torch.movedim(view, 0, 2).numpy()) for view in views]
