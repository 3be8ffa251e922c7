"""What a room offers is what its files list in ``__all__``: nothing is registered by hand."""

from collections.abc import Callable
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from omlzoo.errors import UnknownName

__all__ = ["exports", "find", "names"]


def names(room: str) -> dict[str, Any]:
    """Everything that the files of ``omlzoo.<room>`` list in their ``__all__``, by name."""
    found: dict[str, Any] = {}
    folder = import_module(f"omlzoo.{room}")
    for info in iter_modules(folder.__path__, f"{folder.__name__}."):
        module = import_module(info.name)
        for name in module.__all__:
            if name in found:
                raise ImportError(f"{name} is defined in {found[name].__module__} and in {info.name}")
            found[name] = getattr(module, name)
    return found


def find(room: str, name: str) -> Any:
    """The one thing of that name in ``omlzoo.<room>``.

    Raises:
        UnknownName: The room has no such name; near ones are suggested.
    """
    known = names(room)
    if name not in known:
        raise UnknownName(f"omlzoo.{room}", name, known)
    return known[name]


def exports(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The ``__getattr__`` and ``__dir__`` of a room, so that ``from omlzoo.losses import TripletLoss`` works."""
    room = package.removeprefix("omlzoo.")

    def __getattr__(name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            return find(room, name)
        except UnknownName as error:
            raise AttributeError(str(error)) from None

    def __dir__() -> list[str]:
        return sorted(names(room))

    return __getattr__, __dir__
