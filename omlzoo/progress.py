"""Progress bars: on standard error, and only where that is a terminal."""

from typing import Any

from tqdm import tqdm

__all__ = ["TerminalBar", "bar"]


class TerminalBar(tqdm):  # type: ignore[type-arg]
    """A tqdm bar that draws nothing where standard error is no terminal."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if kwargs.get("disable") is not True:
            kwargs["disable"] = None  # tqdm's "only on a terminal"
        super().__init__(*args, **kwargs)


def bar(total: int, label: str, unit: str, show: bool = True) -> TerminalBar:
    """A bar over ``total`` units; ``show=False`` never draws."""
    return TerminalBar(total=total, desc=label, unit=unit, disable=not show, leave=False)
