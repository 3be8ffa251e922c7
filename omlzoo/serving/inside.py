"""Reading a file inside a folder, so that no link leads out of it, even one that is made in the meantime."""

import os
import stat
from pathlib import Path

from omlzoo.errors import BadInput

__all__ = ["read_inside"]

MOST = 100_000_000  # bytes of a picture that is shown
FOLDER = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
FILE = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)  # a pipe does not wait for its other end
BINARY = getattr(os, "O_BINARY", 0)


def read_inside(file: Path, root: Path) -> bytes:
    """The content of a file of at most 100 MB.

    Args:
        file: The file, a path without links.
        root: The folder that it must lie in, a path without links.

    Raises:
        BadInput: It lies elsewhere, is no regular file, is too large, or cannot be read.
    """
    try:
        handle = _opened(root, file.relative_to(root).parts)
        try:
            status = os.fstat(handle)
            if stat.S_ISREG(status.st_mode) and status.st_size <= MOST:
                with os.fdopen(handle, "rb", closefd=False) as opened:
                    return opened.read(MOST)
        finally:
            os.close(handle)
    except (OSError, ValueError) as error:
        raise BadInput(f"{file}: cannot be read inside {root} ({error})") from error
    raise BadInput(f"{file}: no regular file of at most {MOST // 1_000_000} MB")


def _opened(root: Path, parts: tuple[str, ...]) -> int:
    """A descriptor of the file; each folder on the way is opened in the one before, so that none is exchanged."""
    if os.open not in os.supports_dir_fd or not parts:  # Windows
        return os.open(root.joinpath(*parts), os.O_RDONLY | BINARY)
    folder = os.open(root, os.O_RDONLY | FOLDER)
    try:
        for part in parts[:-1]:
            inner = os.open(part, os.O_RDONLY | FOLDER, dir_fd=folder)
            os.close(folder)
            folder = inner
        return os.open(parts[-1], os.O_RDONLY | FILE, dir_fd=folder)
    finally:
        os.close(folder)
