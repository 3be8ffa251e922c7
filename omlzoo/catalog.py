"""The catalog of shelves. A shelf offers what its files list in ``__all__``; nothing is registered by hand.

A *shelf* is a folder of files that each offer one or more things of a kind, such as losses. Files whose names begin
with ``_`` hold code that the others share, and offer nothing.
"""

import os
import re
import sys
from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from inspect import Parameter, signature
from pkgutil import iter_modules
from typing import Any

from omlzoo.errors import BadInput, MissingExtra, UnknownName

__all__ = ["ACTS", "ROOMS", "SHELVES", "described", "exports", "find", "lazy", "names", "offers", "optional", "shared"]

# What ``omlzoo`` itself offers, with the module that has it.
ACTS = {
    "list_models": "zoo.registry",
    "get_model": "zoo.registry",
    "get_weights": "zoo.registry",
    "get_text_model": "zoo.text_model",
    "recommend": "zoo.recommending",
    "Weights": "checkpoints.weights",
    "embed": "embedding.extraction",
    "embed_shards": "embedding.extraction",
    "Embeddings": "embedding.embeddings",
    "load_embeddings": "embedding.shards",
    "calibrate": "evaluation.calibration_fit",
    "build_index": "index.build",
    "open_index": "index.build",
    "evaluate": "evaluation.evaluation",
    "split_table": "evaluation.held_out",
    "finetune": "training",
    "pretrain": "training",
    "distil": "training",
    "batches": "training",
    "whiten": "embedding.whitening",
    "wrap": "zoo.wrapping",
    "ensemble": "zoo.joining",
    "export": "zoo.exporting",
    "pack": "zoo.packing",
}
SHELVES = (
    "curation",
    "data.sources",
    "embedding.engines",
    "index.backends",
    "losses",
    "metrics",
    "miners",
    "models",
    "objectives",
    "rerank",
    "samplers",
)
GROUPS = {"index.backends": "omlzoo.backends"}  # entry points by which installed packages add to a shelf
ROOMS = tuple(shelf for shelf in SHELVES if "." not in shelf)
OFFERED = re.compile(r"^__all__ = (\[.*?\])", re.MULTILINE | re.DOTALL)
QUOTED = re.compile(r"""["'](\w+)["']""")

# What packages send unasked: onnxruntime from 1.29 on writes a device id and looks up its maker's host, the others are
# turned off by the switch that their documentation names. docs/security.md lists them.
REPORTS_OFF = {
    "mlflow": {"MLFLOW_DISABLE_TELEMETRY": "true"},
    "onnxruntime": {"ORT_DISABLE_TELEMETRY": "1"},
    "nncf": {"NNCF_CI": "1"},
    "ray": {"RAY_USAGE_STATS_ENABLED": "0"},
    "wandb": {"WANDB_ERROR_REPORTING": "false"},
}
# OpenVINO has no switch that was found to work: without this package it has nothing to report with, and goes on.
REPORTERS = {"openvino": "openvino_telemetry", "nncf": "openvino_telemetry"}


def offers(shelf: str) -> dict[str, str]:
    """The names that ``omlzoo.<shelf>`` offers, with the module that defines each. No module is imported for that.

    Raises:
        ImportError: Two modules define the same name.
    """
    homes: dict[str, str] = {}
    folder = import_module(f"omlzoo.{shelf}")
    for info in iter_modules(folder.__path__, f"{folder.__name__}."):
        if info.name.rpartition(".")[2].startswith("_"):
            continue
        for name in _offered(info.name):
            if name in homes:
                raise ImportError(f"{name} is defined in {homes[name]} and in {info.name}")
            homes[name] = info.name
    return homes


def _offered(module: str) -> list[str]:
    """The ``__all__`` of a module as its source has it; of one without a source, as it is once imported."""
    spec = find_spec(module)
    source = getattr(spec and spec.loader, "get_source", lambda _: None)(module)
    listed = OFFERED.search(source or "")
    return QUOTED.findall(listed[1]) if listed else list(import_module(module).__all__)


def names(shelf: str) -> dict[str, Any]:
    """All objects that the files of ``omlzoo.<shelf>`` list in their ``__all__``, by name."""
    return {name: getattr(import_module(home), name) for name, home in offers(shelf).items()}


