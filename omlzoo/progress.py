"""Progress bars, which are shown on standard error and only if it is a terminal."""

import shutil
from collections.abc import Mapping
from typing import Any

from tqdm import tqdm

__all__ = ["TerminalBar", "bar"]

LEAST = 4  # columns of a bar beside its numbers


class TerminalBar(tqdm):  # type: ignore[type-arg]
    """A tqdm progress bar that is not shown if standard error is not a terminal."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if kwargs.get("disable") is not True:
            kwargs["disable"] = None  # for tqdm, None means: only on a terminal
        super().__init__(*args, **kwargs)

    def show_numbers(self, numbers: Mapping[str, str]) -> None:
        """Show numbers behind the bar, as many as the terminal has room for beside a short bar; the last go first.

        Args:
            numbers: Texts of numbers by their names, the most important first.
        """
        shown = list(numbers.items())
        while True:
            self.set_postfix_str(", ".join(f"{name}={text}" for name, text in shown), refresh=False)
            if self.disable or len(shown) < 2 or self._length() + LEAST <= self._columns():
                return
            shown.pop()

    def _columns(self) -> int:
        return int(self.ncols or shutil.get_terminal_size().columns)

    def _length(self) -> int:
        """Columns of the line without the bar itself."""
        return len(self.format_meter(**{**self.format_dict, "ncols": None, "bar_format": "{l_bar}{r_bar}"}))


def bar(total: int | None, label: str, unit: str, show: bool = True) -> TerminalBar:
    """Make a progress bar.

    Args:
        total: Number of units of the whole work; None where it is not known, and the bar counts up.
        label: Text before the bar.
        unit: Name of the unit, such as "B" for bytes.
        show: Whether to show the bar, if standard error is a terminal; False never shows it.
    """
    return TerminalBar(total=total, desc=label, unit=unit, disable=not show, leave=False)
