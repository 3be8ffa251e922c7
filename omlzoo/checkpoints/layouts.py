"""Recognising the layout of a foreign checkpoint from its keys, and giving its tensors the keys of the zoo."""

from collections.abc import Collection, Container, Mapping
from fnmatch import fnmatchcase
from typing import Any

import torch

from omlzoo import catalog
from omlzoo.checkpoints import key_renames
from omlzoo.checkpoints.entry import Entry
from omlzoo.checkpoints.layout_table import LAYOUTS, PLAIN, TIMM, Layout
from omlzoo.errors import UnknownName, WeightsMismatch

__all__ = [
    "LAYOUTS",
    "TIMM",
    "Layout",
    "check_count",
    "convert",
    "convert_state",
    "fitting",
    "kept_keys",
    "of_timm",
    "prefix_of",
    "tensors_of",
]

MOST = 50_000  # keys of a state dict


def convert(raw: Mapping[str, Any], layout: str, name: str) -> key_renames.State:
    """Convert a foreign checkpoint to a state dict with the keys of the zoo.

    Tensors are passed on without a copy, except those that a layout joins or transposes.

    Args:
        raw: The content of the file.
        layout: Name of the file's layout, one of LAYOUTS.
        name: Name of the file, for error messages.

    Raises:
        UnknownName: There is no such layout.
        WeightsMismatch: The file does not have that layout.
    """
    if layout not in LAYOUTS:
        raise UnknownName("omlzoo.checkpoints.layouts", layout, LAYOUTS)
    state = _unwrap(raw, LAYOUTS[layout]) or tensors_of(raw)
    if not state:
        raise WeightsMismatch(f"{name}: it has no tensors where layout {layout} has them; found {_first(raw, 3)}")
    return convert_state(state, layout, name)


def convert_state(
    state: Mapping[str, torch.Tensor], layout: str, name: str, wanted: Container[str] = ()
) -> key_renames.State:
    """Convert a state dict, as :func:`convert` does with what it finds in a file.

    Args:
        state: The state dict.
        layout: Name of its layout, one of LAYOUTS.
        name: Name of the file, for error messages.
        wanted: Keys of the model. What the layout drops is kept if it is among them.

    Raises:
        UnknownName: There is no such layout.
        WeightsMismatch: The state dict does not have that layout.
    """
    if layout not in LAYOUTS:
        raise UnknownName("omlzoo.checkpoints.layouts", layout, LAYOUTS)
    rule = LAYOUTS[layout]
    if prefix_of(state, rule) is None:
        prefixes = " or ".join(filter(None, rule.prefixes)) or "anything"
        raise WeightsMismatch(f"{name}: no key starts with {prefixes} as layout {layout} has; found {_first(state, 3)}")
    kept = kept_keys(state, rule, wanted)
    renamed = {new: state[key] for key, new in kept.items()}
    if len(renamed) < len(kept):
        raise WeightsMismatch(f"{name}: two keys become one in layout {layout}; it is another one, or a mixed file")
    try:
        return rule.finish(renamed) if rule.finish else renamed
    except (KeyError, IndexError, TypeError, ValueError, RuntimeError) as error:
        if isinstance(error, WeightsMismatch):
            raise
        said = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise WeightsMismatch(f"{name}: its tensors are not those of layout {layout} ({said})") from error


def of_timm(raw: Mapping[str, Any], entry: Entry, names: Collection[str]) -> key_renames.State:
    """The weights of an entry of timm's from a file of the layout "timm", without what the model does not have.

    Args:
        raw: The content of the file.
        entry: The entry, whose arch is "timm:NAME".
        names: The keys of the model's state dict.

    Raises:
        WeightsMismatch: The file holds no tensors.
    """
    translated = catalog.shared("models._timm", "translated")
    state = convert(raw, TIMM, entry.name)
    found: key_renames.State = translated(entry.arch.partition(":")[2], entry.arch_args, state, names)
    return found


def kept_keys(state: Collection[str], rule: Layout, wanted: Container[str] = ()) -> dict[str, str]:
    """The keys of a state dict that a layout keeps, with their new names.

    Args:
        state: The keys.
        rule: The layout.
        wanted: New names that are kept although the layout drops them.
    """
    prefix = prefix_of(state, rule)
    if prefix is None:
        return {}
    inner = {key: key.removeprefix(prefix) for key in state if key.startswith(prefix)}
    new = {key: key_renames.renamed(bare, rule.rename) for key, bare in inner.items()}
    return {key: new[key] for key, bare in inner.items() if new[key] in wanted or not _matches([bare], rule.drop)}


def fitting(state: Collection[str], container: str | None, usual: bool) -> list[str]:
    """The layouts that the keys of a state dict have.

    Args:
        state: The keys.
        container: Name of the dict of the file that holds them; None if it is the file itself.
        usual: Whether to give the layouts of such a container and then those without one, which have more marks first,
            or all the others.
    """
    ranks = [
        (
            0 if container is not None and container in rule.containers else 1 if PLAIN in rule.containers else 2,
            rule,
            name,
        )
        for name, rule in LAYOUTS.items()
        if rule.marks and _fits(state, rule)
    ]
    found = sorted((rank, -len(rule.marks), name) for rank, rule, name in ranks if (rank < 2) == usual)
    return [name for _, _, name in found]


def check_count(raw: Mapping[str, Any], name: str) -> None:
    """Check that a file has not more keys than any checkpoint.

    Args:
        raw: The content of the file.
        name: Name of the file, for the error message.

    Raises:
        WeightsMismatch: It has.
    """
    if any(len(inner) > MOST for inner in (raw, *raw.values()) if isinstance(inner, Mapping)):
        raise WeightsMismatch(f"{name}: it has more than {MOST:,} keys, as no checkpoint has")


def tensors_of(inner: Mapping[Any, Any]) -> key_renames.State:
    """The tensors of a dict by their keys."""
    return {key: value for key, value in inner.items() if isinstance(key, str) and isinstance(value, torch.Tensor)}


def _first(keys: Collection[object], count: int) -> str:
    return ", ".join(sorted(map(str, keys))[:count]) or "nothing"


def _unwrap(raw: Mapping[str, Any], rule: Layout) -> key_renames.State:
    containers = (raw if key == PLAIN else raw.get(key) for key in rule.containers)
    return tensors_of(next((inner for inner in containers if isinstance(inner, Mapping)), {}))


def prefix_of(state: Collection[str], rule: Layout) -> str | None:
    """The prefix of a layout that keys of a state dict have, the first of several; None if they have none.

    Args:
        state: The keys.
        rule: The layout.
    """
    return next((p for p in rule.prefixes if any(key.startswith(p) for key in state)), None)


def _matches(keys: Collection[str], patterns: Collection[str]) -> bool:
    return any(fnmatchcase(key, pattern) for pattern in patterns for key in keys)


def _fits(keys: Collection[str], rule: Layout) -> bool:
    return not _matches(keys, rule.absent) and all(_marked(keys, mark.split("|"), rule) for mark in rule.marks)


def _marked(keys: Collection[str], marks: Collection[str], rule: Layout) -> bool:
    prefixes = {*rule.prefixes, "", "module."}
    patterns = {p + mark.removeprefix("*") for mark in marks for p in (prefixes if mark.startswith("*") else [""])}
    return _matches(keys, patterns)
