"""The state of this machine: which weights are present, whether they are pinned and intact, which settings apply."""

import os
import platform
import shutil
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from omlzoo.checkpoints import cache, hub, manifest
from omlzoo.checkpoints.entry import Entry
from omlzoo.checkpoints.fetch import present
from omlzoo.checkpoints.weights import Weights
from omlzoo.errors import OmlzooError

__all__ = ["State", "environment", "leftovers", "states"]

VARIABLES = ("OMLZOO_HOME", "XDG_CACHE_HOME", "HF_HOME", "HF_HUB_CACHE", "HF_ENDPOINT", "HF_HUB_OFFLINE", "HF_TOKEN")
PACKAGES = ("omlzoo", "torch", "torchvision", "timm", "huggingface-hub", "safetensors")


@dataclass(frozen=True)
class State:
    """The state of one checkpoint on this machine.

    Attributes:
        name: Name of the checkpoint in the zoo.
        path: The local file of its weights, or None if they are not on this machine.
        size: Size of that file in bytes; 0 if there is none.
        pinned: Whether the entry determines the content of the file, see
            :attr:`omlzoo.checkpoints.weights.Weights.pinned`.
        problem: Description of what is wrong with the file, or None if nothing is known to be wrong.
    """

    name: str
    path: Path | None
    size: int
    pinned: bool
    problem: str | None


def states(check: bool = False) -> list[State]:
    """The state of every checkpoint of the zoo. Nothing is downloaded.

    Args:
        check: Whether to compute the sha256 of every local file, which reads all of them completely.
    """
    return [_state(manifest.find(name), check) for name in manifest.names()]


def _state(entry: Entry, check: bool) -> State:
    pinned = Weights(entry).pinned
    path, sha256 = present(entry)
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


def leftovers() -> list[Path]:
    """Files that killed downloads left in the own cache folder and in the Hub client's cache.

    The next download removes them.
    """
    ours = list((cache.home() / "weights").glob(f"*/{cache.SCRATCH}*"))
    return ours + list(Path(hub.settings()["HF_HUB_CACHE"]).glob("models--*/blobs/*.incomplete"))


def environment() -> dict[str, str]:
    """Versions, folders and environment variables that apply. The value of a token is not shown."""
    facts = {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}
    home = cache.home()
    facts["own folder"] = f"{home} ({_room(home)})"
    facts |= {f"{name} in effect": value for name, value in hub.settings().items()}
    for name in VARIABLES:
        value = os.environ.get(name)
        facts[name] = "not set" if value is None else "set" if name == "HF_TOKEN" else value
    return facts


def _room(folder: Path) -> str:
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    writable = "writable" if os.access(existing, os.W_OK) else "read-only"
    return f"{writable}, {shutil.disk_usage(existing).free / 1e9:.1f} GB free"