def find(shelf: str, name: str) -> Any:
    """The object of that name in ``omlzoo.<shelf>`` or, where others may add to it, of an entry point of its group.

    Args:
        shelf: Name of the shelf, one of SHELVES, such as "losses".
        name: Name of the object, such as "TripletLoss". What is ours stays so, whatever others offer.

    Raises:
        UnknownName: The shelf has no such name; similar names are suggested.
        BadInput: Another package's cannot be loaded, or two offer it.
    """
    known = offers(shelf)
    if name in known:
        return getattr(import_module(known[name]), name)
    others = _installed(GROUPS[shelf]) if shelf in GROUPS else {}
    if name not in others:
        raise UnknownName(f"omlzoo.{shelf}", name, [*known, *others])
    try:
        return others[name].load()
    except Exception as error:  # of another package's code
        raise BadInput(
            f"{name!r} of {_origin(others[name])} cannot be loaded ({type(error).__name__}: {error}); update or "
            "uninstall that package"
        ) from error


def _installed(group: str) -> dict[str, Any]:
    """The entry points of a group by their names, which installed distributions offer. None of them is loaded.

    Raises:
        BadInput: Two distributions offer the same name for different things.
    """
    from importlib.metadata import entry_points  # takes a while, and most names are ours

    found: dict[str, Any] = {}
    for point in entry_points(group=group):
        other = found.setdefault(point.name, point)
        if other.value != point.value:
            raise BadInput(f"{point.name!r} is offered by {_origin(other)} and by {_origin(point)}; uninstall one")
    return found


def _origin(point: Any) -> str:
    """The distribution of an entry point, or what it names where that is not known."""
    return str(point.value if point.dist is None else point.dist.name)


def shared(file: str, name: str) -> Any:
    """What a file of a shelf holds that the others share, for rooms that know its offers by name alone.

    Args:
        file: The file, such as "models._architecture".
        name: Name of the object.
    """
    return getattr(import_module(f"omlzoo.{file}"), name)


def exports(
    package: str, shared: Mapping[str, str] | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The ``__getattr__`` and ``__dir__`` of a shelf, so that ``from omlzoo.losses import TripletLoss`` works.

    Args:
        package: Full name of the shelf, such as "omlzoo.losses".
        shared: What users may also import from it although it is no offer, such as the base class of the offers: names
            and the modules that have them. :func:`names` and :func:`find` do not list it.
    """
    shelf = package.removeprefix("omlzoo.")
    return _attributes(package, lambda: {**offers(shelf), **(shared or {})})


def lazy(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The functions ``__getattr__`` and ``__dir__`` of a package that imports its public names when they are used.

    Args:
        package: Full name of the package, such as "omlzoo.training".
        homes: The public names, with the full name of the module that defines each.
    """
    return _attributes(package, partial(dict, homes))


def _attributes(
    package: str, homes: Callable[[], Mapping[str, str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    def __getattr__(name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        known = homes()
        if name not in known:
            raise AttributeError(str(UnknownName(package, name, known)))
        return getattr(import_module(known[name]), name)

    def __dir__() -> list[str]:
        return sorted(homes())

    return __getattr__, __dir__


def optional(module: str, name: str) -> Any:
    """Import a package of an optional extra, what it would report to its makers turned off first.

    The switches are environment variables; one that the user has set stays as it is. A package that only reports is
    kept from being imported, unless the user has.

    Args:
        module: Name of the package or of a module of it.
        name: The extra that installs it.

    Raises:
        MissingExtra: It is not installed.
    """
    package = module.partition(".")[0]
    for switch, value in REPORTS_OFF.get(package, {}).items():
        os.environ.setdefault(switch, value)
    if package in REPORTERS and REPORTERS[package] not in sys.modules:
        sys.modules[REPORTERS[package]] = None  # type: ignore[assignment]  # Python's way to say: not to be imported
    try:
        return import_module(module)
    except ImportError as error:
        raise MissingExtra(package, name) from error


def described(thing: object, **texts: str) -> str:
    """The constructor call that makes such an object, on one line, for its ``__repr__``.

    Each constructor argument is shown with the value of the attribute of the same name. Left out are arguments without
    such an attribute, and those that still have their default where it is None, False or an empty tuple. An array is
    shown by the name of its class alone.

    Args:
        thing: The object.
        texts: What to show for arguments whose value is kept under another name; an empty text leaves the argument
            out. Names that the constructor does not take are passed over, so that a base class can give the texts of
            all its subclasses.
    """
    shown = []
    for name, parameter in signature(type(thing)).parameters.items():
        if parameter.kind in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD):
            continue
        text = texts[name] if name in texts else _setting(getattr(thing, name, None), parameter.default)
        if text and (name in texts or hasattr(thing, name)):
            shown.append(f"{name}={text}")
    call = f"{type(thing).__name__}({', '.join(shown)})"
    return " ".join(call.split()) if "\n" in call else call


def _setting(value: Any, default: Any) -> str:
    """The text of an attribute's value; empty where it is the default and says nothing."""
    if hasattr(value, "shape"):
        return f"<{type(value).__name__}>"
    nothing = value is None or value is False or value == ()
    return "" if nothing and value == default else repr(value)
