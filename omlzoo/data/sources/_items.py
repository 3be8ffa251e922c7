"""Items of datasets and generators: which part of one is the picture, and which its label."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from omlzoo.data.late_picture import Picture
from omlzoo.data.sources._opened import Item, unread
from omlzoo.data.sources._pixels import check_pixels, is_array, pixels_of
from omlzoo.data.written_text import escaped
from omlzoo.errors import BadInput, notice

__all__ = ["is_one_picture", "item_of", "items_of"]

LABELS = ("label", "labels", "target", "class", "cls", "y")  # keys of a dict that is an item
SINGLE = (3,)  # dimensions of one picture


def items_of(values: Iterable[Any], name: str, root: Path, count: int | None = None) -> Iterator[Item]:
    """The pictures of items, one after the other.

    An item that has none, or an iterator that raises, is a row with an error; what came before is kept. Of an iterator
    that has raised nothing more comes.

    Args:
        values: The items.
        name: What they come from, for messages.
        root: Where relative paths start.
        count: How many there must be; None where that is not known.

    Raises:
        BadInput: The very first item has no picture: the others will not have one either.
    """
    iterator, number, labelled = iter(values), 0, False
    while True:
        try:
            value = next(iterator)
        except StopIteration:
            break
        except Exception as error:  # code of anyone's
            reason = f"{type(error).__name__}: {error}"
            notice(f"{name} raised {reason} after {number} pictures; those are kept, and nothing comes after them")
            yield Item(unread(f"item {number}", reason), f"item {number}")
            return
        try:
            item = item_of(value, number, root)
        except BadInput as error:
            if number == 0:
                raise BadInput(f"{name}: {error}") from error
            item = Item(unread(f"item {number}", str(error)), f"item {number}")
        if item.label is not None and not labelled:
            labelled = True
            notice(f"{name}: of each item the first picture is taken, and the integer or text beside it as its label")
        yield item
        number += 1
    if number == 0:
        raise BadInput(f"{name} gave no picture; give at least one")
    if count is not None and number != count:
        notice(f"{name} gave {number} pictures, and its length is {count}")


def item_of(value: Any, number: int, root: Path) -> Item:
    """The picture and the label of an item.

    Args:
        value: A picture, or a tuple, list or dict with one. An exception stands for an item that raised it.
        number: Its number, which names it where it has no path.
        root: Where relative paths start.

    Raises:
        BadInput: There is no picture, or it is an array of another type or shape than pictures have.
    """
    if isinstance(value, Exception):
        reason = f"{type(value).__name__}: {value}"
        return Item(unread(f"item {number}", reason), f"item {number}")
    if isinstance(value, Item):
        return value
    named = value if isinstance(value, Mapping) else None
    parts = list(value.values() if named is not None else value) if _has_parts(value) else [value]
    place = next((place for place, part in enumerate(parts) if is_one_picture(part)), None)
    if place is None:
        place = next((place for place, part in enumerate(parts) if isinstance(part, str)), None)
    if place is None:
        raise BadInput(f"item {number} has no picture: {_shown(value)}; give a PIL image, an array, bytes or a path")
    picture, name = _opened(parts[place], number, root)
    others = [part for other, part in enumerate(parts) if other != place]
    keyed = [named[key] for key in LABELS if key in named and named[key] is not parts[place]] if named else []
    return Item(picture, name, _label([*keyed, *others]))


def _has_parts(value: Any) -> bool:
    return isinstance(value, tuple | list | Mapping)


def is_one_picture(part: Any) -> bool:
    """Whether a part of an item is a picture: an image, a path, bytes, or an array of more than one dimension."""
    return isinstance(part, Image.Image | Path | bytes) or (is_array(part) and part.ndim > 1)


def _opened(part: Any, number: int, root: Path) -> tuple[Picture, str]:
    if isinstance(part, str | Path):
        return root / part, escaped(str(part))
    if is_array(part):
        check_pixels(part, f"item {number}", SINGLE)
        return pixels_of(part), f"image {number}"  # copied, as some generators fill one array again and again
    return part, f"image {number}"


def _label(parts: list[Any]) -> int | str | None:
    """The first integer, else the first text."""
    plain = [part.item() if is_array(part) and part.ndim == 0 else part for part in parts]
    whole: list[int | str] = [
        int(part) for part in plain if isinstance(part, int | np.integer) and type(part) is not bool
    ]
    texts: list[int | str] = [part for part in plain if isinstance(part, str)]
    return next(iter([*whole, *texts]), None)


def _shown(value: Any) -> str:
    """The kinds of the parts of an item."""
    if isinstance(value, Mapping):
        return f"a dict of {', '.join(f'{key} ({type(part).__name__})' for key, part in list(value.items())[:8])}"
    if _has_parts(value):
        return f"a {type(value).__name__} of {', '.join(type(part).__name__ for part in list(value)[:8]) or 'nothing'}"
    return type(value).__name__
