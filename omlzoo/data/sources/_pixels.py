"""Arrays and tensors as pictures: uint8, three channels, first or last."""

import sys
from typing import Any

import numpy as np
from PIL import Image

from omlzoo.errors import BadInput

__all__ = ["check_pixels", "is_array", "pixels_of"]

CHANNELS = 3


def is_array(value: object) -> bool:
    """Whether a value is a numpy array or a tensor of torch, which is not imported for the question."""
    return isinstance(value, np.ndarray) or is_tensor(value)


def is_tensor(value: object) -> bool:
    """Whether a value is a tensor of torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def check_pixels(array: Any, name: str, dimensions: tuple[int, ...]) -> None:
    """Refuse what is no picture, or none that is as it came from a camera or a file.

    Args:
        array: An array or a tensor.
        name: What it is called in messages.
        dimensions: The numbers of dimensions that are allowed, 3 for one picture and 4 for several.

    Raises:
        BadInput: Its type is not uint8, or its shape not (H, W, 3) or (3, H, W), with N before them for several.
    """
    kind, shape = str(array.dtype).removeprefix("torch."), tuple(map(int, array.shape))
    if kind != "uint8":
        remedy = "leave out ToTensor() and Normalize()" if kind.startswith(("float", "bfloat")) else "convert them"
        raise BadInput(
            f"{name} is of type {kind}; pixels are uint8 from 0 to 255, as in the file, since the model's own "
            f"preprocessing is applied here: {remedy}, or call the model itself on what is preprocessed"
        )
    if len(shape) not in dimensions or CHANNELS not in (shape[-1], shape[-3]):
        several = "(N, H, W, 3) or (N, 3, H, W)" if 4 in dimensions else "(H, W, 3) or (3, H, W)"
        grey = "; for grey pictures repeat the channel three times" if _is_grey(shape, dimensions) else ""
        raise BadInput(f"{name} has the shape {shape}; it must be {several}, uint8{grey}")


def _is_grey(shape: tuple[int, ...], dimensions: tuple[int, ...]) -> bool:
    return len(shape) + 1 in dimensions or (len(shape) in dimensions and 1 in (shape[-1], shape[-3]))


def pixels_of(array: Any) -> Image.Image:
    """A picture (H, W, 3) or (3, H, W) uint8 as a PIL image, copied. Where both could be meant, the channels of a
    tensor come first and those of an array last."""
    first = array.shape[0] == CHANNELS and (is_tensor(array) or array.shape[2] != CHANNELS)
    if is_tensor(array):
        array = array.detach().cpu().numpy()
    return Image.fromarray(np.ascontiguousarray(array.transpose(1, 2, 0) if first else array))
