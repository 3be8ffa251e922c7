"""The architecture of a name: one of the zoo's, one that timm registers, or a class of the user's own."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from omlzoo import catalog
from omlzoo.models._timm_names import TIMM

if TYPE_CHECKING:
    from omlzoo.models._extractor import Extractor

__all__ = ["architecture"]


def architecture(name: str) -> "Callable[..., Extractor]":
    """The function that builds an architecture.

    Args:
        name: A function of :mod:`omlzoo.models`, "timm:NAME", or "module:package.Class".

    Raises:
        UnknownName: There is no such architecture, here or in timm; similar names are suggested.
    """
    if name.startswith(TIMM):
        from omlzoo.models._timm import timm_body

        return partial(timm_body, name.removeprefix(TIMM))
    if name.startswith("module:"):
        from omlzoo.models._wrapped import MODULE, wrapped

        return partial(wrapped, name.removeprefix(MODULE))
    found: Callable[..., Extractor] = catalog.find("models", name)
    return found
