"""A limit for the numbers that are made while a model is built."""

from collections.abc import Callable
from typing import Any

import torch

from omlzoo.errors import BadEntry
from omlzoo.models._blank import Blank

__all__ = ["Bounded"]

MAKERS = {torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn, torch.arange, torch.linspace,
          torch.eye}  # fmt: skip
SLACK = 100_000_000  # numbers that are no parameters, such as masks and tables of positions


class Bounded(Blank):
    """A context in which so many new numbers end with an error that no model of that many parameters has them.

    Args:
        params: The number of parameters that the model is said to have.
        blank: Whether functions that initialise a parameter in place do nothing, as in :class:`Blank`.
    """

    def __init__(self, params: int, blank: bool) -> None:
        super().__init__()
        self.params, self.blank, self.room = params, blank, 2 * params + SLACK

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func not in MAKERS:
            return (
                super().__torch_function__(func, types, args, kwargs) if self.blank else func(*args, **(kwargs or {}))
            )
        made = func(*args, **(kwargs or {}))
        self.room -= made.numel()
        if self.room < 0:
            raise BadEntry(f"params is {self.params:,}; the arguments of the architecture need far more")
        return made
