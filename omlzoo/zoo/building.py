"""Building the architecture of an entry, which may be a stranger's: it must be the one that the entry describes."""

from collections.abc import Callable, Mapping
from dataclasses import make_dataclass
from functools import partial
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omlzoo import catalog
from omlzoo.checkpoints.entry import Entry
from omlzoo.errors import BadEntry, OmlzooError
from omlzoo.jsonio import build

if TYPE_CHECKING:
    from torch import Tensor

    from omlzoo.models._extractor import Extractor

__all__ = ["build_model", "build_with", "check_room", "with_arguments"]

LEAST = 2  # bytes of a number in a file of weights


def build_model(entry: Entry, blank: bool) -> "Extractor":
    """Build the architecture of an entry.

    Args:
        entry: The entry.
        blank: Whether to skip random initialisation, for weights that are loaded afterwards.

    Raises:
        UnknownName: There is no such architecture.
        BadEntry: The arguments do not suit the architecture, or dim or params are not those of the model.
    """
    make = partial(catalog.find("models", entry.arch), normalize=entry.normalize)
    where = f"{entry.name}: arch_args of {entry.arch}"
    model: Extractor = with_arguments(make, entry.arch_args, entry.params, where, blank)
    for key, value in {"dim": model.dim, "params": sum(each.numel() for each in model.parameters())}.items():
        if value != getattr(entry, key):
            raise BadEntry(
                f"{entry.name}: {key} is {getattr(entry, key):,}; {entry.arch} with its arguments has {value:,}"
            )
    return model


def build_with(entry: Entry, state: "Mapping[str, Tensor]") -> "Extractor":
    """Build the architecture of an entry with weights, in eval mode.

    Args:
        entry: The entry.
        state: The weights, with the keys of the model.

    Raises:
        UnknownName: There is no such architecture.
        BadEntry: The arguments do not suit the architecture, or dim or params are not those of the model.
        WeightsMismatch: The weights do not fit the architecture.
    """
    from omlzoo.checkpoints.state_dict import load_into
    from omlzoo.checkpoints.weights import Weights

    model = build_model(entry, blank=True)
    load_into(model, model.state_dict(), state, entry.name, entry.arch)
    model.weights = Weights(entry)
    return model.eval()


def with_arguments(make: Callable[..., Any], arguments: Mapping[str, Any], params: int, where: str, blank: bool) -> Any:
    """What a function of an architecture makes of arguments that are in an entry.

    Args:
        make: The function.
        arguments: Its arguments by name.
        params: The number of parameters that the entry states; building one with many more is stopped.
        where: What the arguments are, for error messages.
        blank: Whether to skip random initialisation, for weights that are loaded afterwards.

    Raises:
        BadEntry: The function has no such argument, one is of another type, or nothing can be built with them.
    """
    from omlzoo.zoo.bounded import Bounded

    if arguments:
        known = signature(make).parameters
        given = make_dataclass("Arguments", [(key, known[key].annotation) for key in arguments if key in known])
        build(given, dict(arguments), where)
    try:
        with Bounded(params, blank):
            return make(**arguments)
    except OmlzooError:
        raise
    except (TypeError, ValueError, AssertionError, ArithmeticError, RuntimeError, MemoryError) as error:
        said = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise BadEntry(f"{where}: {dict(arguments)} do not suit it: {said}") from error


def check_room(entry: Entry, path: Path) -> None:
    """Check that a file can hold the parameters of an entry, before a model of that size is built.

    Args:
        entry: The entry.
        path: The file of its weights.

    Raises:
        BadEntry: It is too small.
    """
    size = path.stat().st_size
    if entry.params * LEAST > size:
        raise BadEntry(f"{entry.name}: params is {entry.params:,}; {path} of {size:,} bytes cannot hold so many")
