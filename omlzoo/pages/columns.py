"""Tables of text: columns as wide as their cells, and no line longer than the terminal."""

import unicodedata
from collections.abc import Sequence

from omlzoo.pages.labels import readable

__all__ = ["columns", "width_of"]

LEAST = 12  # columns of a terminal that a cut cell keeps
GAP = 2


def columns(header: Sequence[str], rows: Sequence[Sequence[str]], width: int | None = None) -> list[str]:
    """The lines of a table: a header and a line for each row.

    Args:
        header: The headings of the columns.
        rows: The cells of each row, as many as there are headings.
        width: Columns of the terminal. Where a line would be longer, the widest cells lose their middle, down to 12
            columns; None cuts nothing.
    """
    lines = [[readable(cell).replace("\n", "\\n") for cell in row] for row in [header, *rows]]
    widths = [max(map(width_of, column)) for column in zip(*lines, strict=True)]
    if width is not None:
        widths = _narrowed(widths, width)
        lines = [[_cut(cell, room) for cell, room in zip(line, widths, strict=True)] for line in lines]
    return [
        (" " * GAP).join(cell + " " * (room - width_of(cell)) for cell, room in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def width_of(text: str) -> int:
    """Columns that a terminal gives a text: two for each wide character, none for marks on the one before."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(letter) else 1 + (unicodedata.east_asian_width(letter) in "WF") for letter in text
    )


def _narrowed(widths: list[int], width: int) -> list[int]:
    """Widths whose sum fits, the widest made narrower first."""
    widths = list(widths)
    over = sum(widths) + GAP * (len(widths) - 1) - width
    while over > 0 and max(widths) > LEAST:
        widest = widths.index(max(widths))
        second = max((other for place, other in enumerate(widths) if place != widest), default=LEAST)
        step = min(over, max(1, widths[widest] - max(second, LEAST)))
        widths[widest] -= step
        over -= step
    return widths


def _cut(cell: str, room: int) -> str:
    if width_of(cell) <= room:
        return cell
    head, tail = (room - 1) // 2, room - 1 - (room - 1) // 2
    while width_of(cell[:head]) > (room - 1) // 2:
        head -= 1
    while tail and width_of(cell[-tail:]) > room - 1 - (room - 1) // 2:
        tail -= 1
    return f"{cell[:head]}~{cell[-tail:] if tail else ''}"
