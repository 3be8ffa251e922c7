"""A picture that is read when its turn comes: a row of an array or a dataset, or a file at an address."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

__all__ = ["LatePicture", "Picture"]


@dataclass(frozen=True)
class LatePicture:
    """What a picture is called, and how it is read.

    Attributes:
        name: Its name in messages and in the column ``path``.
        read: Gives a file, the bytes of one, or a PIL image. It may raise anything; BadImage is shown as it is.
    """

    name: str
    read: Callable[[], "bytes | Path | Image.Image"] = field(repr=False, compare=False)

    def __str__(self) -> str:
        return self.name


Picture = Path | bytes | Image.Image | LatePicture
