"""Key layouts of foreign checkpoints: how each family's keys become ours, which are timm's.

A layout keeps the keys that start with its prefix, drops what is not the extractor, and renames whole beginnings.
Prefixes are matched at the start of a key, never replaced inside one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import isqrt
from typing import Any

import torch
from torch import Tensor

from omlzoo.errors import UnknownName, WeightsMismatch

__all__ = ["LAYOUTS", "Layout", "convert", "recognise"]

State = dict[str, Tensor]


@dataclass(frozen=True)
class Layout:
    """One family's layout.

    Attributes:
        marks: Patterns that must each match a key, after unwrapping, for the layout to be recognised.
        containers: Keys that hold the state dict, tried in order; none of them means the file is plain.
        prefixes: Beginnings of the wanted keys, tried in order; the first one that any key has is cut off.
        drop: Patterns of keys that are not the extractor's, after the prefix is cut.
        rename: Beginnings of keys and what they become.
        finish: What renaming cannot say.
    """

    marks: tuple[str, ...]
    containers: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ("",)
    drop: tuple[str, ...] = ()
    rename: tuple[tuple[str, str], ...] = ()
    finish: Callable[[State], State] | None = None


def _split_registers(state: State) -> State:
    """timm adds no position to the class token of a model with registers, so its position moves into the token."""
    count = state["pos_embed"].shape[1]
    if "reg_token" in state and isqrt(count - 1) ** 2 == count - 1:  # one more than a square of patches
        state["cls_token"] = state["cls_token"] + state["pos_embed"][:, :1]
        state["pos_embed"] = state["pos_embed"][:, 1:].contiguous()
    return state


LAYOUTS: dict[str, Layout] = {
    "timm_resnet": Layout(marks=("layer4.*", "fc.weight"), drop=("fc.*",)),
    "oml_vit": Layout(
        marks=("*criterion.weight|*model.cls_token",),
        containers=("state_dict",),
        prefixes=("extractor.model.", "module.model.", "model.", ""),
        drop=("criterion.*",),
    ),
    "dino_vit": Layout(marks=("cls_token", "blocks.0.*"), drop=("head.*",)),
    "dino_vit_full": Layout(
        marks=("*backbone.cls_token", "*head.last_layer.*"),
        containers=("teacher",),
        prefixes=("module.backbone.", "backbone."),
    ),
    "dinov2_vit": Layout(
        marks=("cls_token", "mask_token", "blocks.0.ls1.gamma"),
        drop=("mask_token",),
        rename=(("register_tokens", "reg_token"),),
        finish=_split_registers,
    ),
    "moco_resnet": Layout(
        marks=("module.encoder_q.*",),
        containers=("state_dict",),
        prefixes=("module.encoder_q.",),
        drop=("fc.*",),
    ),
}


def convert(raw: Mapping[str, Any], layout: str, name: str) -> State:
    """A foreign checkpoint as a state dict with our keys.

    Args:
        raw: What the file holds.
        layout: A name of LAYOUTS.
        name: Of the file, for messages.

    Raises:
        UnknownName: There is no such layout.
        WeightsMismatch: The file does not have it.
    """
    if layout not in LAYOUTS:
        raise UnknownName("omlzoo.layouts", layout, LAYOUTS)
    rule = LAYOUTS[layout]
    state = _unwrap(raw, rule)
    prefix = next((p for p in rule.prefixes if any(key.startswith(p) for key in state)), None)
    if prefix is None:
        shown = ", ".join(sorted(state)[:3]) or "nothing"
        raise WeightsMismatch(
            f"{name}: no key starts with {' or '.join(rule.prefixes)} as layout {layout} has; found {shown}"
        )
    cut = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    kept = {key: value for key, value in cut.items() if not any(fnmatchcase(key, p) for p in rule.drop)}
    renamed = {_renamed(key, rule): value for key, value in kept.items()}
    return rule.finish(renamed) if rule.finish else renamed


def recognise(raw: Mapping[str, Any], name: str) -> str:
    """The layout whose marks the file has; of several the one with the most marks.

    Raises:
        WeightsMismatch: None fits, or several fit equally well.
    """
    fitting = {key: len(rule.marks) + bool(rule.containers) for key, rule in LAYOUTS.items() if _fits(raw, rule)}
    best = [key for key, count in fitting.items() if count == max(fitting.values())]
    if len(best) != 1:
        found = ", ".join(sorted(map(str, raw))[:4]) or "nothing"
        said = f"fits {' and '.join(best)}" if best else f"fits none of {', '.join(sorted(LAYOUTS))}"
        raise WeightsMismatch(f"{name}: {said}; its first keys are {found}")
    return best[0]


def _unwrap(raw: Mapping[str, Any], rule: Layout) -> State:
    inner: Any = next((raw[key] for key in rule.containers if isinstance(raw.get(key), Mapping)), raw)
    return {key: value for key, value in inner.items() if isinstance(value, torch.Tensor)}


def _fits(raw: Mapping[str, Any], rule: Layout) -> bool:
    keys = list(_unwrap(raw, rule))
    return all(any(fnmatchcase(key, part) for key in keys for part in mark.split("|")) for mark in rule.marks)


def _renamed(key: str, rule: Layout) -> str:
    for old, new in rule.rename:
        if key.startswith(old):
            return new + key.removeprefix(old)
    return key
