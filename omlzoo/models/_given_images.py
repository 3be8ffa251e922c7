"""What a model is called with: a batch of images as floats; anything else is refused with what to do instead."""

from collections.abc import Sized
from typing import Any

import torch
from torch import Tensor

from omlzoo.errors import BadInput

__all__ = ["check_images"]

REMEDY = "give pictures to model.encode(pictures), or stack model.transforms()(image) of each"
CHANNELS = 3


def check_images(images: Any) -> None:
    """Refuse what is no batch (B, 3, H, W) of floating-point images.

    While a model is traced or exported the number of channels is not looked at.

    Args:
        images: What a model was called with.

    Raises:
        BadInput: It is a picture, a list, an array, of another shape, or of whole numbers.
    """
    if not isinstance(images, Tensor):
        count = f" of {len(images)}" if isinstance(images, Sized) and not hasattr(images, "shape") else ""
        raise BadInput(f"a model takes a tensor (B, 3, H, W), not a {type(images).__name__}{count}; {REMEDY}")
    if images.dim() != 4:
        one = "; one image is image[None]" if images.dim() == CHANNELS else ""
        raise BadInput(f"images have the shape {tuple(images.shape)}; a model takes (B, 3, H, W){one}; {REMEDY}")
    if not images.is_floating_point():
        raise BadInput(f"images are {images.dtype}; a model takes normalised floats: {REMEDY}")
    tracing = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    if not tracing and images.shape[1] != CHANNELS:
        last = "; move the channels: images.permute(0, 3, 1, 2)" if images.shape[3] == CHANNELS else ""
        raise BadInput(f"images have the shape {tuple(images.shape)}; a model takes (B, 3, H, W){last}; {REMEDY}")
