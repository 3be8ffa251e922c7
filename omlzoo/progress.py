"""Progress bars, which are shown on standard error and only if it is a terminal."""

from typing import Any

from tqdm import tqdm

__all__ = ["TerminalBar", "bar"]


class TerminalBar(tqdm):  # type: ignore[type-arg]
    """A tqdm progress bar that is not shown if standard error is not a terminal."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if kwargs.get("disable") is not True:
            kwargs["disable"] = None  # for tqdm, None means: only on a terminal
        super().__init__(*args, **kwargs)


def bar(total: int | None, label: str, unit: str, show: bool = True) -> TerminalBar:
    """Make a progress bar.

    Args:
        total: Number of units of the whole work; None where it is not known, and the bar counts up.
        label: Text before the bar.
        unit: Name of the unit, such as "B" for bytes.
        show: Whether to show the bar, if standard error is a terminal; False never shows it.
    """
    return TerminalBar(total=total, desc=label, unit=unit, disable=not show, leave=False)
