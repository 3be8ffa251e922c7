"""Whether the weights of an entry are on this machine.

Unlike ``checkpoints.fetch`` this loads no torch, and only looks.
"""

from pathlib import Path

from omlzoo.checkpoints import cache, manifest
from omlzoo.checkpoints.entry import Entry
from omlzoo.checkpoints.package import is_installed

__all__ = ["place_of"]


def place_of(entry: Entry) -> str | None:
    """Where an entry's weights are: "bundled", "own folder", "Hub cache" or "installed package"; None if nowhere here.

    No file is hashed.
    """
    if entry.package is not None and is_installed(entry.package):
        return "installed package"
    if cache.kept(entry) is not None:
        return "own folder"
    if entry.repo is not None:
        return "Hub cache" if _cached(entry.repo, entry.file, entry.revision) else None
    bundled = entry.upstream is None and entry.file and (manifest.folder() / "bundled" / entry.file).is_file()
    return "bundled" if bundled else None


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
