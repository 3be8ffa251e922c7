"""Options of backends that are checked before a library sees them: some end the process on a number out of range."""

from numbers import Integral
from pathlib import Path
from typing import Any

from omlzoo.errors import BadInput

__all__ = ["MOST", "check_whole", "checked_folder"]

MOST = 1_000_000  # candidates, lists and links of any backend


def check_whole(least: int = 1, most: int = MOST, **values: Any) -> None:
    """Refuse options that are no whole numbers in a range.

    Args:
        least: The least that each may be.
        most: The most.
        values: The options by name.

    Raises:
        BadInput: One is another number, or something else.
    """
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, Integral):
            raise BadInput(f"{name} is {value!r}; it must be a whole number")
        number = int(value)
        if number < least:
            raise BadInput(f"{name} is {value}; it must be at least {least}")
        if number > most:
            raise BadInput(f"{name} is {value}; it must be at most {most}")


def checked_folder(name: str, value: Any) -> str:
    """The path of a folder or file of a store.

    Args:
        name: Name of the option, for messages.
        value: What was given.

    Raises:
        BadInput: It is empty, or no path.
    """
    if not isinstance(value, str | Path) or str(value) in ("", ".") or "\0" in str(value):
        raise BadInput(f"{name} is {value!r}; give the path of a folder or file, such as {name}='shoes'")
    return str(value)
