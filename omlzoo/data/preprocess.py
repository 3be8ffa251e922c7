"""How a picture becomes the input of a checkpoint, as plain facts."""

from dataclasses import dataclass, replace
from operator import index
from typing import Literal

from omlzoo.errors import BadInput

__all__ = ["Preprocess"]


@dataclass(frozen=True)
class Preprocess:
    """How a picture becomes the (3, H, W) input of a checkpoint.

    Attributes:
        resize: (H, W) in pixels that the resized picture has to cover ("cover": shorter side first, as torchvision's
            ``Resize(int)``), to be squashed to ("squash") or to fit into ("contain": padded around the middle).
        mode: Which of the three.
        crop: (H, W) in pixels of the middle part that is kept; the size of the input.
        interpolation: Of the resizing.
        antialias: Whether shrinking filters first (PIL always does; OpenCV never).
        pad: Gray value in [0, 255] of the border; only for "contain".
        mean: Of the channels, in [0, 1].
        std: Of the channels, in [0, 1].
    """

    resize: tuple[int, int]
    mode: Literal["cover", "squash", "contain"]
    crop: tuple[int, int]
    interpolation: Literal["bilinear", "bicubic"]
    antialias: bool
    pad: int | None
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def scaled(self, image_size: int | tuple[int, int]) -> "Preprocess":
        """The same preprocessing for inputs of another size, the ratio of resize to crop kept.

        Args:
            image_size: Pixels of a side, or (H, W).
        """
        try:
            size = tuple(
                index(side) for side in (image_size if isinstance(image_size, tuple | list) else [image_size] * 2)
            )
        except TypeError:
            size = ()
        if len(size) != 2 or min(size) <= 0 or isinstance(image_size, bool):
            raise BadInput(f"image_size is {image_size!r}; it must be a positive int, or two of them: (height, width)")
        resize = [round(new * old / crop) for new, old, crop in zip(size, self.resize, self.crop, strict=True)]
        return replace(self, resize=(resize[0], resize[1]), crop=(size[0], size[1]))
