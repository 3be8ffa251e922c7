"""Label images: one whole number for each pixel of a picture, which says what is there."""

from pathlib import Path

import numpy as np
from PIL import Image

from omlzoo.data.images import MAX_PIXELS, Box, check_box, read_size
from omlzoo.errors import BadImage, BadInput
from omlzoo.files import check_regular

__all__ = ["IGNORED", "nothing_known", "read_labels"]

IGNORED = 255  # the label of pixels that do not count
FORMATS = ("PNG", "BMP", "GIF", "TIFF")  # those that keep numbers as they are
MODES = ("1", "L", "P")  # of one number of at most 8 bits for a pixel


def read_labels(path: Path, picture: Path, box: Box | None, size: tuple[int, int]) -> Image.Image:
    """The labels of a picture, or of a part of it, at the size to which the picture was decoded.

    Pixels of the label image are those of the upright picture. It is resized to its nearest pixels. In a palette image
    the labels are the numbers of the colours; in one of one bit they are 0 and 1.

    Args:
        path: The label image.
        picture: The picture's file.
        box: The part of both that is kept; None is the whole.
        size: (width, height) in pixels of what is returned.

    Returns:
        A PIL image of mode L.

    Raises:
        BadImage: It cannot be read, has no single number of 8 bits for each pixel, or another size than the picture.
    """
    try:
        check_regular(path)
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise BadImage(f"{path}: {image.width} x {image.height} pixels are more than {MAX_PIXELS:,}")
            if image.mode not in MODES:
                raise BadImage(
                    f"{path}: its pixels are {image.mode}; a label image has one number from 0 to 255 for each (8 bits "
                    "of grey, a palette, or one bit)"
                )
            whole = read_size(picture)
            if image.size != whole:
                found, wanted = (f"{width} x {height}" for width, height in (image.size, whole))
                raise BadImage(
                    f"{path}: it has {found} pixels and its picture {picture.name} {wanted}; make them equal"
                )
            levels = np.array(image, dtype=np.uint8)  # of a palette its numbers
    except BadImage:
        raise
    except BadInput as error:
        raise BadImage(str(error)) from error
    except Exception as error:  # a damaged file raises what it likes
        said = "there is no such file" if isinstance(error, FileNotFoundError) else f"{type(error).__name__}: {error}"
        raise BadImage(f"{path}: the label image cannot be read ({said})") from error
    labels = Image.fromarray(levels)
    if box is not None:
        check_box(box, labels.size, str(path))
        labels = labels.crop(box)
    return labels.resize(size, Image.Resampling.NEAREST)


def nothing_known(size: tuple[int, int]) -> Image.Image:
    """The labels of a picture of (width, height) without a label image: none of its pixels counts."""
    return Image.new("L", size, IGNORED)
