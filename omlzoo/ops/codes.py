"""Labels of any kind as codes from 0, by the equality of Python and never by that of an array that merges kinds."""

import sys
from collections.abc import Sequence, Sized
from numbers import Number
from typing import TYPE_CHECKING, Any, TypeAlias, TypeGuard

import numpy as np
import pandas as pd

from omlzoo.errors import BadInput

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["MISSING", "Labels", "is_tensor", "label_codes", "label_texts"]

Labels: TypeAlias = "Sequence[Any] | np.ndarray | pd.Series[Any] | Tensor"

MISSING = -1
SHOWN = 5  # positions that a message lists


def label_codes(
    labels: Labels, name: str, *, missing: bool = False, count: int | None = None
) -> tuple[np.ndarray, list[Any]]:
    """The code (N,) of each label, from 0 in the order of their first rows, and the labels of these codes.

    Two labels are one where Python says that they are equal; text and numbers are never equal, and so cannot be mixed.

    Args:
        labels: (N,) text, numbers or other values that can be keys of a dict.
        name: What to call them in messages.
        missing: Whether None, NaN and "" are allowed; their code is -1.
        count: Number N that there must be; None allows any.

    Raises:
        BadInput: There are not ``count`` of them, one is missing, or they mix text with numbers.
    """
    values = _listed(labels, name, count)
    try:
        codes, found = pd.factorize(values)
    except TypeError as error:
        raise BadInput(
            f"{name} hold values that no dict could have as a key ({error}); give text or numbers"
        ) from error
    names: list[Any] = found.tolist()
    if missing and "" in names:
        codes = codes.copy()
        codes[codes == names.index("")] = MISSING
    gone = np.flatnonzero(codes == MISSING)
    if len(gone) and not missing:
        where = ", ".join(map(str, gone[:SHOWN].tolist())) + (", ..." if len(gone) > SHOWN else "")
        raise BadInput(f"{name}: {len(gone)} are missing, in row {where}; give each row an id")
    return codes.astype(np.int64), names


def label_texts(labels: Labels, name: str) -> np.ndarray:
    """Each label as text (N,) of objects: equal where the labels are, and only there; "" for one that is missing.

    Args:
        labels: (N,), as in :func:`label_codes`.
        name: What to call them in messages.

    Raises:
        BadInput: As there.
    """
    codes, found = label_codes(labels, name, missing=True)
    texts = list(map(str, found))
    if len(set(texts)) < len(texts):  # numbers of several precisions that are written alike
        texts = list(map(repr, found))
    by_code: np.ndarray = np.array([*texts, ""], dtype=object)
    return np.asarray(by_code[codes])


def _listed(labels: Any, name: str, count: int | None) -> Any:
    """The labels as what ``pandas.factorize`` compares without merging: objects stay objects."""
    if is_tensor(labels):
        labels = labels.detach().cpu()
        labels = (labels.float() if labels.is_floating_point() and labels.element_size() < 4 else labels).numpy()
    if not hasattr(labels, "dtype"):
        if (
            isinstance(labels, str | bytes | dict)
            or not isinstance(labels, Sized)
            or not hasattr(labels, "__getitem__")
        ):
            raise BadInput(f"{name} are {type(labels).__name__}; give a list, an array or a tensor, one for each row")
        items = [item.item() if is_tensor(item) and item.ndim == 0 else item for item in labels]  # type: ignore[attr-defined]
        labels = np.fromiter(items, dtype=object, count=len(items))
    shape = tuple(labels.shape)
    if len(shape) != 1 or (count is not None and shape != (count,)):
        wanted = "(rows,)" if count is None else f"({count},)"
        raise BadInput(f"{name} have the shape {shape}; it must be {wanted}, one for each embedding")
    if labels.dtype == object:
        _check_kinds(labels, name)
    return labels


def _check_kinds(labels: Any, name: str) -> None:
    """Refuse text beside numbers, which a report could not tell apart."""
    firsts: dict[type, Any] = {}
    for value in labels:
        firsts.setdefault(type(value), value)
    kinds: dict[str, Any] = {}
    for kind, value in firsts.items():
        if not pd.api.types.is_scalar(value) or not pd.isna(value):
            kinds.setdefault(_kind(kind), value)
    if len(kinds) > 1:
        examples = " and ".join(f"{value!r:.40} ({type(value).__name__})" for value in list(kinds.values())[:2])
        raise BadInput(f"{name} mix kinds: {examples}; make all of them text, or all numbers")


def _kind(kind: type) -> str:
    if issubclass(kind, bool | np.bool_):
        return "bool"
    return "text" if issubclass(kind, str) else "number" if issubclass(kind, Number) else kind.__name__


def is_tensor(value: object) -> "TypeGuard[Tensor]":
    """Whether a value is a tensor of torch, which is not imported for the question: where it is not, nothing is."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)
