"""Building the architecture of an entry, which may be a stranger's: it must be the one that the entry describes."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import make_dataclass, replace
from functools import partial
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omlzoo.checkpoints.entry import Entry
from omlzoo.errors import BadEntry, BadInput, OmlzooError
from omlzoo.jsonio import build

if TYPE_CHECKING:
    from torch import Tensor

    from omlzoo.models._extractor import Extractor

__all__ = ["build_model", "build_with", "check_module", "check_room", "fitted", "with_arguments"]

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
    from omlzoo.models._architecture import architecture

    make = partial(architecture(entry.arch), normalize=entry.normalize)
    where = f"{entry.name}: arch_args of {entry.arch}"
    model: Extractor = with_arguments(make, entry.arch_args, entry.params, where, blank)
    if "img_size" not in entry.arch_args:
        model.fit(entry.preprocess.crop)
    for key, value in {"dim": model.dim, "params": sum(each.numel() for each in model.parameters()) or 1}.items():
        if value != getattr(entry, key):
            raise BadEntry(
                f"{entry.name}: {key} is {getattr(entry, key):,}; {entry.arch} with its arguments has {value:,}"
            )
    return model


def fitted(model: "Extractor", entry: Entry) -> Entry:
    """Adapt a model with its weights to the images of its entry's preprocessing.

    Args:
        model: The model, changed in place.
        entry: Its entry.

    Returns:
        The entry of the model as it is then.

    Raises:
        BadInput: The model takes no images of that size.
    """
    if not model.fit(entry.preprocess.crop):
        return entry
    arguments = {key: value for key, value in entry.arch_args.items() if key != "img_size"}
    return replace(entry, arch_args=arguments, params=sum(each.numel() for each in model.parameters()))


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
    except (
        TypeError, ValueError, AssertionError, ArithmeticError, RuntimeError, MemoryError, LookupError, AttributeError
    ) as error:  # fmt: skip
        said = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise BadEntry(f"{where}: {dict(arguments)} do not suit it: {said}") from error


def check_module(module: Any, entry: Entry) -> None:
    """Check what the user hands over in place of the class that an entry names.

    Args:
        module: The module, or a class of modules.
        entry: The entry.

    Raises:
        BadInput: It is something else, or the entry names no class.
    """
    from torch import nn

    kind = module if isinstance(module, type) else type(module)
    if not issubclass(kind, nn.Module):
        raise BadInput(f"module is a {kind.__name__}; it must be a torch.nn.Module, or a class of such")
    if not any(
        name.startswith("module:") for name in _architectures({"arch": entry.arch, "arch_args": entry.arch_args})
    ):
        raise BadInput(f"{entry.name} is a {entry.arch}, which needs no module; leave module out")


def _architectures(arguments: Any) -> Iterator[str]:
    """The names of all architectures in arguments, also of those inside others."""
    for key, value in arguments.items() if isinstance(arguments, Mapping) else ():
        if key == "arch":
            yield str(value)
        for inner in value if isinstance(value, list) else [value]:
            yield from _architectures(inner)


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
