"""The formats of pictures that are read, by the only decoders that are ever asked, and how files of them are told."""

import os
import re

__all__ = ["FORMATS", "SUFFIXES", "UNREAD", "is_picture", "suffix_of"]

# The decoders; each is compiled into Pillow or its libraries, and none starts a program.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", "JPEG2000")
SUFFIXES = frozenset({
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".pbm",
    ".pnm", ".avif", ".jp2", ".j2k", ".jpx",
})  # fmt: skip
# Pictures that are not read, so that nobody takes them for something else.
UNREAD = frozenset({
    ".tga", ".heic", ".heif", ".psd", ".eps", ".ps", ".ai", ".pdf", ".svg", ".svgz", ".ico", ".icns", ".jxl", ".exr",
    ".hdr", ".dds", ".pcx", ".sgi", ".xcf", ".raw", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf",
    ".pef", ".srw",
})  # fmt: skip
# The first bytes of files whose names have no ending.
BEGINNING = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|BM.{4}\0{4}|II\*\0|MM\0\*|P[1-6]\s|RIFF.{4}WEBP|.{4}ftypavi[fs]"
    rb"|\xff\x4f\xff\x51|\0\0\0\x0cjP  ",
    re.DOTALL,
)


def suffix_of(name: str) -> str:
    """The ending of a file's name, such as ".jpg", in small letters and without spaces."""
    return os.path.splitext(name)[1].strip().lower()


def is_picture(path: str, name: str) -> bool:
    """Whether a file is a picture: by its ending or, where it has none, by its first bytes.

    Args:
        path: The file, a regular one.
        name: Its name.
    """
    suffix = suffix_of(name)
    if suffix:
        return suffix in SUFFIXES
    try:
        with open(path, "rb") as file:
            return BEGINNING.match(file.read(16)) is not None
    except OSError:
        return False
