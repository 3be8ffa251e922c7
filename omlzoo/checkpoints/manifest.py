"""The manifest: a folder with one JSON file per checkpoint, which holds all facts of that checkpoint."""

from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from omlzoo.checkpoints.entry import Entry, read_entry
from omlzoo.errors import UnknownName

__all__ = ["find", "folder", "matching", "names"]


def folder() -> Path:
    """The folder ``weights_manifest``, which is inside an installed package and beside the package in a checkout."""
    inside = Path(__file__).parent.parent / "weights_manifest"
    return inside if inside.is_dir() else inside.parent.parent / "weights_manifest"


@cache
def names() -> tuple[str, ...]:
    """Names of all checkpoints of the zoo, sorted."""
    return tuple(sorted(path.stem for path in folder().glob("*.json")))


@cache
def find(name: str) -> Entry:
    """The entry of that name.

    Raises:
        UnknownName: There is no such entry; similar names are suggested.
    """
    if name not in names():
        raise UnknownName("the zoo", name, names())
    return read_entry(folder() / f"{name}.json", name)


def matching(pattern: str) -> list[str]:
    """Names that match a pattern with the wildcards ``* ? [ ]``, sorted. An empty pattern gives all names."""
    return [name for name in names() if fnmatchcase(name, pattern or "*")]
