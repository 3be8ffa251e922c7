"""Whether the weights of an entry are on this machine.

Unlike ``checkpoints.fetch`` this loads no torch, and only looks.
"""

import os
from importlib import metadata
from pathlib import Path

from omlzoo.checkpoints import manifest
from omlzoo.checkpoints.entry import Entry
from omlzoo.checkpoints.folder import open_entry, weights_of
from omlzoo.errors import BadEntry

__all__ = ["place_of"]


def place_of(entry: Entry) -> str | None:
    """Where an entry's weights are: "bundled", "own folder", "Hub cache" or "installed package"; None if nowhere here.

    No file is hashed.
    """
    package = getattr(entry, "package", None)
    if package is not None and _installed(package.distribution, package.version):
        return "installed package"
    if _kept(entry):
        return "own folder"
    if entry.repo is not None:
        return "Hub cache" if _cached(entry.repo, entry.file, entry.revision) else None
    bundled = entry.upstream is None and entry.file and (manifest.folder() / "bundled" / entry.file).is_file()
    return "bundled" if bundled else None


def _installed(distribution: str, version: str) -> bool:
    try:
        return metadata.version(distribution) == version
    except metadata.PackageNotFoundError:
        return False


def _kept(entry: Entry) -> bool:
    """Whether the own folder has weights that serve, as ``checkpoints.cache.serves`` decides, which needs torch."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(os.environ.get("OMLZOO_HOME") or Path(cache) / "omlzoo") / "weights" / entry.name
    if not folder.is_dir() or not weights_of(folder).is_file():
        return False
    try:
        local = open_entry(folder)
    except BadEntry:
        return False
    if local.sha256 is None or local.name != entry.name:
        return False
    converted = local.repo is None and local.upstream is not None and _file(local) == _file(entry)
    loose = entry.sha256 is None or entry.pin == "one source"
    return converted or local.sha256 == entry.sha256 or (loose and entry.repo is not None and local.repo == entry.repo)


def _file(entry: Entry) -> tuple[str, str] | None:
    return (entry.upstream.url, entry.upstream.layout) if entry.upstream else None


def _cached(repo: str, file: str | None, revision: str | None) -> bool:
    from huggingface_hub import constants  # its settings alone; the client takes as long to load as all of `list`

    folder = Path(constants.HF_HUB_CACHE) / f"models--{repo.replace('/', '--')}"
    if file is None or not folder.is_dir():
        return False
    try:
        commit = revision or (folder / "refs" / "main").read_text(encoding="utf-8").strip()
    except OSError:
        return False
    return (folder / "snapshots" / commit / file).is_file()
