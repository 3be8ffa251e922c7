"""The manifest: a folder with one JSON file per checkpoint, which holds all facts of that checkpoint.

Installed packages may add entries, see :mod:`omlzoo.checkpoints.package`.
"""

from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from pkgutil import iter_modules

from omlzoo.catalog import ACTS
from omlzoo.checkpoints.entry import Entry, read_entry
from omlzoo.checkpoints.package import Brought, brought
from omlzoo.errors import BadEntry, UnknownName

__all__ = ["find", "folder", "forget", "matching", "names", "own_names", "reserved"]


def folder() -> Path:
    """The folder ``weights_manifest``, which is inside an installed package and beside the package in a checkout."""
    inside = Path(__file__).parent.parent / "weights_manifest"
    return inside if inside.is_dir() else inside.parent.parent / "weights_manifest"


@cache
def own_names() -> tuple[str, ...]:
    """Names of the checkpoints that omlzoo itself knows, sorted."""
    return tuple(sorted(path.stem for path in folder().glob("*.json")))


@cache
def names() -> tuple[str, ...]:
    """Names of all checkpoints of the zoo and of installed packages, sorted."""
    return tuple(sorted([*own_names(), *_brought().entries]))


@cache
def find(name: str) -> Entry:
    """The entry of that name.

    Raises:
        UnknownName: There is no such entry; similar names are suggested.
        BadEntry: An installed package brings an entry of that name that is not taken.
    """
    if name in own_names():
        return read_entry(folder() / f"{name}.json", name)
    if name in _brought().refused:
        raise BadEntry(_brought().refused[name])
    if name not in names():
        raise UnknownName("the zoo", name, names())
    return _brought().entries[name]


def forget() -> None:
    """Read the manifest and the installed packages again, as after a ``pip install`` in a process that runs."""
    for function in (own_names, names, find, reserved, brought):
        function.cache_clear()


def matching(pattern: str) -> list[str]:
    """Names that match a pattern with the wildcards ``* ? [ ]``, sorted. An empty pattern gives all names."""
    return [name for name in names() if fnmatchcase(name, pattern or "*")]


@cache
def reserved() -> frozenset[str]:
    """Names that no checkpoint of a package may take: those of omlzoo's own checkpoints, acts and rooms."""
    rooms = (info.name for info in iter_modules([str(Path(__file__).parent.parent)]))
    return frozenset([*own_names(), *ACTS, *rooms])


def _brought() -> Brought:
    return brought(reserved())
