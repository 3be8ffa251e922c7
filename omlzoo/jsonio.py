"""Writing JSON that every reader accepts, and reading JSON and TOML of strangers, bounded and strictly."""

import json
import math
import platform
import tomllib
import types
import typing
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, TypeVar

from omlzoo.errors import BadEntry, BadInput, OmlzooError
from omlzoo.files import check_regular

__all__ = ["build", "made_with", "parse_json", "read_json", "read_toml", "to_json"]

PACKAGES = ("torch", "torchvision", "timm", "numpy", "pillow")  # what decides numbers, beside ours
Kind = TypeVar("Kind")
MOST = 64_000_000  # bytes of a document; ours have some thousands
DEEPEST = 64  # lists and objects inside each other
LARGEST = 2**63  # numbers in files are counts, sizes and measurements


def made_with() -> dict[str, str]:
    """Versions of omlzoo, of Python and of the packages that numbers depend on, and the kind of machine.

    They stand in what is written, so that it can be told later what made it. No package is imported for that.
    """
    versions = {"omlzoo": import_module("omlzoo").__version__, "python": platform.python_version()}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return {**versions, "machine": f"{platform.system()} {platform.machine()}"}


def parse_json(text: str | bytes, where: str, error: type[OmlzooError] = BadInput) -> Any:
    """What a JSON document holds; whatever is wrong with a stranger's document is one error.

    Args:
        text: The document, in UTF-8 if it is bytes.
        where: Name of the file or object, for error messages.
        error: The class of the error.

    Raises:
        OmlzooError: Of the class ``error``: it is no JSON, is larger than 64 MB, is nested deeper than 64 levels, has
            a key twice, or a number that is not finite or beyond 64 bits.
    """

    def parse() -> Any:
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_pairs)

    return _parsed("JSON", parse, len(text), where, error)


def read_json(path: Path, error: type[OmlzooError] = BadInput) -> Any:
    """What a JSON file holds, as :func:`parse_json` reads it.

    Args:
        path: The file.
        error: The class of the error.

    Raises:
        OmlzooError: Of the class ``error``: as there, or the file cannot be read or is no regular file.
    """
    return parse_json(_content(path, error), str(path), error)


def read_toml(path: Path, error: type[OmlzooError] = BadInput) -> dict[str, Any]:
    """What a TOML file holds; the limits are those of :func:`parse_json`.

    Args:
        path: The file.
        error: The class of the error.

    Raises:
        OmlzooError: Of the class ``error``: it is no TOML, breaks a limit, cannot be read or is no regular file.
    """
    content = _content(path, error)
    found: dict[str, Any] = _parsed(
        "TOML", lambda: tomllib.loads(content.decode("utf-8")), len(content), str(path), error
    )
    return found


def _content(path: Path, error: type[OmlzooError]) -> bytes:
    try:
        check_regular(path)
        with path.open("rb") as file:
            return file.read(MOST + 1)
    except (OSError, ValueError) as reason:
        said = reason.strerror if isinstance(reason, OSError) and reason.strerror else str(reason)
        raise error(f"{path}: cannot be read ({said})") from reason


def _parsed(form: str, parse: Callable[[], Any], size: int, where: str, error: type[OmlzooError]) -> Any:
    if size > MOST:
        raise error(f"{where}: more than {MOST // 1_000_000} MB; such a file is none of ours")
    try:
        value = parse()
    except (ValueError, RecursionError) as reason:
        deep = isinstance(reason, RecursionError)
        said = f"nested deeper than {DEEPEST} levels" if deep else str(reason).partition("\n")[0]
        raise error(f"{where}: not readable as {form} ({said}); give the file as it was written") from reason
    _check_bounds(value, where, error)
    return value


def _check_bounds(value: Any, where: str, error: type[OmlzooError]) -> None:
    """Refuse what is nested too deep, and numbers that no field of ours holds."""
    level = [value]
    for _ in range(DEEPEST):
        inner: list[Any] = []
        for item in level:
            if isinstance(item, float) and not math.isfinite(item):
                raise error(f"{where}: damaged (a number that is not finite); give the file as it was written")
            if isinstance(item, int) and abs(item) >= LARGEST:
                raise error(f"{where}: damaged (a number beyond 64 bits); give the file as it was written")
            inner += item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
        if not inner:
            return
        level = inner
    raise error(f"{where}: damaged (nested deeper than {DEEPEST} levels); give the file as it was written")


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} twice")
    return found


def to_json(value: Any) -> str:
    """The value as indented JSON text.

    NaN and infinity become null, and objects of types that JSON does not have are written as strings.
    """
    return json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False, default=str)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:  # a scalar of numpy or torch
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def build(kind: type[Kind], raw: Any, where: str) -> Kind:
    """Build a dataclass from parsed JSON. Its fields may be dataclasses, unions with None, tuples, literals and dicts.

    Args:
        kind: The dataclass.
        raw: What ``json.loads`` gave.
        where: Name of the file or object, for error messages.

    Raises:
        BadEntry: A key is missing or unknown, or a value has another type; the message names the place.
    """
    return typing.cast(Kind, _value(kind, raw, where))


def _value(kind: Any, raw: Any, where: str) -> Any:
    """Check that ``raw`` is of ``kind`` (a dataclass, union, tuple, literal, dict or plain type), and convert it."""
    if is_dataclass(kind):
        return _fields(kind, raw, where)
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return None if raw is None else _value(next(a for a in args if a is not type(None)), raw, where)
    if origin is Literal:
        if raw not in args:
            raise BadEntry(f"{where} is {raw!r}; it must be one of {', '.join(map(str, args))}")
        return raw
    if origin is tuple:
        fixed = args if args[-1] is not Ellipsis else args[:1] * len(raw if isinstance(raw, list) else ())
        if not isinstance(raw, list) or len(raw) != len(fixed):
            raise BadEntry(f"{where} is {raw!r}; it must be a list" + (f" of {len(fixed)}" if fixed else ""))
        return tuple(_value(a, value, f"{where}[{i}]") for i, (a, value) in enumerate(zip(fixed, raw, strict=True)))
    plain = origin or kind
    accepted = (int, float) if plain is float else plain
    if not isinstance(raw, accepted) or (isinstance(raw, bool) and plain is not bool):
        raise BadEntry(f"{where} is {raw!r}; it must be of type {plain.__name__}")
    return float(raw) if plain is float else raw


def _fields(kind: Any, raw: Any, where: str) -> Any:
    known = {field.name: field.type for field in fields(kind)}
    if not isinstance(raw, Mapping):
        raise BadEntry(f"{where} is {raw!r}; it must be an object with the keys {', '.join(known)}")
    missing, unknown = sorted(known.keys() - raw.keys()), sorted(raw.keys() - known.keys())
    if missing or unknown:
        parts = [f"misses {', '.join(missing)}"] * bool(missing) + [f"has unknown {', '.join(unknown)}"] * bool(unknown)
        raise BadEntry(f"{where}: {' and '.join(parts)}; its keys are exactly: {', '.join(known)}")
    return kind(**{key: _value(known[key], raw[key], f"{where}: {key}") for key in known})
