"""Files that hold many pictures. A path through one names a picture in it: ``photos.zip/shoes/1.jpg``.

So a table may name such pictures, and embedding, pages, indexes and training open them as they open files.
"""

import os
import stat
from functools import lru_cache
from pathlib import Path

from PIL import Image

from omlzoo import catalog
from omlzoo.data.sources._container import Container
from omlzoo.errors import BadInput

__all__ = ["container_suffix", "file_stamp", "is_container", "open_container", "read_member"]

OPEN = 64  # containers that stay open


@lru_cache(1)
def _kinds() -> dict[str, type[Container]]:
    """The classes of the shelf that open files, by the endings of these."""
    offers = catalog.names("data.sources").values()
    return {suffix: kind for kind in offers for suffix in getattr(kind, "suffixes", ())}


def container_suffix(name: str) -> str | None:
    """The ending of a container's name, such as ".zip" or ".tar.gz"; None where the name is not that of one."""
    lower = name.strip().casefold()
    if not lower.endswith(tuple(_kinds())):
        return None
    return next((suffix for suffix in _kinds() if lower.endswith(suffix)), None)


def is_container(path: str | Path) -> bool:
    """Whether a path is a file that holds pictures. A Parquet file is one where it has a column of their bytes."""
    suffix = container_suffix(os.fspath(path))
    return suffix is not None and os.path.isfile(path) and _kinds()[suffix].takes(Path(path))


def open_container(path: str | Path) -> Container:
    """The container of a file. It stays open for later calls, until the file changes or many others were opened.

    Raises:
        BadInput: The file is not one, or is damaged.
    """
    found = os.stat(path)
    return _opened(os.fspath(path), found.st_size, found.st_mtime_ns, os.getpid())


@lru_cache(OPEN)
def _opened(path: str, size: int, changed: int, process: int) -> Container:
    """A container as it is in this process: an open file that two processes share would have one position."""
    suffix = container_suffix(path)
    if suffix is None:
        raise BadInput(f"{path}: holds no pictures; containers end in {', '.join(sorted(_kinds()))}")
    return _kinds()[suffix](Path(path))


def _parted(path: str) -> tuple[str, str] | None:
    """The container on the way of a path, and what is asked of it; None where there is none."""
    parts = Path(path).parts
    for count in range(len(parts) - 1, 0, -1):
        before = os.path.join(*parts[:count])
        if container_suffix(before) is not None:
            try:
                if stat.S_ISREG(os.stat(before).st_mode):
                    return before, "/".join(parts[count:])
            except (OSError, ValueError):
                continue
    return None


def read_member(path: str | Path) -> bytes | Image.Image | None:
    """The picture that a path through a container names: its bytes, or a decoded frame; None for any other path.

    Raises:
        BadImage: The container has no such member, or it is damaged or too large.
        BadInput: The container is damaged.
    """
    parted = _parted(os.fspath(path))
    return None if parted is None else open_container(parted[0]).read(parted[1])


def file_stamp(path: str) -> tuple[int, int]:
    """The size and the time of change in ns of a file; of a picture in a container its own size and the container's
    time; (-1, -1) where there is none."""
    try:
        try:
            found = os.stat(path)
            return found.st_size, found.st_mtime_ns
        except NotADirectoryError:
            parted = _parted(path)
            size = None if parted is None else open_container(parted[0]).size(parted[1])
            return (-1, -1) if parted is None or size is None else (size, os.stat(parted[0]).st_mtime_ns)
    except (BadInput, OSError, ValueError):
        return -1, -1
