"""A limit for the numbers that are made while a model is built."""

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.overrides import TorchFunctionMode

from omlzoo.errors import BadEntry

__all__ = ["Bounded"]

MAKERS = ("empty", "zeros", "ones", "full", "rand", "randn", "arange", "linspace", "eye")
SLACK = 100_000_000  # numbers that are no parameters, such as masks and tables of positions


class Bounded(TorchFunctionMode):
    """A context in which so many new numbers end with an error that no model of that many parameters has them.

    Args:
        params: The number of parameters that the model is said to have.
    """

    def __init__(self, params: int) -> None:
        super().__init__()
        self.params, self.room = params, 2 * params + SLACK

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        if getattr(func, "__name__", "") in MAKERS and isinstance(made, Tensor):
            self.room -= made.numel()
            if self.room < 0:
                raise BadEntry(f"params is {self.params:,}; the arguments of the architecture need far more")
        return made
