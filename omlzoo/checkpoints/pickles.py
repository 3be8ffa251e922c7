"""Reading pickles of checkpoints without running anything: no class or function that a pickle names is ever imported.

A pickle is a program for a small machine with a stack. The machine here knows the instructions that build plain values,
and a list of names, :data:`MAKERS` and :data:`KINDS`, that state dicts consist of. Any other instruction or name ends
the reading. Objects of TorchScript's own classes become :class:`Held`, which has their attributes and nothing else.
"""

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

import torch
from torch import Tensor

from omlzoo.errors import WeightsMismatch

__all__ = ["Held", "Source", "Storage", "read_pickle"]

MOST = 2_000_000  # instructions; a checkpoint with an optimizer has some 100,000
SHARES = 16  # how many times the size of the file all its tensors together may have, since tensors may share memory
SCRIPTED = "__torch__."  # what the names of TorchScript's own classes begin with

Storage = Callable[[str, torch.dtype, int], Tensor]


class Source(Protocol):
    """What a pickle is read from: a file or mapped memory."""

    def read(self, count: int, /) -> bytes:
        """Read at most so many bytes."""

    def readline(self) -> bytes:
        """Read to the end of the line."""

    def tell(self) -> int:
        """The place in the file."""


@dataclass
class Held:
    """An object of a class that is not loaded.

    Attributes:
        kind: Full name of the class.
        state: What the pickle gives as the object's state, for a module a dict of its attributes.
    """

    kind: str
    state: Any = None


@dataclass(frozen=True)
class Name:
    """A class or function that a pickle names. It is not imported."""

    text: str


KINDS = {
    "Float": torch.float32, "Double": torch.float64, "Half": torch.float16, "BFloat16": torch.bfloat16,
    "Long": torch.int64, "Int": torch.int32, "Short": torch.int16, "Char": torch.int8, "Byte": torch.uint8,
    "Bool": torch.bool, "ComplexFloat": torch.complex64, "ComplexDouble": torch.complex128,
}  # fmt: skip
STORAGES = {f"torch.{cuda}{kind}Storage": dtype for kind, dtype in KINDS.items() for cuda in ("", "cuda.")}
STORAGES["torch.storage.UntypedStorage"] = torch.uint8
DTYPES = {str(value): value for value in vars(torch).values() if isinstance(value, torch.dtype)}
PUSHED = {
    "BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "LONG4", "BINFLOAT", "FLOAT", "BINUNICODE", "UNICODE",
    "SHORT_BINUNICODE", "BINUNICODE8", "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES",
    "BINBYTES8", "BYTEARRAY8",
}  # fmt: skip
FIXED = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
EMPTY: dict[str, Callable[[], Any]] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple, "EMPTY_SET": list}
GATHERED: dict[str, Callable[[list[Any]], Any]] = {"TUPLE": tuple, "LIST": list, "FROZENSET": tuple}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
SCALARS = (str, int, float, bytes, type(None))


def read_pickle(source: Source, storage: Storage, size: int, scripted: bool = False) -> Any:
    """The value of one pickle, from plain values and tensors.

    Args:
        source: Where the pickle is read from; it is left at the pickle's end.
        storage: Gives the numbers of a storage (N,) by its key, data type and number of elements N.
        size: Size of the whole file in bytes, which bounds what its tensors may hold together.
        scripted: Whether TorchScript's own classes may be named.

    Raises:
        WeightsMismatch: The pickle names anything else, or breaks a limit. Damaged ones raise other errors too.
    """
    machine = _Machine(storage, size * SHARES, scripted)
    for count, (code, argument, _) in enumerate(pickletools.genops(source)):  # type: ignore[arg-type]
        if count > MOST:
            refuse(f"more than {MOST:,} instructions")
        if code.name == "STOP":
            return machine.stack.pop()
        machine.obey(code.name, argument)
    raise WeightsMismatch("its pickle has no end")


def refuse(what: str) -> NoReturn:
    """Refuse what a pickle has."""
    raise WeightsMismatch(f"its pickle has {what}")


