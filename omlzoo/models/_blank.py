"""Building without initialisation, for parameters that are all filled in at once."""

from collections.abc import Callable
from typing import Any

from torch import nn
from torch.overrides import TorchFunctionMode

__all__ = ["Blank"]


class Blank(TorchFunctionMode):
    """Within it, functions that fill a parameter in place leave it as it is; buffers are set as ever."""

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
