"""What a source in memory is opened as: rows whose number is known, or items that come one after the other."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pandas as pd

from omlzoo.data.late_picture import LatePicture, Picture
from omlzoo.errors import BadImage

__all__ = ["Item", "Listed", "Stream", "unread"]


class Listed(NamedTuple):
    """Pictures of known number, each of which can be asked for again.

    Attributes:
        frame: A row for each, with ``path``, its name.
        pictures: What each is read from, when its turn comes.
        name: What the source is called in messages.
        notices: What a user should be told.
    """

    frame: pd.DataFrame
    pictures: Sequence[Picture]
    name: str
    notices: tuple[str, ...] = ()


class Item(NamedTuple):
    """A picture that came, its name, and its label; None where it has none."""

    picture: Picture
    name: str
    label: Any = None


@dataclass
class Stream:
    """Pictures that come one after the other, once, each held only until it is computed.

    Attributes:
        items: The items. The iterator never raises but where there is no first picture: what goes wrong later is the
            error of a row.
        name: What the source is called in messages.
        count: How many there will be; None where that is not known.
    """

    items: Iterator[Item]
    name: str
    count: int | None = field(default=None)


def unread(name: str, reason: str) -> LatePicture:
    """A picture that cannot be read, for that reason.

    Args:
        name: Its name.
        reason: Why.
    """

    def read() -> bytes:
        raise BadImage(f"{name}: {reason}")

    reading: Callable[[], bytes] = read
    return LatePicture(name, reading)
