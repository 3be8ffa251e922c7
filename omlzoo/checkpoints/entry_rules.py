"""The rules for the values of entries that types do not express. A stranger's entry is held to them where it is made.

What becomes a path or an address is of one form, and numbers have bounds, so that building a model and preparing a
picture end.
"""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from omlzoo.data.preprocess import Preprocess
from omlzoo.errors import BadEntry

__all__ = [
    "LONGEST",
    "check_arch",
    "check_arguments",
    "check_distribution",
    "check_finite_numbers",
    "check_hex",
    "check_inner_path",
    "check_name",
    "check_path",
    "check_preprocess",
    "check_range",
    "check_repo",
    "check_url",
    "completed",
    "name_of",
]

LATER: dict[str, dict[str, Any]] = {  # facts that entries of folders and repositories written before do not have
    "": {"pin": None, "package": None}, "upstream": {"pin": None}, "text": {"pin": None, "alternatives": []},
}  # fmt: skip
LONGEST = 200  # bytes of a name; a file's name has at most 255, and more is put before and behind it
WIDEST = 10_000  # pixels of a side
DEEPEST = 8  # architectures inside each other
REPO = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}/[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}")
DISTRIBUTION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?", re.ASCII)
VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+!_-]{0,98}", re.ASCII)
LOOPBACK = ("localhost", "127.0.0.1", "::1")
BOUNDS = {"turns": (1, 4), "image": (1, 1024), "window": (1, 32), "length": (1, 4096), "vocabulary": (1, 2_000_000)}
FORMS = {"timm": re.compile(r"\w+(\.\w+)?", re.ASCII), "module": re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", re.ASCII)}
OTHERS = (1, 65_536)  # bounds of every other number among the arguments of an architecture
LISTED, MOST_ITEMS = (-1000, 65_536), 64  # bounds of a number in a list among them, and how many a list has


def check_name(name: str) -> None:
    """Check a name that becomes the name of a folder.

    Raises:
        BadEntry: It is not one part of a path.
    """
    if not _is_part(name):
        rule = f"1 to {LONGEST} letters, digits and other visible characters but / and \\, and no dot at its beginning"
        raise BadEntry(f"name is {name[:LONGEST]!r}; it must be {rule}")


def name_of(text: str) -> str:
    """A name that :func:`check_name` accepts, as near as can be to a text such as the name of a folder."""
    kept = "".join(letter if letter.isprintable() and letter not in "/\\" else "_" for letter in text)
    return kept.lstrip(".").encode()[:LONGEST].decode(errors="ignore") or "_"


def check_path(file: str, suffix: str, key: str) -> None:
    """Check the path of a file in a repository.

    Args:
        file: The path.
        suffix: What it must end in.
        key: What it is, for the error message.

    Raises:
        BadEntry: It ends in something else, or a part of it is none, as ``..`` or the start of an absolute path.
    """
    if not file.endswith(suffix):
        raise BadEntry(f"{key} is {file[:LONGEST]!r}; only {suffix} files are opened")
    if len(file) > 4 * LONGEST or not all(map(_is_part, file.split("/"))):
        raise BadEntry(f"{key} is {file[:LONGEST]!r}; it must be a path inside the repository, without ..")


def check_distribution(name: str, version: str) -> None:
    """Check the name and the version of a distribution: they become words of a command line and of messages.

    Args:
        name: The name.
        version: The version.

    Raises:
        BadEntry: One is not of the form that package indexes use.
    """
    if not DISTRIBUTION.fullmatch(name):
        raise BadEntry(f"package.distribution is {name[:LONGEST]!r}; it must be the name of a distribution")
    if not VERSION.fullmatch(version):
        raise BadEntry(f"package.version is {version[:LONGEST]!r}; it must be a version, such as 1.2.0")


def check_inner_path(path: str, key: str) -> None:
    """Check the path of a file inside a distribution.

    Args:
        path: The path, with "/" between its parts.
        key: What it is, for the message.

    Raises:
        BadEntry: It is not made of names of folders and a file, or leads out.
    """
    if len(path) > 4 * LONGEST or not all(_is_part(part) for part in path.split("/")):
        raise BadEntry(f"{key} is {path[:LONGEST]!r}; it must be the path of a file inside the package")


def check_repo(repo: str, key: str) -> None:
    """Check the name of a repository.

    Args:
        repo: The name.
        key: What it is, for the error message.

    Raises:
        BadEntry: It is not organisation/name.
    """
    if not REPO.fullmatch(repo) or ".." in repo:
        raise BadEntry(f"{key} is {repo[:LONGEST]!r}; it must be organisation/name")


def check_url(url: str, key: str) -> None:
    """Check an address that a file is downloaded from.

    Args:
        url: The address.
        key: What it is, for the error message.

    Raises:
        BadEntry: It is not https://, or http:// to this machine.
    """
    try:
        parts = urlsplit(url)
        safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
        known = bool(parts.hostname) and url.isprintable() and " " not in url and parts.port != 0
    except ValueError:
        safe = known = False
    if not safe or not known:
        raise BadEntry(f"{key} is {url[:LONGEST]!r}; it must be an address that begins with https://")


def check_hex(value: str | None, length: int, key: str) -> None:
    """Check a digest or commit.

    Args:
        value: The digits, or None.
        length: How many there must be.
        key: What they are, for the error message.

    Raises:
        BadEntry: They are others.
    """
    if value is not None and not re.fullmatch(rf"[0-9a-f]{{{length}}}", value):
        raise BadEntry(f"{key} is {value[:LONGEST]!r}; it must be {length} lower-case hex digits, or null")


def check_range(key: str, value: float | None, least: float, most: float) -> None:
    """Check a number.

    Args:
        key: What it is, for the error message.
        value: The number, or None.
        least: The least that it may be.
        most: The most that it may be.

    Raises:
        BadEntry: It is outside.
    """
    if value is not None and not least <= value <= most:
        raise BadEntry(f"{key} is {_shown(value)}; it must be from {least:,} to {most:,}")


def check_finite_numbers(key: str, values: Iterable[float]) -> None:
    """Check that numbers are finite.

    Args:
        key: What they are, for the error message.
        values: The numbers.

    Raises:
        BadEntry: One is not.
    """
    if not all(map(math.isfinite, values)):
        raise BadEntry(f"{key} has a number that is not finite")


def check_preprocess(pre: Preprocess) -> None:
    """Check the settings of a preprocessing.

    Raises:
        BadEntry: A size, mean, std or grey value is outside its bounds, or two of them do not fit together.
    """
    if (pre.pad is not None) != (pre.mode == "contain"):
        raise BadEntry(f"preprocess has mode {pre.mode} and pad {pre.pad}; pad is for contain, and only there")
    for key, sides in (("resize", pre.resize), ("crop", pre.crop)):
        for side in sides:
            check_range(f"preprocess: {key}", side, 1, WIDEST)
    check_range("preprocess: pad", pre.pad, 0, 255)
    for mean, std in zip(pre.mean, pre.std, strict=True):
        check_range("preprocess: mean", mean, -1000, 1000)
        check_range("preprocess: std", std, 1e-6, 1000)
    if any(crop > side for crop, side in zip(pre.crop, pre.resize, strict=True)):
        raise BadEntry(f"preprocess crops {pre.crop} out of {pre.resize}; the crop must fit")


def check_arch(arch: str) -> None:
    """Check the form of the name of an architecture.

    Raises:
        BadEntry: Behind "timm:" is an address or a path, behind "module:" no import path, or before the colon something
            else.
    """
    kind, colon, rest = arch.partition(":")
    if len(arch) > LONGEST or (colon and (kind not in FORMS or not FORMS[kind].fullmatch(rest))):
        rule = "a name of omlzoo.models, timm:NAME of timm's own list, or module:package.Class"
        raise BadEntry(f"arch is {arch[:LONGEST]!r}; it must be {rule}")


def check_arguments(arguments: Mapping[str, Any], deep: int = 1) -> None:
    """Check the arguments of an architecture, as far as it can be done without building it.

    Args:
        arguments: The arguments by name.
        deep: How deep they are nested, from 1.

    Raises:
        BadEntry: One is neither a plain value nor arguments of another architecture, or is out of bounds.
    """
    for key, value in arguments.items():
        if key == "arch" and isinstance(value, str):
            check_arch(value)
        if key == "arguments" and isinstance(value, dict):
            _check_plain(value)
        elif isinstance(value, list):
            if len(value) > MOST_ITEMS or any(isinstance(item, list) for item in value):
                raise BadEntry(f"arch_args: {key} is {_shown(value)}; it must be a list of at most {MOST_ITEMS} items")
            for item in value:
                _check_argument(key, item, deep, LISTED)
        else:
            _check_argument(key, value, deep, BOUNDS.get(key, OTHERS))


def _check_argument(key: str, value: Any, deep: int, bounds: tuple[float, float]) -> None:
    """Check one value of the arguments of an architecture, or of a list among them."""
    if isinstance(value, dict):
        if deep == DEEPEST:
            raise BadEntry(f"arch_args are nested deeper than {DEEPEST} levels")
        check_arguments(value, deep + 1)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        least, most = bounds
        check_range(f"arch_args: {key}", value, least if isinstance(value, int) else min(least, 1e-3), most)
    elif value is not None and not (isinstance(value, str) and len(value) <= LONGEST) and value not in (True, False):
        raise BadEntry(f"arch_args: {key} is {_shown(value)}; it must be a number, a word, true, false or null")


def _check_plain(arguments: Mapping[str, Any]) -> None:
    """Check the arguments of a class that is not the zoo's: numbers of any sign, texts, true, false or null."""
    for key, value in arguments.items():
        number = isinstance(value, int | float) and math.isfinite(value) and abs(value) < 2**62
        if (
            not (number or value is None or (isinstance(value, str) and len(value) <= LONGEST))
            or not key.isidentifier()
        ):
            raise BadEntry(f"arch_args: arguments: {key[:LONGEST]} is {_shown(value)}; it must be a number or a text")


def completed(raw: Any) -> Any:
    """The parsed entry that an earlier version wrote, with the facts that entries have now. Others are unchanged."""
    if not isinstance(raw, dict):
        return raw
    inner = {key: LATER[key] | raw[key] for key in LATER if isinstance(raw.get(key), dict)}
    return LATER[""] | raw | inner


def _is_part(part: str) -> bool:
    """Whether a text can be the name of one file or folder, and no other."""
    visible = part.isprintable() and "/" not in part and "\\" not in part
    return visible and 0 < len(part.encode()) <= LONGEST and not part.startswith(".")


def _shown(value: Any) -> str:
    try:
        return repr(value)[:50]
    except ValueError:  # Python writes no number of more than 4,300 digits
        return "a number of very many digits"
