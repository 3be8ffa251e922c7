"""What is on this machine: which weights are here, whether they are pinned and whole, which settings apply."""

import os
import platform
import shutil
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from omlzoo.checkpoints import cache, hub, manifest
from omlzoo.checkpoints.entry import Entry
from omlzoo.checkpoints.weights import Weights
from omlzoo.errors import OmlzooError

__all__ = ["State", "environment", "leftovers", "states"]

VARIABLES = ("OMLZOO_HOME", "XDG_CACHE_HOME", "HF_HOME", "HF_HUB_CACHE", "HF_ENDPOINT", "HF_HUB_OFFLINE", "HF_TOKEN")
PACKAGES = ("omlzoo", "torch", "torchvision", "timm", "huggingface-hub", "safetensors")


@dataclass(frozen=True)
class State:
    """One checkpoint on this machine.

    Attributes:
        name: Of the zoo.
        path: Its file, or None where it is not here.
        size: Of that file, in bytes.
        pinned: Whether the entry says what the content has to be.
        problem: What is wrong with the file, or None.
    """

    name: str
    path: Path | None
    size: int
    pinned: bool
    problem: str | None


def states(check: bool = False) -> list[State]:
    """The state of every checkpoint of the zoo; nothing is downloaded.

    Args:
        check: Compute the sha256 of every file that is here, which reads them whole.
    """
    return [_state(manifest.find(name), check) for name in manifest.names()]


def _state(entry: Entry, check: bool) -> State:
    pinned = Weights(entry).pinned
    path, sha256 = _file(entry)
    if path is None:
        return State(entry.name, None, 0, pinned, None)
    problem = None
    if entry.size is not None and sha256 == entry.sha256 and path.stat().st_size != entry.size:
        problem = f"has {path.stat().st_size} bytes, the entry says {entry.size}; remove it and fetch again"
    elif check and sha256 is not None:
        try:
            cache.verify(path, sha256, entry.name, remedy="remove it and fetch again", afresh=True)
        except OmlzooError as error:
            problem = str(error).removeprefix(f"{entry.name}: ")
    return State(entry.name, path, path.stat().st_size, pinned, problem)


def _file(entry: Entry) -> tuple[Path | None, str | None]:
    """The local file of an entry and the sha256 that it should have, as far as that is known."""
    own = cache.kept(entry)
    if own is not None:
        return cache.folder(entry.name) / "model.safetensors", own.sha256
    if entry.repo is not None and entry.file is not None:
        path = hub.cached(entry.repo, entry.file, entry.revision)
        announced = path.resolve().name if path and len(path.resolve().name) == 64 else None
        return path, entry.sha256 or announced
    bundled = manifest.folder() / "bundled" / (entry.file or "")
    return (bundled, entry.sha256) if entry.file and bundled.is_file() else (None, None)


def leftovers() -> list[Path]:
    """What killed downloads left in our folder and in the Hub client's cache; the next fetch removes it."""
    ours = list((cache.home() / "weights").glob(f"*/{cache.SCRATCH}*"))
    return ours + list(Path(hub.settings()["HF_HUB_CACHE"]).glob("models--*/blobs/*.incomplete"))


def environment() -> dict[str, str]:
    """Versions, folders and the environment variables that apply; a token is not shown."""
    facts = {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}
    home = cache.home()
    facts["own folder"] = f"{home} ({_room(home)})"
    facts |= {f"{name} in effect": value for name, value in hub.settings().items()}
    for name in VARIABLES:
        value = os.environ.get(name)
        facts[name] = "not set" if value is None else "set" if name == "HF_TOKEN" else value
    return facts


def _room(folder: Path) -> str:
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    writable = "writable" if os.access(there, os.W_OK) else "read-only"
    return f"{writable}, {shutil.disk_usage(there).free / 1e9:.1f} GB free"
