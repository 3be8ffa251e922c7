"""The errors and the warning of omlzoo. A message states what is wrong, the value, the rule and the remedy."""

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
    "counted",
    "notice",
]


SHOWN = 12  # number of known names that a message lists
SLACK = 0.1  # a suggestion is left out if its similarity is lower than the best by this or more


class OmlzooError(Exception):
    """Base class of all errors of the package that a user can correct."""


class OmlzooWarning(UserWarning):
    """A warning that something was skipped, replaced or not verified."""


class UnknownName(OmlzooError, LookupError):
    """A name that the zoo, a shelf or a list of settings does not have.

    Args:
        where: What does not have the name, for the message.
        name: The unknown name.
        known: All names that exist. The message suggests those most similar to ``name``, or lists the first ones.
    """

    def __init__(self, where: str, name: str, known: Collection[str]) -> None:
        near = get_close_matches(name, known, n=3)
        best = max((_likeness(name, other) for other in near), default=0.0)
        near = [other for other in near if _likeness(name, other) > best - SLACK]
        shown = ", ".join(sorted(known)[:SHOWN]) + (f" and {len(known) - SHOWN} more" if len(known) > SHOWN else "")
        hint = f"did you mean {', '.join(near)}?" if near else f"it has {shown}"
        super().__init__(f"{where} has no {name!r}; {hint}")


class BadInput(OmlzooError, ValueError):
    """An argument whose value is not allowed."""


class BadEntry(OmlzooError, ValueError):
    """A manifest file or entry.json that does not follow the schema."""


class BadImage(OmlzooError, ValueError):
    """A picture that cannot be used because it is unreadable, truncated or too large, or its box lies outside."""


class BadTable(OmlzooError, ValueError):
    """A table with faults.

    Args:
        name: Name of the table.
        faults: All faults. Where they have ``lines``, the message has those, one for each distinct fault.

    Attributes:
        faults: The same faults. A table of millions of rows may have as many: each is made when it is asked for.
        listed: How many distinct faults the message lists; the others are counted.
    """

    listed = 1000

    def __init__(self, name: str, faults: Sequence[object]) -> None:
        self.faults = faults
        grouped = getattr(faults, "lines", None)
        listed = [str(fault) for _, fault in zip(range(self.listed), faults, strict=False)] if grouped is None else []
        more = [f"and {len(faults) - self.listed:,} more"] * (len(faults) > self.listed)
        count = f"{len(faults)} fault{'s' if len(faults) != 1 else ''}"
        lines = [*listed, *more] if grouped is None else grouped(self.listed)
        super().__init__("\n  ".join([f"{name}: {count}", *lines]))


class WeightsUnavailable(OmlzooError, OSError):
    """Weights that cannot be fetched, or whose content is not that of the entry."""


class WeightsMismatch(OmlzooError, ValueError):
    """Weights whose names, shapes or values do not fit the architecture."""


class MissingExtra(OmlzooError, ImportError):
    """A package of an optional extra that is not installed.

    Args:
        package: Name of the package.
        extra: Name of the extra that installs it.
    """

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed; run: pip install 'omlzoo[{extra}]'")


def counted(number: int, one: str, many: str = "") -> str:
    """A number with its noun, such as "1 picture" and "2,000 pictures".

    Args:
        number: The number.
        one: The noun where there is one.
        many: Where there is another number of them; by default ``one`` with an s.
    """
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def notice(text: str) -> None:
    """Issue an :class:`OmlzooWarning` that is attributed to the first line of the call stack outside the package.

    Args:
        text: What was skipped, replaced or not verified.
    """
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == __package__:
        frame, level = frame.f_back, level + 1
    warnings.warn(text, OmlzooWarning, stacklevel=level)


def _likeness(name: str, other: str) -> float:
    """Similarity of two names, from 0 to 1."""
    return SequenceMatcher(None, other, name).ratio()
