"""What a file that holds many pictures answers, and the rules that all of them keep."""

from collections import defaultdict
from pathlib import Path
from typing import ClassVar, NamedTuple, Protocol

import pandas as pd
from PIL import Image

from omlzoo.data.folder import FOREIGN, OTHERS, UNWRITABLE, is_hidden
from omlzoo.data.formats import SUFFIXES, UNREAD, suffix_of
from omlzoo.data.written_text import is_writable
from omlzoo.errors import BadImage

__all__ = ["LARGEST", "Container", "Contents", "check_size", "pictures_among"]

LARGEST = 1 << 30  # bytes of a picture's file; the largest that is decoded has fewer even in 16 bits and uncompressed


class Contents(NamedTuple):
    """What a container holds.

    Attributes:
        frame: A row for each picture, whose ``path`` is its name in the container; other columns are the user's.
        notices: What a user should be told.
        foldered: Whether names have folders, from which labels and splits are read where no column has them.
        passed: Names that were passed over, by reason, as in ``omlzoo.data.folder.Found``.
    """

    frame: pd.DataFrame
    notices: tuple[str, ...] = ()
    foldered: bool = True
    passed: dict[str, list[str]] = {}  # noqa: RUF012  never changed


class Container(Protocol):
    """A file that holds many pictures. Several threads may read from it.

    Attributes:
        suffixes: How the names of such files end, in small letters.
    """

    suffixes: ClassVar[tuple[str, ...]]

    def __init__(self, path: Path) -> None: ...

    @staticmethod
    def takes(path: Path) -> bool:
        """Whether a file with such an ending is a container of pictures."""
        ...

    def contents(self) -> Contents:
        """The pictures, sorted as those of a folder."""
        ...

    def read(self, name: str) -> bytes | Image.Image:
        """A picture's bytes, or a frame.

        Raises:
            BadImage: There is no such picture, or it is damaged or too large.
        """
        ...

    def size(self, name: str) -> int | None:
        """The number of bytes of a picture; None where there is none of that name."""
        ...


def pictures_among(names: list[str]) -> tuple[list[str], dict[str, list[str]]]:
    """Which members of an archive are pictures, sorted part by part, and which are not, by reason.

    Names are told by their endings, as no member is opened for it. One that leaves the archive (``..``, or one that
    begins at the root) is passed over, so that every name is that of a member.
    """
    pictures, passed = [], defaultdict(list)
    for name in names:
        parts = name.split("/")
        if any(part.startswith(".") or is_hidden(part) for part in parts) or not all(parts):
            continue
        if not is_writable(name):
            passed[UNWRITABLE].append(name)
        elif suffix_of(name) in UNREAD:
            passed[FOREIGN].append(name)
        elif suffix_of(name) in SUFFIXES:
            pictures.append(name)
        else:
            passed[OTHERS].append(name)
    return sorted(pictures, key=lambda name: name.split("/")), dict(passed)


def check_size(name: str, size: int) -> None:
    """Refuse a member that is larger than any picture that is decoded, as those of zip bombs are.

    Args:
        name: Its name, for the message.
        size: Its bytes once they are unpacked.

    Raises:
        BadImage: It is.
    """
    if size > LARGEST:
        raise BadImage(f"{name}: {size:,} bytes are more than the {LARGEST:,} that a picture's file may have")
