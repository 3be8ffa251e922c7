"""Building models without random initialisation, for parameters that are overwritten by loaded weights anyway."""

from collections.abc import Callable
from typing import Any

from torch import nn
from torch.overrides import TorchFunctionMode

__all__ = ["Blank"]


class Blank(TorchFunctionMode):
    """A context in which functions that initialise a parameter in place do nothing. Buffers are set as usual."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name.endswith("_") and not name.endswith("__") and name != "requires_grad_":
            target = kwargs["tensor"] if "tensor" in kwargs else args[0]
            if isinstance(target, nn.Parameter):
                return target
        return func(*args, **kwargs)