class _Machine:
    """The stack of a pickle, and what the instructions do to it."""

    def __init__(self, storage: Storage, room: int, scripted: bool) -> None:
        self.storage, self.room, self.scripted = storage, room, scripted
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []  # the stacks under each mark
        self.memo: dict[int, Any] = {}

    def obey(self, code: str, argument: Any) -> None:
        """Carry out one instruction."""
        if code in PUSHED:
            self.stack.append(argument)
        elif code in FIXED:
            self.stack.append(FIXED[code])
        elif code in EMPTY:
            self.stack.append(EMPTY[code]())
        elif code in TUPLES:
            self.stack[-TUPLES[code] :] = [tuple(self.stack[-TUPLES[code] :])]
        elif code in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self.memo[len(self.memo) if code == "MEMOIZE" else argument] = self.stack[-1]
        elif code in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self.memo[argument])
        elif code == "MARK":
            self.below.append(self.stack)
            self.stack = []
        elif code in GATHERED:
            items = self._marked()
            self.stack.append(GATHERED[code](items))
        elif code in ("GLOBAL", "STACK_GLOBAL"):
            self.stack.append(self._named(code, argument))
        elif code in ("APPEND", "APPENDS", "ADDITEMS"):
            self._append([self.stack.pop()] if code == "APPEND" else self._marked())
        elif code in ("SETITEM", "SETITEMS", "DICT"):
            self._set(code)
        elif code in ("REDUCE", "NEWOBJ"):
            arguments, function = self.stack.pop(), self.stack.pop()
            self.stack.append(self.made(function, arguments))
        elif code == "BUILD":
            self._build()
        elif code == "BINPERSID":
            self.stack.append(self._stored(self.stack.pop()))
        elif code == "POP":
            self.stack.pop()
        elif code not in ("PROTO", "FRAME"):
            refuse(f"the instruction {code}")

    def _marked(self) -> list[Any]:
        items, self.stack = self.stack, self.below.pop()
        return items

    def _named(self, code: str, argument: Any) -> Name:
        if code == "STACK_GLOBAL":
            name, module = self.stack.pop(), self.stack.pop()
            text = f"{module}.{name}" if isinstance(name, str) and isinstance(module, str) else "a name that is no text"
        else:
            text = argument.replace(" ", ".", 1)
        scripted = self.scripted and text.startswith(SCRIPTED)
        if text not in MAKERS and text not in STORAGES and text not in DTYPES and text not in TYPES and not scripted:
            refuse(text[:200])
        return Name(text)

    def _append(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], list):
            refuse("an item for what is no list")
        self.stack[-1].extend(items)

    def _set(self, code: str) -> None:
        value = self.stack.pop() if code == "SETITEM" else None
        pairs = [self.stack.pop(), value] if code == "SETITEM" else self._marked()
        if code == "DICT":
            self.stack.append({})
        if not isinstance(self.stack[-1], dict) or len(pairs) % 2:
            refuse("a key for what is no dict")
        for key in pairs[::2]:
            parts = key if isinstance(key, tuple) else (key,)
            if not all(isinstance(part, SCALARS) for part in parts):
                refuse("a key that is neither a text nor a number")
        self.stack[-1].update(zip(pairs[::2], pairs[1::2], strict=True))

    def _build(self) -> None:
        state = self.stack.pop()
        if isinstance(self.stack[-1], Held):
            self.stack[-1].state = state
        elif not isinstance(self.stack[-1], dict):  # an OrderedDict's own attributes are not needed
            refuse("a state for what is no object")

    def _stored(self, found: Any) -> Tensor:
        word, kind, key, _, count, *view = found
        if word != "storage" or not isinstance(kind, Name) or kind.text not in STORAGES or any(view):
            refuse("a reference to what is no storage")
        if not isinstance(key, str) or not _counts([count]):
            refuse("a storage without key or size")
        return self.storage(key, STORAGES[kind.text], count)

    def made(self, function: Any, arguments: Any) -> Any:
        """What a function that the pickle names gives for arguments."""
        if not isinstance(function, Name) or not isinstance(arguments, tuple):
            refuse("a call of what is no function")
        if self.scripted and function.text.startswith(SCRIPTED):
            return Held(function.text)
        if function.text not in MAKERS:
            refuse(f"a call of {function.text}")
        return MAKERS[function.text](self, *arguments)

    def tensor(self, storage: Any, offset: Any, size: Any, stride: Any, *rest: Any) -> Tensor:
        """A tensor as a part of a storage, whose bounds are checked; ``rest`` has flags of which none may be set."""
        if not isinstance(storage, Tensor) or not isinstance(size, tuple) or not isinstance(stride, tuple):
            refuse("a tensor without storage, size or stride")
        if not _counts([offset, *size, *stride]) or len(size) != len(stride) or any(rest[2:]):
            refuse("a tensor whose size or stride is none")
        count, last = 1, offset
        for side, step in zip(size, stride, strict=True):
            count, last = count * side, last + (side - 1) * step
        if (count and last >= len(storage)) or count > len(storage):
            refuse(f"a tensor of {count:,} numbers beyond its storage of {len(storage):,}")
        self.room -= count * storage.element_size()
        if self.room < 0:
            refuse(f"tensors of more than {SHARES} times the size of the file")
        return storage.as_strided(size, stride, offset) if count else torch.empty(size, dtype=storage.dtype)

    def typed(self, storage: Any, offset: Any, size: Any, stride: Any, *rest: Any) -> Tensor:
        """A tensor whose data type is named beside its storage, not by it."""
        dtype = rest[2] if len(rest) > 2 else None
        if not isinstance(storage, Tensor) or not isinstance(dtype, Name) or dtype.text not in DTYPES:
            refuse("a tensor without data type")
        return self.tensor(storage.view(DTYPES[dtype.text]), offset, size, stride, *rest[:2], *rest[3:])


def _counts(values: list[Any]) -> bool:
    return all(type(value) is int and 0 <= value < 2**48 for value in values)


def _parameter(machine: _Machine, data: Any, *_: Any) -> Tensor:
    if not isinstance(data, Tensor):
        refuse("a parameter that is no tensor")
    return data


def _first(machine: _Machine, value: Any = None, *_: Any) -> Any:
    return value


MAKERS: dict[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor": _Machine.tensor,
    "torch._utils._rebuild_tensor_v2": _Machine.tensor,
    "torch._utils._rebuild_tensor_v3": _Machine.typed,
    "torch._utils._rebuild_parameter": _parameter,
    "torch._utils._rebuild_parameter_with_state": _parameter,
    "torch._tensor._rebuild_from_type_v2": lambda machine, function, kind, arguments, state: machine.made(
        function, arguments
    ),
    "collections.OrderedDict": lambda machine, items=(): dict(items),
    **dict.fromkeys(
        ("torch.Size", "torch.device", "_codecs.encode", *(f"torch.jit._pickle.build_{kind}list" for kind in
         ("int", "bool", "double", "tensor")), "torch.jit._pickle.restore_type_tag",
         *(f"{module}.{name}" for module in ("builtins", "__builtin__") for name in ("set", "complex", "bytearray"))),
        _first,
    ),
}  # fmt: skip
TYPES = {"torch.Tensor", "torch.nn.parameter.Parameter"}  # named beside a tensor, and never called
