"""Conversion of pictures to upright 8-bit RGB: decoding, orientation, unusual modes, crop boxes."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from PIL import Image, UnidentifiedImageError

from omlzoo.data.containers import read_member
from omlzoo.data.conversion import UprightPicture, orientation, remark_profile
from omlzoo.data.folder import find_pictures
from omlzoo.data.formats import FORMATS, SUFFIXES
from omlzoo.data.late_picture import LatePicture, Picture
from omlzoo.data.levels import is_deep
from omlzoo.data.preprocess import Profiles
from omlzoo.data.remarks import Remarks
from omlzoo.errors import BadImage, BadInput
from omlzoo.files import check_regular

__all__ = [
    "DECODER",
    "FORMATS",
    "MAX_PIXELS",
    "SUFFIXES",
    "Box",
    "check_box",
    "find_pictures",
    "read_size",
    "to_rgb",
]

# The number of this way of decoding; a change that gives other pixels to some picture adds 1, and its line to DECODERS
# of embedding/record.py.
DECODER = 2

MAX_PIXELS = 178_956_970  # a larger picture is refused before it is decoded; twice PIL's warning level

# x_1, y_1, x_2, y_2: left, top, right and bottom in pixels; right and bottom are excluded
Box = tuple[int, int, int, int]
Source = str | Picture
MAX_SCANS = 100  # of a JPEG; each takes the time of a whole picture, and cameras and editors write at most 20
TIFF = (b"II*\0", b"MM\0*")  # begins one
SCAN = b"\xff\xda"  # begins a scan
BLOCK = 1 << 20


def to_rgb(
    source: Source,
    box: Box | None = None,
    least: tuple[int, int] | None = None,
    icc: Profiles = "ignore",
    remarks: Remarks | None = None,
) -> Image.Image:
    """Decode a picture as viewers show it.

    EXIF orientation is applied. Grey of more than 8 bits is scaled to 8 by the depth that the file declares.
    Transparent parts are put on white. CMYK, palette, grey and one-bit pictures are converted to RGB. Of an animation
    the first frame is used.

    Args:
        source: A file, the bytes of one, a PIL image, or a picture that is read now. A path through an archive is that
            of a picture in it.
        box: The part to keep, in pixels of the upright picture; None keeps the whole picture.
        least: The (height, width) in pixels that is needed. A JPEG without a box is decoded at a half, a quarter or an
            eighth of its size if that is still at least twice as large, which is faster. None decodes the whole size.
        icc: What is done with a colour profile that is not sRGB: "ignore" takes the levels as they are, "srgb" converts
            them.
        remarks: Counts what was seen of a picture that is read all the same. None, the default, counts nothing.

    Returns:
        A PIL image of mode RGB.

    Raises:
        BadImage: The picture cannot be read completely, has more than MAX_PIXELS pixels, or the box is not inside it.
    """
    name = _name(source)
    seen = Remarks() if remarks is None else remarks
    try:
        content = _content(source)
        if isinstance(content, Image.Image):
            _check_given(content, name)
            return _cut(UprightPicture(content, name, icc, seen).converted(), box, name)
        with _opened(content, name) as image:
            if least is not None and box is None and image.format == "JPEG":
                side = 2 * max(least)  # for both sides, as the picture may be stored rotated
                image.draft(None, (side, side))
            _check_scans(image, name)
            return _cut(UprightPicture(image, name, icc, seen).converted(), box, name)
    except BadImage:
        raise
    except Exception as error:  # decoders raise anything on damaged files; one picture must not stop a run
        raise BadImage(f"{name}: {_reason(error)}") from error


def read_size(path: str | Picture, remarks: Remarks | None = None) -> tuple[int, int]:
    """The (width, height) in pixels of the upright picture, read from the header of the file only.

    Args:
        path: The file, a path through an archive, or a picture in memory.
        remarks: As in :func:`to_rgb`, which decodes a picture of 16 bits. None, the default, counts nothing.

    Raises:
        BadImage: The header cannot be read, or says more than MAX_PIXELS pixels.
    """
    seen = Remarks() if remarks is None else remarks
    try:
        content = _content(path)
        if isinstance(content, Image.Image):
            return content.size
        with _opened(content, str(path)) as image:
            if remarks is not None and (image.mode.startswith("I") or is_deep(image)):
                return to_rgb(path, remarks=remarks).size
            if remarks is not None:
                remark_profile(image, str(path), seen)
            turned = orientation(image, str(path), seen) > 4 and image.format != "TIFF"  # Pillow turns those itself
            return (image.height, image.width) if turned else image.size
    except BadImage:
        raise
    except Exception as error:  # as above
        raise BadImage(f"{path}: {_reason(error)}") from error


def check_box(box: Box, size: tuple[int, int], name: str) -> None:
    """Refuse a box that is not inside a picture.

    Args:
        box: Left, top, right and bottom in pixels; right and bottom are excluded.
        size: (width, height) of the upright picture in pixels.
        name: What to call the picture in the message of the error.

    Raises:
        BadImage: The box is empty or not inside the picture.
    """
    x_1, y_1, x_2, y_2 = box
    if not (0 <= x_1 < x_2 <= size[0] and 0 <= y_1 < y_2 <= size[1]):
        condition = f"0 <= x_1 < x_2 <= {size[0]} and 0 <= y_1 < y_2 <= {size[1]}"
        raise BadImage(f"{name}: the box x_1={x_1} x_2={x_2} y_1={y_1} y_2={y_2} breaks {condition}")


def _name(source: object) -> str:
    if isinstance(source, Image.Image):
        return "the PIL image"
    return "the picture" if isinstance(source, bytes) else str(source)


def _content(source: object) -> str | Path | bytes | Image.Image:
    """What a picture is decoded from; a picture in an archive, or one that is read now, is read."""
    if isinstance(source, LatePicture):
        late = source
        try:
            source = late.read()
        except BadImage:
            raise
        except Exception as error:  # a dataset of anyone's raises anything
            raise BadImage(f"{late.name}: {type(error).__name__}: {_reason(error)}") from error
    if isinstance(source, str | Path):
        return _in_file(source)
    if not isinstance(source, bytes | Image.Image):
        raise BadImage(f"a picture is a path, the bytes of a file or a PIL image, not {type(source).__name__}")
    return source


def _in_file(path: str | Path) -> str | Path | bytes | Image.Image:
    """The path itself, or what the archive holds that it leads through."""
    try:
        os.stat(path)
    except NotADirectoryError:
        try:
            found = read_member(path)
        except BadInput as error:
            raise BadImage(str(error)) from error
        return path if found is None else found
    except (OSError, ValueError):
        pass  # which whoever opens it says
    return path


@contextmanager
def _opened(source: str | Path | bytes, name: str) -> Iterator[Image.Image]:
    """Yield the picture of a file or of its bytes, its pixels not yet decoded.

    Pillow gets an open file: of a path it would map uncompressed pictures into memory, and turn mapped TIFFs wrongly.
    """
    if not isinstance(source, bytes):
        try:
            check_regular(Path(source))
        except BadInput as error:
            raise BadImage(str(error)) from error
    with (
        io.BytesIO(source) if isinstance(source, bytes) else Path(source).open("rb") as file,
        _identified(file, name) as image,
    ):
        if image.width * image.height > MAX_PIXELS:
            size = f"{image.width} x {image.height}"
            raise BadImage(
                f"{name}: {size} pixels are more than the {MAX_PIXELS:,} that are decoded; shrink the picture"
            )
        yield image


def _identified(file: IO[bytes], name: str) -> Image.Image:
    try:
        return Image.open(file, formats=FORMATS)
    except UnidentifiedImageError as error:
        file.seek(0)
        if file.read(4) in TIFF:
            wrong = "a damaged TIFF, or one of bits and colours that are not read here; save it with 8 or 16 bits"
            raise BadImage(f"{name}: {wrong}") from error
        raise


def _check_given(image: Image.Image, name: str) -> None:
    """Refuse a PIL image without pixels, or one whose file would be decoded here by a decoder that is never asked."""
    if not image.width or not image.height:
        raise BadImage(f"{name}: it has {image.width} x {image.height} pixels; give a picture with pixels")
    waiting = getattr(image, "tile", [])  # parts of the file that PIL has not decoded yet
    if waiting and image.format not in (*FORMATS, "MPO"):
        raise BadImage(f"{name}: {image.format} is not decoded here; call its load() first if you trust the file")


def _check_scans(image: Image.Image, name: str) -> None:
    """Refuse a JPEG that paints its pixels again and again: a small file could take minutes."""
    file = getattr(image, "fp", None)
    if image.format not in ("JPEG", "MPO") or file is None:
        return
    place = file.tell()  # behind the header of the first scan, which has 8 bytes and two for each of its colours
    file.seek(place - 8 - 2 * len(image.getbands()))
    single = file.read(2) == SCAN and "progressive" not in image.info  # a scan of all colours, which ends the picture
    if not single:
        file.seek(0)
        scans = sum(block.count(SCAN) for block in iter(lambda: file.read(BLOCK), b""))
        if scans > MAX_SCANS:
            raise BadImage(f"{name}: it has {scans} scans; at most {MAX_SCANS} are decoded; save the picture again")
    file.seek(place)


def _cut(image: Image.Image, box: Box | None, name: str) -> Image.Image:
    if box is None:
        return image
    check_box(box, image.size, name)
    return image.crop(box)


def _reason(error: BaseException) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, MemoryError):
        return "there is not enough memory to decode it"
    if isinstance(error, UnidentifiedImageError):
        return "not a picture of a known format, or an empty or damaged file"
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return reason or type(error).__name__
