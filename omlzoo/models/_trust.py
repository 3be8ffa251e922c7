"""Which packages an entry may import a class from. A folder names a class; only the user's word makes it count."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from omlzoo.errors import BadInput

if TYPE_CHECKING:
    from torch import nn

__all__ = ["PROCESS", "Trust", "as_packages", "handed_over", "is_trusted", "trusting"]

Trust = str | Sequence[str] | None

PACKAGE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
PROCESS: set[str] = set()  # trusted by this whole process, as the command line says with --trust
_TRUSTED: ContextVar[tuple[str, ...]] = ContextVar("trusted", default=())
_MODULE: ContextVar["nn.Module | type[nn.Module] | None"] = ContextVar("module", default=None)


def as_packages(trust: Trust) -> tuple[str, ...]:
    """The packages that a user names.

    Args:
        trust: One name such as "mypackage" or "mypackage.nets", several, or None.

    Raises:
        BadInput: It is no name; to trust everything is not possible.
    """
    named = (trust,) if isinstance(trust, str) else () if trust is None else trust
    if not isinstance(named, Sequence) or not all(isinstance(name, str) and PACKAGE.fullmatch(name) for name in named):
        raise BadInput(f"trust is {trust!r}; it must name the package that may be imported, such as 'mypackage'")
    return tuple(named)


@contextmanager
def trusting(trust: Trust, module: "nn.Module | type[nn.Module] | None" = None) -> Iterator[None]:
    """A context in which models are built from classes of some packages, or from a module that is handed over.

    Args:
        trust: Names of packages.
        module: A module, or a class of modules, that stands in for the class that an entry names.

    Raises:
        BadInput: ``trust`` is no name of a package.
    """
    trusted, handed = _TRUSTED.set(as_packages(trust)), _MODULE.set(module)
    try:
        yield
    finally:
        _TRUSTED.reset(trusted)
        _MODULE.reset(handed)


def handed_over() -> "nn.Module | type[nn.Module] | None":
    """The module or class that the user handed over, or None."""
    return _MODULE.get()


def is_trusted(path: str) -> bool:
    """Whether the user named the package of a class, its module, or the class itself.

    Args:
        path: Import path of the class, "package.module.Class".
    """
    return any(path == name or path.startswith(f"{name}.") for name in (*_TRUSTED.get(), *PROCESS))
