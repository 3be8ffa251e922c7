"""Evaluation transforms, from a picture to the (3, H, W) input that an entry's preprocessing describes."""

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from omlzoo.data.images import MAX_PIXELS, to_rgb
from omlzoo.data.preprocess import Preprocess
from omlzoo.data.resize_part import REACH, held_pixels, resize_part
from omlzoo.errors import BadImage

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Transform", "to_pixels"]

LARGE = 1 << 24  # pixels; of a resized picture that is larger only the part that is kept is computed
FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


class Transform:
    """From a picture to (3, H, W) float, equal to torchvision's Resize, CenterCrop, ToTensor, Normalize on PIL images.

    It has two parts, so that pictures can be passed between processes as bytes and normalised as a whole batch:
    :meth:`pixels` returns (3, H, W) uint8, and :meth:`normalize` converts it to float.

    Args:
        preprocess: The preprocessing of the model.
        filtering: How PIL resizes; None is the preprocessing's own interpolation.
    """

    def __init__(self, preprocess: Preprocess, filtering: Image.Resampling | None = None) -> None:
        self.preprocess = preprocess
        self.filtering = FILTERS[preprocess.interpolation] if filtering is None else filtering

    @cached_property
    def mean(self) -> "Tensor":
        """The mean of each colour, (3, 1, 1)."""
        return _colours(self.preprocess.mean)

    @cached_property
    def std(self) -> "Tensor":
        """The standard deviation of each colour, (3, 1, 1)."""
        return _colours(self.preprocess.std)

    def __call__(self, image: Image.Image) -> "Tensor":
        """The (3, H, W) float input of one picture of any mode."""
        return self.normalize(self.pixels(image))

    def __repr__(self) -> str:
        return f"Transform({self.preprocess})"

    def array(self, image: Image.Image) -> np.ndarray:
        """The same numbers as an array, for which torch is not imported unless the resizing needs it.

        Raises:
            BadImage: As of :meth:`framed`.
        """
        levels = np.asarray(self.framed(image)).transpose(2, 0, 1).astype(np.float32, order="C")
        levels /= 255
        levels -= np.asarray(self.preprocess.mean, dtype=np.float32)[:, None, None]
        levels /= np.asarray(self.preprocess.std, dtype=np.float32)[:, None, None]
        return levels

    def pixels(self, image: Image.Image) -> "Tensor":
        """The resized and cropped picture, (3, H, W) uint8.

        Raises:
            BadImage: As of :meth:`framed`.
        """
        return to_pixels(self.framed(image))

    def framed(self, image: Image.Image) -> Image.Image:
        """The resized and cropped picture.

        Of a long and narrow picture, which is large once it is resized, only the part that the crop keeps is computed;
        its levels are the same.

        Raises:
            BadImage: The same, of a preprocessing without antialiasing.
        """
        image = image if image.mode == "RGB" else to_rgb(image)
        if self.filtering in REACH and self.preprocess.antialias and self.preprocess.mode != "contain":
            size = self._whole(image)
            old, new = image.size, (size[1], size[0])
            inside = all(kept <= resized for kept, resized in zip(self.preprocess.crop, size, strict=True))
            if old != new and inside and held_pixels(old, new) > LARGE:
                return resize_part(image, new, self._kept(size), self.filtering)
        return self.crop(self.resize(image))

    def normalize(self, pixels: "Tensor") -> "Tensor":
        """Pixels (..., 3, H, W) uint8 as float32, divided by 255, minus the mean, divided by std."""
        import torch

        scaled = pixels.to(torch.float32).div_(255)
        return scaled.sub_(self.mean.to(pixels.device)).div_(self.std.to(pixels.device))

    def resize(self, image: Image.Image) -> Image.Image:
        """The whole picture, resized according to the mode; for "contain" it is padded too.

        Raises:
            BadImage: The picture is so long and narrow that it would have too many pixels once it is resized.
        """
        height, width = self.preprocess.resize
        if self.preprocess.mode != "contain":
            return self._resample(image, self._whole(image))
        scale = min(height / image.height, width / image.width)
        inside = (max(1, round(image.height * scale)), max(1, round(image.width * scale)))
        page = Image.new("RGB", (width, height), (self.preprocess.pad,) * 3)  # type: ignore[arg-type]
        page.paste(self._resample(image, inside), ((width - inside[1]) // 2, (height - inside[0]) // 2))
        return page

    def crop(self, image: Image.Image) -> Image.Image:
        """The central part of a resized picture, of the size ``crop`` of the preprocessing."""
        if (image.height, image.width) == self.preprocess.crop:
            return image
        return image.crop(self._kept((image.height, image.width)))

    def _whole(self, image: Image.Image) -> tuple[int, int]:
        """(height, width) of the whole resized picture, for "squash" and "cover"."""
        height, width = self.preprocess.resize
        if self.preprocess.mode == "squash":
            return height, width
        if height * image.width >= width * image.height:  # the height decides
            return height, max(width, int(height * image.width / image.height))
        return max(height, int(width * image.height / image.width)), width

    def _kept(self, size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of the crop of a resized picture of (height, width)."""
        height, width = self.preprocess.crop
        top, left = round((size[0] - height) / 2), round((size[1] - width) / 2)
        return left, top, left + width, top + height

    def _resample(self, image: Image.Image, size: tuple[int, int]) -> Image.Image:
        if (image.height, image.width) == size:
            return image
        if size[0] * size[1] > MAX_PIXELS:
            sides = f"{image.width} x {image.height} pixels are too long and narrow"
            raise BadImage(f"{sides}: resized, they would be {size[1]} x {size[0]}; cut the picture")
        if self.preprocess.antialias:
            return image.resize((size[1], size[0]), self.filtering)
        from torch import nn

        levels = to_pixels(image)[None].float()
        mode = self.preprocess.interpolation
        resized = nn.functional.interpolate(levels, size, mode=mode, align_corners=False)
        return Image.fromarray(resized[0].round().clamp(0, 255).byte().permute(1, 2, 0).numpy())


def to_pixels(image: Image.Image) -> "Tensor":
    """A PIL image of mode RGB as (3, H, W) uint8, contiguous."""
    import torch

    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


def _colours(values: tuple[float, ...]) -> "Tensor":
    import torch

    return torch.tensor(values).view(3, 1, 1)
