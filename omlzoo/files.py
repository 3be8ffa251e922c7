"""Writing files and folders atomically: they appear complete or not at all."""

import glob
import hashlib
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from omlzoo.errors import BadInput

__all__ = ["check_free", "file_digest", "new_file", "new_folder", "recovered"]

PART = ".part"


@contextmanager
def new_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``, which replaces ``path`` when the block ends without an error.

    Until then an existing file at ``path`` is left as it is. On any error, Ctrl-C included, the temporary file is
    removed. Temporary files of killed processes are removed by the next process that writes the same path.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=_prefix(path), suffix=PART, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def new_folder(path: str | Path, owned: tuple[str, ...]) -> Iterator[Path]:
    """Yield a temporary folder, which replaces ``path`` when the block ends without an error.

    Args:
        path: The folder to make. An existing one is replaced only if it holds nothing but ``owned`` files.
        owned: Names of the files that such a folder may consist of.

    Raises:
        BadInput: ``path`` exists and holds something else.
    """
    path = recovered(path)
    check_free(path, owned)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=_prefix(path), suffix=PART, dir=path.parent))
    try:
        yield temporary
        temporary.chmod(0o777 & ~_umask())
        _swap(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def recovered(path: str | Path) -> Path:
    """The absolute path of a folder, which is restored first if its replacement was interrupted between two renames."""
    path = Path(os.path.abspath(path))  # because Path(".") has no name
    aside = _aside(path)
    if aside.exists() and not path.exists():
        aside.replace(path)
    return path


def _swap(new: Path, path: Path) -> None:
    """Rename ``new`` to ``path``. The old folder is renamed first and removed last, so one is always complete."""
    aside = _aside(path)
    if path.exists():
        shutil.rmtree(aside, ignore_errors=True)
        path.replace(aside)
    new.replace(path)
    shutil.rmtree(aside, ignore_errors=True)


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.aside")


def check_free(path: Path, owned: tuple[str, ...]) -> None:
    """Check that a folder may be written or replaced.

    Args:
        path: The folder. It need not exist.
        owned: Names of the files that it may hold.

    Raises:
        BadInput: ``path`` is a file, or a folder that holds anything else.
    """
    if path.is_file():
        raise BadInput(f"{path} is a file; give the name of a folder that does not exist yet")
    strange = sorted(p.name for p in path.iterdir() if p.name not in owned) if path.exists() else []
    if strange:
        raise BadInput(
            f"{path} exists and holds {', '.join(strange[:3])}; give another name, or remove that folder first"
        )


def _prefix(path: Path) -> str:
    """Remove temporary files of ended processes beside ``path``, and return the prefix (host, process) for new ones."""
    stem = f".{path.name}.{platform.node()}."
    for left in path.parent.glob(f"{glob.escape(stem)}*{PART}"):
        process = left.name.removeprefix(stem).partition(".")[0]
        if process.isdecimal() and not _alive(int(process)):
            shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)
    return f"{stem}{os.getpid()}."


def _alive(process: int) -> bool:
    """Whether a process is running. If the system cannot tell, True is returned."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def file_digest(path: Path, algorithm: str = "sha256") -> str:
    """Digest of a file's content, as hex digits.

    Args:
        path: The file.
        algorithm: Name of a hash algorithm of :mod:`hashlib`.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
