"""Evaluation transforms, from a picture to the (3, H, W) input that an entry's preprocessing describes."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from omlzoo.data.images import MAX_PIXELS, to_rgb
from omlzoo.data.preprocess import Preprocess
from omlzoo.errors import BadImage

__all__ = ["Transform", "to_pixels"]

FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


class Transform:
    """From a picture to (3, H, W) float, equal to torchvision's Resize, CenterCrop, ToTensor, Normalize on PIL images.

    It has two parts, so that pictures can be passed between processes as bytes and normalised as a whole batch:
    :meth:`pixels` returns (3, H, W) uint8, and :meth:`normalize` converts it to float.

    Args:
        preprocess: The preprocessing of the model.
    """

    def __init__(self, preprocess: Preprocess) -> None:
        self.preprocess = preprocess
        self.mean = torch.tensor(preprocess.mean).view(3, 1, 1)
        self.std = torch.tensor(preprocess.std).view(3, 1, 1)

    def __call__(self, image: Image.Image) -> Tensor:
        """The (3, H, W) float input of one picture of any mode."""
        return self.normalize(self.pixels(image))

    def __repr__(self) -> str:
        return f"Transform({self.preprocess})"

    def pixels(self, image: Image.Image) -> Tensor:
        """The resized and cropped picture, (3, H, W) uint8.

        Raises:
            BadImage: The picture is so long and narrow that it would have too many pixels once it is resized.
        """
        return to_pixels(self.crop(self.resize(image if image.mode == "RGB" else to_rgb(image))))

    def normalize(self, pixels: Tensor) -> Tensor:
        """Pixels (..., 3, H, W) uint8 as float32, divided by 255, minus the mean, divided by std."""
        scaled = pixels.to(torch.float32).div_(255)
        return scaled.sub_(self.mean.to(pixels.device)).div_(self.std.to(pixels.device))

    def resize(self, image: Image.Image) -> Image.Image:
        """The whole picture, resized according to the mode; for "contain" it is padded too.

        Raises:
            BadImage: The picture is so long and narrow that it would have too many pixels once it is resized.
        """
        height, width = self.preprocess.resize
        if self.preprocess.mode == "squash":
            return self._resample(image, (height, width))
        if self.preprocess.mode == "cover":
            if height * image.width >= width * image.height:  # the height decides
                return self._resample(image, (height, max(width, int(height * image.width / image.height))))
            return self._resample(image, (max(height, int(width * image.height / image.width)), width))
        scale = min(height / image.height, width / image.width)
        inside = (max(1, round(image.height * scale)), max(1, round(image.width * scale)))
        page = Image.new("RGB", (width, height), (self.preprocess.pad,) * 3)  # type: ignore[arg-type]
        page.paste(self._resample(image, inside), ((width - inside[1]) // 2, (height - inside[0]) // 2))
        return page

    def crop(self, image: Image.Image) -> Image.Image:
        """The central part of a resized picture, of the size ``crop`` of the preprocessing."""
        height, width = self.preprocess.crop
        if (image.height, image.width) == (height, width):
            return image
        top, left = round((image.height - height) / 2), round((image.width - width) / 2)
        return image.crop((left, top, left + width, top + height))

    def _resample(self, image: Image.Image, size: tuple[int, int]) -> Image.Image:
        if (image.height, image.width) == size:
            return image
        if size[0] * size[1] > MAX_PIXELS:
            sides = f"{image.width} x {image.height} pixels are too long and narrow"
            raise BadImage(f"{sides}: resized, they would be {size[1]} x {size[0]}; cut the picture")
        if self.preprocess.antialias:
            return image.resize((size[1], size[0]), FILTERS[self.preprocess.interpolation])
        levels = to_pixels(image)[None].float()
        mode = self.preprocess.interpolation
        resized = nn.functional.interpolate(levels, size, mode=mode, align_corners=False)
        return Image.fromarray(resized[0].round().clamp(0, 255).byte().permute(1, 2, 0).numpy())


def to_pixels(image: Image.Image) -> Tensor:
    """A PIL image of mode RGB as (3, H, W) uint8, contiguous."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()
