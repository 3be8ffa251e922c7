"""An augmentation that users bring, held to what the model takes: a PIL image in, a picture of its size out."""

from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from omlzoo.data.dataset import ImageTable
from omlzoo.data.transforms import to_pixels
from omlzoo.errors import BadInput
from omlzoo.training.own_parts import calling
from omlzoo.training.own_sampler import seeded

__all__ = ["OwnAugment", "OwnViews", "try_first"]

RULE = "it must return a PIL image in RGB, a uint8 tensor (3, H, W) or a uint8 array (H, W, 3)"


class OwnAugment:
    """A user's augmentation: of torchvision, of albumentations, or any callable of a PIL image.

    Its random numbers are decided by the item's seed, whether it draws them from torch, numpy or Python.

    Args:
        augment: Takes a PIL image in RGB; what comes from albumentations is called with ``image=`` an array.
        size: Height and width in pixels of what the model takes.
        name: What to call it in messages.
    """

    def __init__(self, augment: Any, size: tuple[int, int], name: str) -> None:
        self.augment, self.size, self.name = augment, size, name
        self.arrays = type(augment).__module__.partition(".")[0] in ("albumentations", "albumentationsx")

    def __call__(self, image: Image.Image) -> Tensor:
        """The augmented picture, (3, H, W) uint8, of a PIL image.

        Raises:
            BadInput: The augmentation raised an error, or gave another size or type.
        """
        seed = int(torch.randint(2**62, ()))  # of the item: the caller seeds torch
        with calling("augment", self.name), seeded((seed,)):
            if self.arrays:
                if hasattr(self.augment, "set_random_seed"):
                    self.augment.set_random_seed(seed % 2**32)
                given: Any = self.augment(image=np.asarray(image))["image"]
            else:
                given = self.augment(image)
        return self._checked(given)

    def _checked(self, given: Any) -> Tensor:
        if isinstance(given, Image.Image):
            if given.mode != "RGB":
                raise BadInput(f"augment {self.name} returned a PIL image in {given.mode}; {RULE}")
            pixels = to_pixels(given)
        elif isinstance(given, np.ndarray):
            pixels = self._of_kind(torch.from_numpy(np.array(given)), given.dtype, 2).movedim(2, 0)
        elif isinstance(given, Tensor):
            pixels = self._of_kind(given.as_subclass(Tensor), str(given.dtype).removeprefix("torch."), 0)
        else:
            raise BadInput(f"augment {self.name} returned {type(given).__name__}; {RULE}")
        if tuple(pixels.shape[1:]) != self.size:
            height, width = self.size
            raise BadInput(f"augment {self.name} returned {pixels.shape[1]} x {pixels.shape[2]} pixels; the model "
                           f"takes {height} x {width} (height x width)")  # fmt: skip
        return pixels.contiguous()

    def _of_kind(self, pixels: Tensor, kind: object, channels: int) -> Tensor:
        if pixels.dtype != torch.uint8:
            raise BadInput(f"augment {self.name} returned {kind}; {RULE}: pixels are normalised afterwards, as the "
                           "model needs it")  # fmt: skip
        if pixels.ndim != 3 or pixels.shape[channels] != 3:
            raise BadInput(f"augment {self.name} returned the shape {tuple(pixels.shape)}; {RULE}")
        return pixels


class OwnViews:
    """Several views of a picture by a user's augmentation, for objectives over views.

    Args:
        augment: Makes one view.
        count: Number of views, 1 or more.
    """

    def __init__(self, augment: OwnAugment, count: int) -> None:
        self.augment, self.count = augment, count

    def __call__(self, image: Image.Image) -> list[Tensor]:
        """Views (3, H, W) uint8 of a PIL image."""
        return [self.augment(image) for _ in range(self.count)]


def try_first(pictures: ImageTable) -> None:
    """Augment the first picture that can be read, so that an augmentation that does not suit is refused at once.

    Raises:
        BadInput: The augmentation raised an error, or gave another size or type.
    """
    for row in range(len(pictures)):
        if pictures[(row, 0)][0] is not None:
            return
