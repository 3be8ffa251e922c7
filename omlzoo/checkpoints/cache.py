"""Our own folder of weights and the record of what was verified: no network.

``<home>/weights/<name>/`` holds ``model.safetensors`` and ``entry.json``, as every checkpoint on disk does. A file that
was verified once is not hashed again while its size and time of change stay the same.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from filelock import FileLock

from omlzoo.checkpoints.entry import Entry, dump_entry
from omlzoo.checkpoints.folder import ENTRY, WEIGHTS, open_entry
from omlzoo.checkpoints.state_dict import check_finite, load_tensors
from omlzoo.errors import BadEntry, WeightsUnavailable, notice
from omlzoo.files import file_digest, new_file

__all__ = ["copy", "folder", "home", "kept", "serves", "verify", "work"]

SCRATCH = ".download."


def home() -> Path:
    """Our own cache: ``OMLZOO_HOME``, or ``omlzoo`` in the user's cache folder."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("OMLZOO_HOME") or Path(cache) / "omlzoo")


def folder(name: str) -> Path:
    """Where the weights of that checkpoint are kept, if we keep them and not the Hub's client."""
    return home() / "weights" / name


def kept(entry: Entry) -> Entry | None:
    """What our folder has for this entry: the entry of the file there, or None where that is another file.

    A damaged or outdated ``entry.json`` counts as none: the weights are then fetched again.
    """
    try:
        local = open_entry(folder(entry.name))
    except BadEntry:
        return None
    return local if (folder(entry.name) / WEIGHTS).is_file() and serves(local, entry) else None


def serves(local: Entry, entry: Entry) -> bool:
    """Whether a file with these facts is what the entry wants: the promised bytes, the same authors' file converted,
    or, where the entry promises no bytes, a file of the same repository."""
    if local.sha256 is None or local.name != entry.name:
        return False
    converted = local.repo is None and local.upstream is not None and local.upstream == entry.upstream
    unpinned = entry.sha256 is None and entry.repo is not None and local.repo == entry.repo
    return converted or unpinned or local.sha256 == entry.sha256


def copy(source: Path, entry: Entry, to: Path) -> Entry:
    """Put a file and its facts into a folder; returns the facts with the file's name, sha256 and size."""
    with new_file(to / WEIGHTS) as temporary:
        shutil.copyfile(source, temporary)
        sha256, size = file_digest(temporary), temporary.stat().st_size
        entry = replace(entry, file=WEIGHTS, sha256=sha256, size=size)
        with new_file(to / ENTRY) as text:
            text.write_text(dump_entry(entry), encoding="utf-8")
    return entry


@contextmanager
def work(name: str) -> Iterator[Path]:
    """A scratch folder beside the weights of that name, for one process at a time; gone afterwards.

    What a killed process left there is removed. The lock is the operating system's, so a killed process holds none.
    """
    place = folder(name)
    try:
        place.mkdir(parents=True, exist_ok=True)
        with FileLock(home() / "weights" / f".{name}.lock"):
            for left in place.glob(f"{SCRATCH}*"):
                shutil.rmtree(left, ignore_errors=True)
            try:
                with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=place) as scratch:
                    yield Path(scratch)
            finally:
                if not any(place.iterdir()):
                    place.rmdir()
    except OSError as error:
        if isinstance(error, WeightsUnavailable):
            raise
        raise WeightsUnavailable(
            f"{name}: {home()} cannot be written ({error.strerror or error}); free space there, or set OMLZOO_HOME"
        ) from error


def verify(path: Path, sha256: str, name: str, remedy: str, afresh: bool = False) -> Path:
    """The same path, if the content has that sha256; computed only where size or time of change are new.

    Args:
        path: A file.
        sha256: What it has to have.
        name: Of the checkpoint, for the message.
        remedy: What to do where it has another, for the message.
        afresh: Compute it in any case.

    Raises:
        WeightsUnavailable: It has another one.
        WeightsMismatch: It is no safetensors file, or holds NaN.
    """
    stat = path.stat()
    seen = {"path": str(path.resolve()), "size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": sha256}
    record = home() / "verified" / f"{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:32]}.json"
    try:
        if not afresh and json.loads(record.read_text()) == seen:
            return path
    except (OSError, ValueError):
        pass  # no record, or a damaged one: the file is hashed
    found = file_digest(path)
    if found != sha256:
        raise WeightsUnavailable(
            f"{name}: {path} has sha256 {found[:16]}..., the entry says {sha256[:16]}...; {remedy}"
        )
    check_finite(load_tensors(path), name)
    try:
        with new_file(record) as temporary:
            temporary.write_text(json.dumps(seen))
    except OSError as error:
        notice(f"{home()} cannot be written ({error}), so weights are hashed at every load; set OMLZOO_HOME")
    return path
