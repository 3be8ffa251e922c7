"""The package's own folder of weights, and the record of which files were verified. Nothing here uses the network.

``<home>/weights/<name>/`` holds ``model.safetensors`` and ``entry.json``, as every checkpoint on disk does. A file that
was verified once is not hashed again as long as its size and modification time stay the same.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from omlzoo.checkpoints.entry import Entry
from omlzoo.checkpoints.folder import open_entry, weights_of
from omlzoo.checkpoints.sources import Upstream
from omlzoo.errors import BadEntry, BadInput, WeightsUnavailable, notice
from omlzoo.files import check_regular, file_digest, new_file
from omlzoo.jsonio import read_json

__all__ = ["folder", "home", "kept", "serves", "verify", "work"]

SCRATCH = ".download."


def home() -> Path:
    """The package's own cache folder: ``OMLZOO_HOME``, or ``omlzoo`` in the user's cache folder."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(os.environ.get("OMLZOO_HOME") or Path(cache) / "omlzoo")


def folder(name: str) -> Path:
    """The folder for the weights of that checkpoint, where they are kept here and not in the Hub client's cache."""
    return home() / "weights" / name


def kept(entry: Entry) -> Entry | None:
    """The entry of the weights that the own folder holds for this entry, or None if it holds none that serve.

    A damaged or outdated ``entry.json`` counts as no weights, so that they are fetched again.
    """
    if not weights_of(folder(entry.name)).is_file():
        return None
    try:
        local = open_entry(folder(entry.name))
    except BadEntry:
        return None
    return local if serves(local, entry) else None


def serves(local: Entry, entry: Entry) -> bool:
    """Whether a local file can be used as the weights of an entry.

    It can if it has the sha256 of the entry, if it was converted from the same file of a package or of its authors, or,
    where the entry has no sha256 or one of a single source, if it is from the same repository.

    Args:
        local: The entry that lies beside the local file.
        entry: The entry whose weights are needed.
    """
    if local.sha256 is None or local.name != entry.name:
        return False
    converted = local.repo is None and _same_file(local.upstream, entry.upstream)
    packed = local.repo is None and local.package is not None and local.package == entry.package
    unpinned = (
        (entry.sha256 is None or entry.pin == "one source") and entry.repo is not None and local.repo == entry.repo
    )
    return converted or packed or unpinned or local.sha256 == entry.sha256


def _same_file(local: Upstream | None, entry: Upstream | None) -> bool:
    """Whether two are one file of its authors. Of its hash one may have only the beginning."""
    if local is None or entry is None or (local.url, local.layout) != (entry.url, entry.layout):
        return False
    if local.hash is None or entry.hash is None:
        return local.hash == entry.hash
    one, other = sorted((local.hash, entry.hash), key=len)
    return other.startswith(one) or one.partition(":")[0] != other.partition(":")[0]


@contextmanager
def work(name: str) -> Iterator[Path]:
    """Yield a scratch folder beside the weights of that name, for one process at a time; it is removed afterwards.

    Scratch folders that killed processes left behind are removed too. The lock belongs to the operating system, so a
    killed process does not hold it.

    Raises:
        WeightsUnavailable: The folder cannot be written.
    """
    from filelock import FileLock  # which takes as long to import as all of omlzoo

    target = folder(name)
    try:
        target.mkdir(parents=True, exist_ok=True)
        with FileLock(home() / "weights" / f".{name}.lock"):
            for left in target.glob(f"{SCRATCH}*"):
                shutil.rmtree(left, ignore_errors=True)
            try:
                with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=target) as scratch:
                    yield Path(scratch)
            finally:
                if not any(target.iterdir()):
                    target.rmdir()
    except OSError as error:
        if isinstance(error, WeightsUnavailable):
            raise
        raise WeightsUnavailable(
            f"{name}: {home()} cannot be written ({error.strerror or error}); free space there, or set OMLZOO_HOME"
        ) from error


def verify(path: Path, sha256: str, name: str, remedy: str, afresh: bool = False, size: int | None = None) -> Path:
    """Return the path if the file has the expected sha256, and raise an error otherwise.

    The sha256 is computed only if the file was not verified before, or if its size or modification time has changed.

    Args:
        path: A safetensors file, whose numbers are looked at too, or another file.
        sha256: The sha256 that its content must have, 64 hex digits.
        name: Name of the checkpoint, for the error message.
        remedy: What the user can do if the content is another, for the error message.
        afresh: Compute the sha256 even if the file was verified before.
        size: The size that the file must have in bytes, if it is known; one of another size is not even read.

    Raises:
        WeightsUnavailable: The content has another sha256 or size, or there is no such file.
        WeightsMismatch: The file is not a valid safetensors file, or a tensor holds NaN or infinity.
    """
    try:
        check_regular(path)
        stat = path.stat()
    except (BadInput, OSError) as error:
        said = error if isinstance(error, BadInput) else f"{path} cannot be read ({error.strerror})"
        raise WeightsUnavailable(f"{name}: {said}; {remedy}") from error
    if size is not None and stat.st_size != size:
        raise WeightsUnavailable(f"{name}: {path} has {stat.st_size} bytes, the entry says {size}; {remedy}")
    facts = {"path": str(path.resolve()), "size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": sha256}
    record = home() / "verified" / f"{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:32]}.json"
    try:
        if not afresh and read_json(record) == facts:
            return path
    except BadInput:
        pass  # there is no record, or it is damaged: the file is hashed
    digest = file_digest(path)
    if digest != sha256:
        raise WeightsUnavailable(
            f"{name}: {path} has sha256 {digest[:16]}..., the entry says {sha256[:16]}...; {remedy}"
        )
    if path.suffix == ".safetensors":
        from omlzoo.checkpoints.state_dict import check_finite, check_header, load_tensors  # which need torch

        check_header(path)
        check_finite(load_tensors(path), name)
    try:
        with new_file(record) as temporary:
            temporary.write_text(json.dumps(facts))
    except OSError as error:
        notice(f"{home()} cannot be written ({error}), so weights are hashed at every load; set OMLZOO_HOME")
    return path
