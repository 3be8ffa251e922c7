"""Levels of deep grey pictures as 8 bits, by the depth that the file declares; where they lie low, it is noticed."""

import struct
from typing import IO

import numpy as np
from PIL import Image

from omlzoo.errors import BadImage

__all__ = ["SHALLOW", "declared_bits", "is_deep", "is_shallow", "is_signed", "to_eight_bits", "white_is_zero"]

SHALLOW = 4096  # levels; a 16-bit picture that has only lower ones is nearly black
FULL = 16  # bits
BITS, PHOTOMETRIC, FORMAT = 258, 262, 339  # tags of a TIFF
PNG_HEADER, CHUNKS = 8, 1000  # bytes before the first chunk; chunks that are looked at


def is_deep(image: Image.Image) -> bool:
    """Whether a picture that is not decoded yet has 16-bit colours, of which PIL keeps the upper 8 bits."""
    return any(";16" in str(tile[3]) for tile in getattr(image, "tile", ()) if image.mode in ("RGB", "RGBA"))


def is_shallow(image: Image.Image) -> bool:
    """Whether the upper 8 bits of a picture with 16-bit colours are all below those of SHALLOW."""
    tops = [image.getchannel(band).getextrema()[1] for band in "RGB"]
    return int(max(tops)) < SHALLOW >> 8  # type: ignore[arg-type]


def declared_bits(image: Image.Image) -> int:
    """How many bits a grey picture's file says that a level has: the tag of a TIFF, the chunk sBIT of a PNG, else 16.

    Of a PNG that was decoded already, sBIT is not known any more.
    """
    tags = getattr(image, "tag_v2", None)
    if tags is not None:
        bits = tags.get(BITS, (FULL,))
        count = int(bits[0] if isinstance(bits, tuple) else bits)
        return count - 1 if is_signed(image) and count <= FULL else min(count, FULL)
    file = getattr(image, "fp", None)
    if image.format != "PNG" or file is None or not getattr(image, "tile", ()):
        return FULL
    place = file.tell()
    try:
        return _significant_bits(file)
    finally:
        file.seek(place)


def is_signed(image: Image.Image) -> bool:
    """Whether the file is a TIFF whose levels may be below 0."""
    tags = getattr(image, "tag_v2", None)
    return tags is not None and 2 in tuple(tags.get(FORMAT, (1,)))


def white_is_zero(image: Image.Image) -> bool:
    """Whether the file says that a level of 0 is white, which PIL turns round up to 8 bits only."""
    tags = getattr(image, "tag_v2", None)
    return tags is not None and tags.get(PHOTOMETRIC) == 0


def to_eight_bits(image: Image.Image, bits: int, name: str) -> tuple[Image.Image, bool]:
    """A grey picture of whole numbers as one of mode L, white where it is transparent, and whether it is shallow.

    0 stays 0 and the highest level of the depth becomes 255, with the nearest level in between. A PNG's levels fill
    16 bits by its standard, whatever sBIT says: the bits that it declares are the scale where all levels fit into them
    and some are none that the standard's widening to 16 bits gives.

    Args:
        image: A picture of a mode that begins with "I", or a signed one of mode L, decoded.
        bits: What :func:`declared_bits` says.
        name: What to call the picture in the message of the error.

    Raises:
        BadImage: A level is below 0, or above 65,535.
    """
    levels = np.asarray(image).astype(np.int64)
    low, high = (int(levels.min()), int(levels.max())) if levels.size else (0, 0)
    if image.mode == "L" and high > 127:  # signed ones, as PIL gives them
        low = 127 - high
    if low < 0 or high > 65535:
        raise BadImage(f"{name}: integer levels from {low} to {high}; 16 bits hold 0 to 65535")
    clear = image.info.get("transparency")
    top = (1 << bits) - 1
    if high > top or (image.format == "PNG" and bits < FULL and _widened(levels, top)):
        top = 65535
    grey = (levels * 510 + top) // (2 * top)  # rounded to the nearest
    if white_is_zero(image):
        grey = 255 - grey
    if isinstance(clear, int):
        grey[levels == clear] = 255
    return Image.fromarray(grey.astype(np.uint8)), top == 65535 and 0 < high < SHALLOW


def _widened(levels: np.ndarray, top: int) -> bool:
    """Whether all levels are such that a depth with that highest level has, widened to 16 bits."""
    nearest = (levels * top + 32767) // 65535
    return bool((np.abs(levels - (nearest * 65535 + top // 2) // top) <= 1).all())


def _significant_bits(file: IO[bytes]) -> int:
    """The number of sBIT in the header of a PNG of one colour; 16 where there is none."""
    file.seek(PNG_HEADER)
    for _ in range(CHUNKS):
        header = file.read(8)
        if len(header) < 8 or header[4:] == b"IDAT":
            break
        length = struct.unpack(">I", header[:4])[0]
        if header[4:] == b"sBIT":
            found = file.read(1)
            return found[0] if found and 1 <= found[0] <= FULL else FULL
        file.seek(length + 4, 1)
    return FULL
