"""Writing files and folders atomically: they appear complete or not at all."""

import glob
import hashlib
import os
import platform
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from omlzoo.errors import BadInput

__all__ = [
    "LOCK",
    "check_free",
    "check_regular",
    "file_digest",
    "new_file",
    "new_files",
    "settle",
    "settled",
    "sync",
    "writing",
]

PART, NEXT, LOCK = ".part", ".omlzoo-next", ".lock"
PATIENCE = 0.5  # seconds for a lock that a reader holds while it finishes what a killed writer had begun
SHOWN = 64  # bytes of a name that the name of its temporary file repeats; a file's name has at most 255
REGULAR = "a file"
KINDS: tuple[tuple[Callable[[int], bool], str], ...] = (
    (stat.S_ISREG, REGULAR),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (lambda mode: True, "of an unknown kind"),
)


@contextmanager
def new_file(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``, which replaces ``path`` when the block ends without an error.

    Until then an existing file at ``path`` is left as it is. On any error, Ctrl-C included, the temporary file is
    removed. Temporary files of killed processes are removed by the next process that writes the same path. Where
    ``path`` is a link, the file that it leads to is replaced; a device or a pipe, like ``/dev/stdout``, is written to.
    """
    path = Path(path)
    if path.is_symlink():
        path = path.resolve()
    if path.exists() and not path.is_file() and not path.is_dir():
        with tempfile.TemporaryDirectory() as folder:
            yield (temporary := Path(folder) / path.name)
            with temporary.open("rb") as content, path.open("wb") as out:
                shutil.copyfileobj(content, out)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=_prefix(path), suffix=PART, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        sync(temporary)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
        sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def new_files(folder: str | Path, last: str) -> Iterator[Path]:
    """Yield an empty temporary folder, whose files replace those of their names in ``folder`` together, as one.

    Whoever is killed in between leaves the old files or the new ones, whole, where readers ask :func:`settled` for the
    path of each. Every file is first written beside the one it replaces, as ``.NAME.omlzoo-next``, ``last`` at the
    end: from then on the new files count. Other files of the folder are left alone. One process at a time may write a
    folder: hold :func:`writing` around it.

    Args:
        folder: The folder; it is made if it does not exist.
        last: Name of the file that says what the others are.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=_prefix(folder / "new"), suffix=PART, dir=folder))
    try:
        yield temporary
        _roll_forward(folder, last)
        names = sorted(path.name for path in temporary.iterdir())
        for name in [*(name for name in names if name != last), last]:
            sync(temporary / name)
            (temporary / name).chmod(0o666 & ~_umask())
            (temporary / name).replace(folder / f".{name}{NEXT}")
            sync(folder)
        _roll_forward(folder, last)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def settled(folder: str | Path, name: str, last: str) -> Path:
    """Where the newest complete content of a file is that :func:`new_files` wrote.

    It is ``name`` itself, unless a writer was killed while it put its finished files in their places.

    Args:
        folder: The folder.
        name: Name of the file.
        last: The file that says what the others are.
    """
    folder = Path(folder)
    waiting = folder / f".{name}{NEXT}"
    return waiting if (folder / f".{last}{NEXT}").is_file() and waiting.is_file() else folder / name


def settle(folder: str | Path, last: str) -> bool:
    """Finish what a killed :func:`new_files` had begun, so that files have their own names again.

    Nothing is done while another process writes, nor in a folder where one may not write: what is there is one whole
    state then too, which :func:`settled` finds. Returns whether all files have their own names now.

    Args:
        folder: The folder.
        last: The file that says what the others are.
    """
    folder = Path(folder)
    if (folder / f".{last}{NEXT}").is_file():
        with suppress(BadInput, PermissionError), writing(folder, patience=0):
            _roll_forward(folder, last)
    return not (folder / f".{last}{NEXT}").is_file()


@contextmanager
def writing(folder: str | Path, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the lock of a folder; the lock is a file ``.lock`` in it while it is held, and ends with its process.

    Args:
        folder: The folder; it is made if it does not exist.
        patience: Seconds to wait for whoever holds it.

    Raises:
        BadInput: Another process writes the folder.
    """
    from filelock import FileLock, Timeout  # which takes as long to import as all of omlzoo

    folder = Path(folder)
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    held = FileLock(folder / LOCK)
    try:
        held.acquire(timeout=patience)
    except Timeout as error:
        raise BadInput(f"{folder} is being written by another process; wait for it, or give another name") from error
    try:
        yield
    finally:
        with suppress(OSError):  # whoever has opened it meanwhile sees that it is gone, and opens the next one
            (folder / LOCK).unlink()
            if is_new:
                folder.rmdir()  # only if nothing was written
        held.release()


def check_regular(path: Path) -> None:
    """Refuse what is no regular file: a pipe or a device may never end, and opening one may never return.

    Args:
        path: A path. One that does not exist is let through, for whoever opens it.

    Raises:
        BadInput: It is a folder, a pipe, a socket or a device.
    """
    try:
        kind = _kind(path)
    except (OSError, ValueError):
        return
    if kind != REGULAR:
        raise BadInput(f"{path} is {kind}; give a regular file")


def _kind(path: Path) -> str:
    mode = path.stat().st_mode
    return next(name for test, name in KINDS if test(mode))


def _roll_forward(folder: Path, last: str) -> None:
    """Put the finished files of a writer that was killed in their places; remove its unfinished ones."""
    complete = (folder / f".{last}{NEXT}").is_file()
    waiting = sorted(folder.glob(f".*{NEXT}"), key=lambda path: path.name == f".{last}{NEXT}")
    for path in waiting:
        if complete:
            path.replace(folder / path.name.removeprefix(".").removesuffix(NEXT))
            sync(folder)
        else:
            path.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Wait until the disk has a file's content, or a folder's names."""
    if path.is_dir() and os.name != "posix":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def check_free(path: Path, owned: tuple[str, ...]) -> None:
    """Check that a folder may be written or replaced.

    Args:
        path: The folder. It need not exist.
        owned: Names of the files that it may hold.

    Raises:
        BadInput: ``path`` is a file, or a folder that holds anything else.
    """
    if path.exists() and not path.is_dir():
        raise BadInput(f"{path} is {_kind(path)}; give the name of a folder that does not exist yet")
    strange = (
        sorted(p.name for p in path.iterdir() if p.name not in owned and not _ours(p.name)) if path.exists() else []
    )
    if strange:
        raise BadInput(
            f"{path} exists and holds {', '.join(strange[:3])}; give another name, or remove that folder first"
        )


def _ours(name: str) -> bool:
    """Whether a hidden file is a lock, or of a writer that is at work or was killed."""
    return name == LOCK or (name.startswith(".") and name.endswith((PART, NEXT)))


def _prefix(path: Path) -> str:
    """Remove temporary files of ended processes beside ``path``, and return the prefix (host, process) for new ones."""
    known = os.fsencode(path.name)  # a name need be no UTF-8
    name = path.name if len(known) <= SHOWN else hashlib.sha256(known).hexdigest()[:SHOWN]
    stem = f".{name}.{platform.node()[:SHOWN]}."
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
