"""Pictures in a numpy array or a tensor of torch."""

from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from omlzoo.data.late_picture import LatePicture
from omlzoo.data.sources._opened import Listed
from omlzoo.data.sources._pixels import check_pixels, is_array, pixels_of
from omlzoo.errors import BadInput

__all__ = ["picture_arrays"]


def picture_arrays(source: object, root: Path) -> Listed | None:
    """The pictures of an array or a tensor, one or several; None for anything else.

    Args:
        source: (N, H, W, 3) or (N, 3, H, W) uint8, or one picture without N.
        root: Where relative paths start; not needed.

    Raises:
        BadInput: The array is of another type or shape.
    """
    if not is_array(source):
        return None
    check_pixels(source, "the array", (3, 4))
    pictures: Any = source
    if not all(pictures.shape[:-3]):
        raise BadInput(f"the array has the shape {tuple(pictures.shape)}, so there is no picture; give at least one")
    pictures = pictures if pictures.ndim == 4 else pictures[None]
    names = [f"image {number}" for number in range(len(pictures))]
    return Listed(
        pd.DataFrame({"path": names}, dtype="str"),
        [LatePicture(name, partial(_picture, pictures, number)) for number, name in enumerate(names)],
        "the array",
    )


def _picture(pictures: Any, number: int) -> Image.Image:
    return pixels_of(pictures[number])
