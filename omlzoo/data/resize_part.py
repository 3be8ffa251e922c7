"""A part of a resized picture, without the rest: the very bytes of Pillow's resize of the whole, in little memory."""

import math
from functools import cache

import numpy as np
from PIL import Image

__all__ = ["REACH", "held_pixels", "resize_part"]

BITS = 22  # of the fraction of Pillow's weights
BLOCK = 1 << 20  # pixels that are held at a time
REACH = {Image.Resampling.BILINEAR: 1.0, Image.Resampling.BICUBIC: 2.0}  # of a filter, in pixels of the larger picture


def held_pixels(old: tuple[int, int], new: tuple[int, int]) -> int:
    """Pixels of the largest picture that Pillow holds while it resizes one of a (width, height) to another.

    Args:
        old: The (width, height) before.
        new: The (width, height) afterwards.
    """
    between = old[0] * new[1] if _rows_first(old, new) else new[0] * old[1]
    return max(between, new[0] * new[1])


def resize_part(
    image: Image.Image, size: tuple[int, int], box: tuple[int, int, int, int], filtering: Image.Resampling
) -> Image.Image:
    """``image.resize(size, filtering).crop(box)``, byte for byte, computed for the box alone.

    Pillow's own ``resize(box=...)`` takes the box as float32, so that the places of its weights would differ. This is
    slower than Pillow for ordinary pictures; it is for those whose whole would not fit into memory.

    Args:
        image: A picture of mode RGB.
        size: The (width, height) in pixels of the whole resized picture.
        box: Left, top, right and bottom of the part, in pixels of the resized picture and inside it.
        filtering: BILINEAR or BICUBIC.

    Returns:
        A picture of mode RGB, as large as the box.
    """
    left, top, right, bottom = box
    if _rows_first(image.size, size):  # the same as columns first of the picture whose rows are columns
        return _turned(_part(_turned(image), size[::-1], (top, left, bottom, right), filtering))
    return _part(image, size, box, filtering)


def _part(
    image: Image.Image, size: tuple[int, int], box: tuple[int, int, int, int], filtering: Image.Resampling
) -> Image.Image:
    """The part, where the columns are resized first and rounded to levels, and then the rows."""
    left, top, right, bottom = box
    width = right - left
    first, _ = _weights(image.height, size[1], top, filtering)
    last, weights = _weights(image.height, size[1], bottom - 1, filtering)
    last += len(weights)
    sums = np.zeros((bottom - top, width * 3))  # float64 holds sums of these integers exactly
    step = max(1, BLOCK // max(width, image.width, min(size[0], BLOCK)))
    for start in range(first, last, step):
        end = min(last, start + step)
        band = _columns(image, (start, end), size[0], (left, right), filtering).astype(np.float64)
        for row in range(*_touched(image.height, size[1], (start, end), (top, bottom), filtering)):
            begin, weights = _weights(image.height, size[1], row, filtering)
            low, high = max(begin, start), min(begin + len(weights), end)
            if low < high:
                sums[row - top] += weights[low - begin : high - begin] @ band[low - start : high - start]
    return Image.fromarray(_levels(sums).reshape(bottom - top, width, 3))


def _turned(image: Image.Image) -> Image.Image:
    return image.transpose(Image.Transpose.TRANSPOSE)


def _rows_first(old: tuple[int, int], new: tuple[int, int]) -> bool:
    """Whether Pillow resizes the rows before the columns, which rounds at another place."""
    fewer = old[1] - new[1]
    return fewer > 0 and fewer > 2 * (old[0] - new[0]) and _sometimes_rows_first()


@cache
def _sometimes_rows_first() -> bool:
    """Whether this Pillow chooses the order by the sizes; earlier ones always take the columns first."""
    levels = np.random.default_rng(0).integers(0, 256, (64, 16, 3), dtype=np.uint8)
    image, bilinear = Image.fromarray(levels), Image.Resampling.BILINEAR
    columns_first = image.resize((12, 64), bilinear).resize((12, 16), bilinear)
    return image.resize((12, 16), bilinear).tobytes() != columns_first.tobytes()


def _columns(
    image: Image.Image, rows: tuple[int, int], width: int, columns: tuple[int, int], filtering: Image.Resampling
) -> np.ndarray:
    """The columns from the first to the second, of some rows that are resized to a width: (rows, 3 * columns) uint8."""
    (start, end), (left, right) = rows, columns
    count = end - start
    if width * count <= BLOCK or width <= right - left:
        band = image.crop((0, start, image.width, end)).resize((width, count), filtering)
        return np.asarray(band)[:, left:right].reshape(count, -1)
    first, _ = _weights(image.width, width, left, filtering)
    last, weights = _weights(image.width, width, right - 1, filtering)
    levels = np.asarray(image.crop((first, start, last + len(weights), end))).astype(np.float64)
    found = np.empty((count, right - left, 3), dtype=np.uint8)
    for column in range(left, right):
        begin, weights = _weights(image.width, width, column, filtering)
        used = levels[:, begin - first : begin - first + len(weights)]
        found[:, column - left] = _levels(np.einsum("k,rkc->rc", weights, used))
    return found.reshape(count, -1)


def _weights(length: int, target: int, place: int, filtering: Image.Resampling) -> tuple[int, np.ndarray]:
    """The first pixel that counts for a place of the resized side, and the weights from there on, whole numbers."""
    scale = length / target
    stretch = max(scale, 1.0)
    reach, centre = REACH[filtering] * stretch, (place + 0.5) * scale
    first, end = max(int(centre - reach + 0.5), 0), min(int(centre + reach + 0.5), length)
    away = np.abs((np.arange(first, end) - centre + 0.5) * (1.0 / stretch))
    if filtering == Image.Resampling.BILINEAR:
        weights = np.where(away < 1.0, 1.0 - away, 0.0)
    else:
        near, far = (1.5 * away - 2.5) * away * away + 1, (((away - 5) * away + 8) * away - 4) * -0.5
        weights = np.where(away < 1.0, near, np.where(away < 2.0, far, 0.0))
    weights /= np.add.accumulate(weights)[-1]  # one after the other, as Pillow adds them
    scaled = weights * (1 << BITS)
    return first, np.trunc(np.where(weights < 0, scaled - 0.5, scaled + 0.5))


def _touched(
    length: int, target: int, band: tuple[int, int], part: tuple[int, int], filtering: Image.Resampling
) -> tuple[int, int]:
    """First and last + 1 of the places of a part for which some pixel of a band may count."""
    scale = length / target
    reach = REACH[filtering] * max(scale, 1.0) + 1
    low, high = math.floor((band[0] - reach) / scale) - 1, math.ceil((band[1] + reach) / scale) + 1
    return max(part[0], low), min(part[1], high)


def _levels(sums: np.ndarray) -> np.ndarray:
    """Sums of weighted levels as uint8, rounded as Pillow does."""
    return np.clip(np.floor((sums + (1 << (BITS - 1))) / (1 << BITS)), 0, 255).astype(np.uint8)
