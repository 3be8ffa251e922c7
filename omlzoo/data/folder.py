"""The pictures in a folder and its sub-folders, and what was passed over there and why."""

import os
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from omlzoo.data.formats import UNREAD, is_picture, suffix_of
from omlzoo.data.written_text import escaped, is_writable
from omlzoo.errors import BadInput

__all__ = ["FOREIGN", "OTHERS", "UNWRITABLE", "Found", "find_pictures", "is_hidden", "passed_over"]

OTHERS = "files are no pictures"
FOREIGN = "files are of a format that is not read (convert them)"
SYSTEM = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r"})  # what systems put beside pictures
CLOSED = "folders could not be opened"
BROKEN = "links lead to no file"
LINKED = "links lead to folders, which are not followed,"
AGAIN = "links lead to pictures that are there already"
UNWRITABLE = "names are not UTF-8 (rename them)"


def passed_over(folder: Path, passed: dict[str, list[str]]) -> list[str]:
    """A sentence for each reason for which something was passed over, with the number and the first name.

    Args:
        folder: Where.
        passed: Names by reason.
    """
    lines = []
    for reason, names in sorted(passed.items()):
        first = "" if reason == OTHERS else f"; the first is {escaped(min(names))!r}"
        lines.append(f"{folder}: {len(names)} {reason} and were passed over{first}")
    return lines


class Found(NamedTuple):
    """What a folder holds.

    Attributes:
        pictures: The pictures relative to the folder, with ``/`` between the parts, sorted part by part.
        passed: What was passed over, by reason.
    """

    pictures: list[str]
    passed: dict[str, list[str]]

    def notices(self, folder: Path) -> list[str]:
        """A sentence for each reason for which something was passed over, with the number and the first name."""
        return passed_over(folder, self.passed)


def find_pictures(folder: Path) -> Found:
    """All pictures in a folder and its sub-folders, but hidden ones and what a system puts beside them.

    Raises:
        BadInput: The folder itself cannot be opened.
    """
    pictures: list[str] = []
    links: list[str] = []
    passed: dict[str, list[str]] = defaultdict(list)
    waiting = [""]
    while waiting:
        inside = waiting.pop()
        try:
            with os.scandir(folder / inside) as opened:
                entries = [entry for entry in opened if not is_hidden(entry.name)]
        except OSError as error:
            if not inside:
                raise BadInput(f"{folder}: cannot be opened ({error.strerror})") from error
            passed[CLOSED].append(inside)
            continue
        for entry in entries:
            name = f"{inside}/{entry.name}" if inside else entry.name
            reason = _reason(entry)
            if reason is not None:
                passed[reason].append(name)
            elif entry.is_dir():
                waiting.append(name)
            else:
                (links if entry.is_symlink() else pictures).append(name)
    pictures += _others(folder, pictures, links, passed)
    return Found(sorted(pictures, key=lambda name: name.split("/")), dict(passed))


def is_hidden(name: str) -> bool:
    """Whether a file or folder of that name is hidden, or what a system puts beside pictures."""
    return name.startswith(".") or name.lower() in SYSTEM


def _reason(entry: "os.DirEntry[str]") -> str | None:
    """Why something in a folder is passed over; None for pictures and for folders."""
    try:
        if not is_writable(entry.name):
            return UNWRITABLE
        if entry.is_dir():
            return LINKED if entry.is_symlink() else None
        if not entry.is_file():
            return BROKEN if entry.is_symlink() and not os.path.exists(entry.path) else OTHERS
    except OSError:  # a link that leads to itself, or through a folder that may not be opened
        return BROKEN
    if suffix_of(entry.name) in UNREAD:
        return FOREIGN
    return None if is_picture(entry.path, entry.name) else OTHERS


def _others(folder: Path, pictures: list[str], links: list[str], passed: dict[str, list[str]]) -> list[str]:
    """The links whose pictures are not there without them."""
    if not links:
        return []
    top = os.path.realpath(folder)
    seen = {os.path.join(top, *name.split("/")) for name in pictures}
    kept = []
    for name in sorted(links):
        target = os.path.realpath(folder / name)
        if target in seen:
            passed[AGAIN].append(name)
        else:
            seen.add(target)
            kept.append(name)
    return kept
