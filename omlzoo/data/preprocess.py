"""The settings by which a picture becomes the input of a checkpoint."""

from dataclasses import dataclass, replace
from operator import index
from typing import Literal

from omlzoo.errors import BadInput

__all__ = ["Preprocess", "Profiles"]

Profiles = Literal["ignore", "srgb"]  # what is done with a colour profile that is not sRGB


@dataclass(frozen=True)
class Preprocess:
    """How a picture becomes the (3, H, W) input of a checkpoint.

    Attributes:
        resize: (H, W) in pixels, the target of the resizing.
        mode: How the picture is resized: "cover" keeps its aspect ratio and covers the target, as torchvision's
            ``Resize(int)``; "squash" changes the aspect ratio to that of the target; "contain" keeps the aspect ratio,
            fits into the target and is padded on all sides.
        crop: (H, W) in pixels of the central part that is kept, which is the size of the input.
        interpolation: The interpolation of the resizing.
        antialias: Whether a filter is applied when a picture is reduced, as PIL always does and OpenCV never does.
        pad: Grey value of the border, in [0, 255]; only for "contain", else None.
        mean: The values that are subtracted from the channels, in [0, 1].
        std: The values that the channels are then divided by, in [0, 1].
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
        """The same preprocessing for inputs of another size; the ratio of resize to crop is kept.

        Args:
            image_size: The size of the input in pixels, as (H, W) or as one number for both.

        Raises:
            BadInput: It is not a positive integer or two of them.
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
