"""State dicts inside what training scripts put around them: dicts inside dicts, and prefixes before every key."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from omlzoo.checkpoints import layouts
from omlzoo.checkpoints.key_renames import State
from omlzoo.errors import UnknownName, WeightsMismatch

__all__ = ["Part", "Reading", "readings", "unreadable"]

WRAPPERS = (  # names of a dict or a prefix, those that are taken first before the others
    "state_dict", "model_state_dict", "model", "module", "_orig_mod", "net", "network", "teacher", "target_encoder",
    "backbone", "encoder", "base_encoder", "encoder_q", "extractor", "feature_extractor", "body", "student",
    "model_ema", "ema_model", "ema", "module_ema",
)  # fmt: skip
AVERAGES = re.compile(r"(?:^|_)ema(?:_|$)")  # names of running averages, which are taken only if there is nothing else
BESIDE = re.compile(  # what training adds beside a network: heads, second networks, losses and measurements
    r"(?:heads?|fc|\w*classifier|classification_head|criterion|loss\w*|\w+_loss|\w*projector|\w*projection_heads?|"
    r"\w*predictor|\w*prediction_head|\w*_heads?|prototypes?\w*|queue\w*|momentum_\w+|encoder_k|\w*teacher\w*|\w*student\w*|"
    r"target_\w+|online_\w+|ema|ema_\w+|\w+_ema|decoder\w*|mask_token|\w*metrics?|\w*acc|\w*accuracy|center|n_averaged)"
    r"(?:\.|\d*$)"
)
DEEPEST = 6  # dicts and prefixes inside each other
MOST_DICTS, MOST_PARTS = 1000, 100
SHOWN = 5  # names in a message
TWO_TOWERS = ("clip", "open_clip_timm")  # layouts beside whose network lies one for texts


@dataclass(frozen=True)
class Part:
    """A state dict of a file.

    Attributes:
        key: Names of the dicts and prefixes around it, with dots between them; empty for the file itself.
        container: Name of the dict that it is; None if it is the file, or if a prefix was removed.
        state: Its tensors by their keys.
        beside: Keys beside it that were left behind with the prefixes.
    """

    key: str
    container: str | None
    state: State
    beside: tuple[str, ...] = ()

    def within(self, key: str) -> bool:
        """Whether it is the state dict of that name, or lies in it."""
        return f".{key}." in f".{self.key}."


@dataclass(frozen=True)
class Reading:
    """One way to read a file: a state dict of it, and a layout that its keys have.

    Attributes:
        part: The state dict.
        layout: Name of the layout.
        others: Names of the file's other state dicts.
    """

    part: Part
    layout: str
    others: tuple[str, ...]

    def state(self, name: str, wanted: Collection[str] = ()) -> State:
        """The tensors with the keys of the zoo.

        Args:
            name: Name of the file, for error messages.
            wanted: Keys of the model. A head that is among them belongs to the model and is kept.

        Raises:
            WeightsMismatch: The tensors are not those of the layout.
        """
        return layouts.convert_state(self.part.state, self.layout, name, wanted)

    def unexplained(self) -> tuple[str, ...]:
        """Keys beside the network that are nothing which training adds, and may be a part of it."""
        prefix = layouts.prefix_of(self.part.state, layouts.LAYOUTS[self.layout]) or ""
        beside = [key.removeprefix("module.") for key in self.part.state if not key.startswith(prefix)]
        if self.layout in TWO_TOWERS:
            beside = []
        return tuple(key for key in (*self.part.beside, *beside) if not BESIDE.match(key))

    def account(self, wanted: Collection[str] = ()) -> str:
        """A sentence each for what was taken, what else the file has and what was left out; empty without any.

        Args:
            wanted: Keys of the model, as in :meth:`state`.
        """
        taken = layouts.kept_keys(self.part.state, layouts.LAYOUTS[self.layout], wanted)
        left = [*self.part.beside, *(key for key in self.part.state if key not in taken)]
        kinds = dict.fromkeys(_kind(key) for key in left)
        sentences = [f"Taken from {self.part.key}."] if self.part.key else []
        if self.others:
            sentences.append(f"Also in the file: {_listed(self.others)}; omlzoo convert --key NAME takes another.")
        if left:
            count = f"{len(left)} tensor{'s' * (len(left) != 1)}"
            sentences.append(f"Left out: {_listed(tuple(kinds))} ({count}).")
        return " ".join(sentences)


def readings(raw: Mapping[str, Any], name: str, key: str | None = None, layout: str | None = None) -> Iterator[Reading]:
    """The ways to read a file, the most usual one first.

    A running average of the weights comes after the weights, a student after its teacher.

    Args:
        raw: The content of the file.
        name: Name of the file, for error messages.
        key: Name of the state dict to take, with or without the names around it; None takes any.
        layout: Name of the layout; None recognises it.

    Raises:
        UnknownName: The file has no such state dict.
        WeightsMismatch: The file has more keys than any checkpoint.
    """
    layouts.check_count(raw, name)
    every = list(islice(_parts(raw), MOST_PARTS))
    parts = [part for part in every if key is None or part.within(key)]
    if not parts and every and key is not None:
        raise UnknownName(f"{name}: the file", key, [part.key for part in every if part.key])
    return (each for each in _fitting(parts, every, layout) if key is not None or not each.unexplained())


def unreadable(raw: Mapping[str, Any], name: str) -> WeightsMismatch:
    """The error for a file without any reading, which says what it has.

    Args:
        raw: The content of the file.
        name: Name of the file.
    """
    every = list(islice(_parts(raw), MOST_PARTS))
    for reading in _fitting(every, every, None):
        beside = _listed(reading.unexplained())
        prefix = layouts.prefix_of(reading.part.state, layouts.LAYOUTS[reading.layout]) or ""
        key = f"{reading.part.key}.{prefix}".strip(".")
        return WeightsMismatch(
            f"{name}: {beside} lies beside {key} and may belong to the network; --key {key} takes that part alone"
        )
    inner = every[0] if every and every[0].key else None
    shown = ", ".join(sorted(map(str, inner.state if inner else raw))[:4]) or "nothing"
    where = f" in {inner.key}" if inner else ""
    known = ", ".join(sorted(layouts.LAYOUTS))
    return WeightsMismatch(f"{name}: fits none of {known}; its first keys{where} are {shown}")


def _fitting(parts: list[Part], every: list[Part], layout: str | None) -> Iterator[Reading]:
    """Every part in the layouts of its own container, then every part in any layout."""
    for usual in (True, False):
        for part in parts:
            names = layouts.fitting(part.state, part.container, usual) if layout is None else [layout] * usual
            for fitting in names:
                yield Reading(part, fitting, _others(part, every))


def _parts(raw: Mapping[str, Any]) -> Iterator[Part]:
    """Every state dict of a file: its dicts in order, and each of them without the prefixes that its keys have."""
    for path, container, inner in islice(_dicts(raw, "", None, 0), MOST_DICTS):
        state = layouts.tensors_of(inner)
        if any("." in key for key in state):
            yield from _peeled(Part(path, container, state), 0)


def _dicts(raw: Mapping[str, Any], path: str, name: str | None, deep: int) -> Iterator[tuple[str, str | None, Any]]:
    yield path, name, raw
    inner = [key for key, value in raw.items() if isinstance(key, str) and isinstance(value, Mapping)]
    if deep < DEEPEST:
        for key in sorted(inner, key=_rank):
            yield from _dicts(raw[key], f"{path}.{key}".lstrip("."), key, deep + 1)


def _rank(name: str) -> int:
    known = WRAPPERS.index(name) if name in WRAPPERS else len(WRAPPERS)
    return known + len(WRAPPERS) * 2 * bool(AVERAGES.search(name))


def _peeled(part: Part, deep: int) -> Iterator[Part]:
    yield part
    for wrapper in WRAPPERS if deep < DEEPEST else ():
        prefix = f"{wrapper}."
        inside = {key.removeprefix(prefix): value for key, value in part.state.items() if key.startswith(prefix)}
        if inside:
            beside = tuple(key for key in part.state if not key.startswith(prefix))
            path = f"{part.key}.{wrapper}".lstrip(".")
            yield from _peeled(Part(path, None, inside, (*part.beside, *beside)), deep + 1)


def _others(taken: Part, every: list[Part]) -> tuple[str, ...]:
    """Names of the state dicts that neither contain the taken one nor lie in it, the outermost of them."""
    others = [
        part.key
        for part in every
        if part.key
        and not f"{taken.key}.".startswith(f"{part.key}.")
        and not f"{part.key}.".startswith(f"{taken.key}." if taken.key else "")
    ]
    outermost = [key for key in others if not any(f"{key}.".startswith(f"{one}.") and key != one for one in others)]
    return tuple(dict.fromkeys(outermost))


def _kind(key: str) -> str:
    """What a key that was left out belongs to: the name before the first dot that is no wrapper.

    A table that is no layer, such as the camera embeddings of a network for persons, is called by its own name.
    """
    names = key.split(".")
    if names[-1].endswith(("_embed", "_token")):
        return names[-1]
    return next((each for each in names[:-1] if each not in ("module", "_orig_mod", "model")), names[0])


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
