"""Writing JSON that every reader accepts, and reading JSON strictly into dataclasses."""

import json
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Literal, TypeVar

from omlzoo.errors import BadEntry

__all__ = ["build", "to_json"]

Kind = TypeVar("Kind")


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
