"""What tells one object of a user from another: its import path, its arguments, and a digest of what it holds."""

import functools
import hashlib
import inspect
import types
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

__all__ = ["Described", "describe"]

DIGITS = 12  # of the digest
PLAIN = (bool, int, float, str, bytes, type(None), complex)
LONG = 80  # characters of an argument that a text shows
HOOKS = {  # of torch's modules: what their code is, not what they hold
    "training", "_parameters", "_buffers", "_modules", "_is_full_backward_hook",
}  # fmt: skip


@dataclass(frozen=True)
class Described:
    """An object as a text.

    Attributes:
        text: "module:Name(argument=value)#digest".
        why: What keeps the text from telling it from another object that computes something else; empty where nothing
            does.
    """

    text: str
    why: str


def describe(thing: object) -> Described:
    """The text of an object, class or function.

    The digest is that of all that the object holds, but for the values of parameters and buffers of a module, which a
    saved state has. A function is told by its name; its code may change, as that of any package.
    """
    why: list[str] = []
    held = hashlib.sha256(_canonical(thing, why, []).encode()).hexdigest()[:DIGITS]
    if isinstance(thing, type) or inspect.isroutine(thing):
        kind: Any = thing
        place = f"{getattr(kind, '__module__', '?')}:{getattr(kind, '__qualname__', type(kind).__name__)}"
        return Described(place, "; ".join(why[:1]))
    kind = type(thing)
    place = f"{kind.__module__}:{kind.__qualname__}"
    return Described(f"{place}({_arguments(thing)})#{held}", "; ".join(why[:1]))


def _arguments(thing: object) -> str:
    """The constructor's arguments that the object keeps under the same name, as far as they are plain."""
    shown: list[str] = []
    for kind in type(thing).__mro__[:-1]:
        try:
            parameters = inspect.signature(kind).parameters.values()
        except (TypeError, ValueError):
            continue
        for each in parameters:
            if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD) or any(
                s.startswith(f"{each.name}=") for s in shown
            ):
                continue
            value = getattr(thing, each.name, each.empty)
            if value is not each.empty and _is_plain(value) and len(repr(value)) <= LONG:
                shown.append(f"{each.name}={value!r}")
        if not any(each.kind is each.VAR_KEYWORD for each in parameters):
            break
    return ", ".join(shown)


def _is_plain(value: object) -> bool:
    if isinstance(value, float):
        return value == value and abs(value) != float("inf")  # NaN and infinity are no literals
    return isinstance(value, PLAIN) or (
        isinstance(value, tuple | list) and type(value) in (tuple, list) and all(_is_plain(each) for each in value)
    )


def _canonical(value: Any, why: list[str], above: list[int]) -> str:
    """A text that is equal for objects that hold the same; what cannot be looked into is added to ``why``."""
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    if isinstance(value, PLAIN):
        return repr(value)
    if id(value) in above:
        return "itself"
    above = [*above, id(value)]
    if isinstance(value, Tensor):
        return f"{kind}{tuple(value.shape)}{value.dtype}{_digest(value.detach().cpu())}"
    if isinstance(value, np.ndarray) and value.dtype != object:
        return f"{kind}{value.shape}{value.dtype}{hashlib.sha256(np.ascontiguousarray(value).tobytes()).hexdigest()}"
    if isinstance(value, dict):
        return (
            "{" + ",".join(f"{_canonical(k, why, above)}:{_canonical(v, why, above)}" for k, v in value.items()) + "}"
        )
    if isinstance(value, set | frozenset):
        return kind + str(sorted(_canonical(each, why, above) for each in value))
    if isinstance(value, list | tuple):
        return kind + "[" + ",".join(_canonical(each, why, above) for each in value) + "]"
    if isinstance(value, type | types.ModuleType | torch.dtype | torch.device):
        return f"{getattr(value, '__module__', '')}{value!r}"
    if isinstance(value, types.BuiltinFunctionType | np.ufunc):
        return f"{getattr(value, '__module__', '')}.{value.__name__}"
    if isinstance(value, functools.partial):
        return kind + _canonical([value.func, value.args, value.keywords], why, above)
    if isinstance(value, types.FunctionType):
        return _function(value, why)
    if isinstance(value, types.MethodType):
        return f"{value.__func__.__qualname__}of{_canonical(value.__self__, why, above)}"
    if isinstance(value, nn.Module):
        return kind + _module(value, why, above)
    if not hasattr(value, "__dict__"):  # of C, or built in
        why.append(f"it holds a {kind}")
        return kind
    return kind + _canonical(vars(value), why, above)


def _function(value: types.FunctionType, why: list[str]) -> str:
    name = f"{value.__module__}.{value.__qualname__}"
    if "<lambda>" in name:
        why.append(f"{name} is a lambda")
    elif "<locals>" in name:
        why.append(f"{name} is defined within a function")
    return name


def _module(value: nn.Module, why: list[str], above: list[int]) -> str:
    """The attributes of a module, the shapes of its parameters and buffers, and its parts."""
    own = {
        name: each for name, each in vars(value).items()
        if name not in HOOKS and not (name.startswith("_") and name.endswith("_hooks"))
        and not name.endswith(("_hooks_with_kwargs", "_hooks_always_called", "_persistent_buffers_set"))
    }  # fmt: skip
    tensors = {name: tuple(each.shape) for name, each in value.named_parameters(recurse=False)}
    tensors |= {name: tuple(each.shape) for name, each in value.named_buffers(recurse=False)}
    parts = dict(value.named_children())
    return _canonical([own, tensors, parts], why, above)


def _digest(tensor: Tensor) -> str:
    raw = tensor.contiguous().view(-1).view(torch.uint8) if tensor.numel() else tensor
    return hashlib.sha256(raw.numpy().tobytes()).hexdigest()
