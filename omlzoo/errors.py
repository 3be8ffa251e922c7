"""The errors and the warning of omlzoo: a message says what, the value, the rule and the remedy."""

import sys
import warnings
from collections.abc import Collection, Sequence
from difflib import SequenceMatcher, get_close_matches

__all__ = [
    "BadEntry",
    "BadImage",
    "BadInput",
    "BadTable",
    "MissingExtra",
    "OmlzooError",
    "OmlzooWarning",
    "UnknownName",
    "WeightsMismatch",
    "WeightsUnavailable",
    "notice",
]


SHOWN = 12  # names in a message
SLACK = 0.1  # a suggestion this much less alike than the best one is left out


class OmlzooError(Exception):
    """The root of all errors that a user can mend."""


class OmlzooWarning(UserWarning):
    """Something was skipped, replaced or not verified; it is said once."""


class UnknownName(OmlzooError, LookupError):
    """A name that the zoo, a room or a list of settings does not have."""

    def __init__(self, where: str, name: str, known: Collection[str]) -> None:
        near = get_close_matches(name, known, n=3)
        best = max((_likeness(name, other) for other in near), default=0.0)
        near = [other for other in near if _likeness(name, other) > best - SLACK]
        shown = ", ".join(sorted(known)[:SHOWN]) + (f" and {len(known) - SHOWN} more" if len(known) > SHOWN else "")
        hint = f"did you mean {', '.join(near)}?" if near else f"it has {shown}"
        super().__init__(f"{where} has no {name!r}; {hint}")


class BadInput(OmlzooError, ValueError):
    """A value that breaks a stated rule."""


class BadEntry(OmlzooError, ValueError):
    """A manifest file or entry.json that does not follow the schema."""


class BadImage(OmlzooError, ValueError):
    """A picture that cannot be used: unreadable, truncated, too large, or its box lies outside."""


class BadTable(OmlzooError, ValueError):
    """A table with faults; ``faults`` has them all, the message too."""

    def __init__(self, name: str, faults: Sequence[object]) -> None:
        self.faults = list(faults)
        count = f"{len(self.faults)} fault{'s' if len(self.faults) != 1 else ''}"
        super().__init__("\n  ".join([f"{name}: {count}", *map(str, self.faults)]))


class WeightsUnavailable(OmlzooError, OSError):
    """Weights that cannot be fetched, or whose bytes are not the promised ones."""


class WeightsMismatch(OmlzooError, ValueError):
    """Weights whose names, shapes or values do not fit the architecture."""


class MissingExtra(OmlzooError, ImportError):
    """A package of an extra that is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed; run: pip install 'omlzoo[{extra}]'")


def notice(text: str) -> None:
    """Say something once, as an :class:`OmlzooWarning` whose place is the first line outside the package.

    Args:
        text: What was skipped, replaced or not verified.
    """
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == __package__:
        frame, level = frame.f_back, level + 1
    warnings.warn(text, OmlzooWarning, stacklevel=level)


def _likeness(name: str, other: str) -> float:
    """From 0 to 1."""
    return SequenceMatcher(None, other, name).ratio()
