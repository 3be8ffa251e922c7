"""omlzoo list."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from omlzoo.cli.output import print_columns, print_json, print_line, terminal_width
from omlzoo.errors import BadInput, notice
from omlzoo.files import new_file
from omlzoo.zoo.overview import Overview, number_of_params, overview

__all__ = ["list_command"]

WIDTH, LEAST = 100, 8  # columns of a line, and of the licence where names take the room
LICENCE = 4  # the column that gives way
LEGEND = (
    "published: the authors' retrieval figure, or the one named; img/s: on one core; unpinned: without a commit and "
    "sha256 in its entry, so checked against what the Hub says; omlzoo show NAME has every fact"
)


def list_command(
    pattern: str = "",
    *,
    family: str | None = None,
    task: str | None = None,
    license: str | None = None,
    commercial: bool | None = None,
    text: bool | None = None,
    pinned: bool | None = None,
    offline: bool | None = None,
    max_params: str | None = None,
    min_speed: float | None = None,
    html: Path | None = None,
    json: bool = False,
) -> None:
    """Show the checkpoints of the zoo.

    Parameters
    ----------
    pattern
        Names to show, with the wildcards * ? [ ].
    family
        Only those of this family, such as dinov2.
    task
        Only those for this task: products, animals, vehicles, landmarks, people, faces, image-text, drawings or
        general. The published figure is then one of this task.
    license
        Only those of this licence, such as apache-2.0.
    commercial
        Only those whose licence is known to allow commercial use; with --no-commercial only the others.
    text
        Only those with a text tower, which are searched by words; with --no-text only the others.
    pinned
        Only those whose entry has the commit and sha256 of the file; with --no-pinned only the others. How the sha256
        is known is then shown.
    offline
        Only those whose weights are on this machine; with --no-offline only the others.
    max_params
        Only those with at most so many parameters, such as 30M.
    min_speed
        Only those with at least so many images per second on one core, as measured by benchmarks/zoo_speed.py.
    html
        Write a page that is filtered and sorted in a browser, not lines.
    json
        Print one JSON document.
    """
    found = overview(
        pattern, family=family, task=task, license=license, commercial=commercial, text=text, pinned=pinned,
        offline=offline, max_params=None if max_params is None else number_of_params(max_params), min_speed=min_speed,
    )  # fmt: skip
    if html is not None:
        _write_page(found, html)
    if json:
        print_json([one.facts() for one in found])
    if json or html is not None:
        return
    if not found:
        notice("no checkpoint is like that; omlzoo list shows all, and omlzoo recommend names three")
        return
    header = ["name", "task", "dim", "params", "licence", "published", "img/s"]
    rows = [_cells(one, task) for one in found]
    if pinned is not None:
        header.append("pin")
        pins = [one.entry.pin or ("" if pinned else "unpinned") for one in found]
        rows = [[*row, pin] for row, pin in zip(rows, pins, strict=True)]
    print_columns(header, fitted(header, rows))
    if terminal_width() is not None:
        print_line(LEGEND, error=True)


def _write_page(found: Sequence[Overview], path: Path) -> None:
    from omlzoo.zoo.overview_page import overview_page  # templates take half as long to load as all of the listing

    if path.is_dir():
        raise BadInput(f"{path} is a folder; give the name of a file")
    text = overview_page(found, local=True, date=date.today().isoformat())
    with new_file(path) as part:
        part.write_text(text, encoding="utf-8")


def fitted(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[list[str]]:
    """The rows with licences cut where a line would be longer than 100 columns.

    Args:
        header: The headings of the columns.
        rows: The cells of each row.
    """
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
    over = sum(widths) + 2 * (len(widths) - 1) - WIDTH
    most = max(LEAST, widths[LICENCE] - over)

    def cut(column: int, cell: str) -> str:
        return f"{cell[: most - 2]}.." if column == LICENCE and over > 0 and len(cell) > most else cell

    return [[cut(column, cell) for column, cell in enumerate(row)] for row in rows]


def _cells(one: Overview, task: str | None) -> list[str]:
    entry, others = one.entry, len(one.tasks) - 1
    shown = task or one.tasks[0]
    figure = one.figure(task)
    return [
        entry.name,
        f"{shown} +{others}" if others else shown,
        str(entry.dim),
        f"{entry.params / 1e6:.1f}M" if entry.params < 1e8 else f"{entry.params / 1e6:.0f}M",
        entry.license or "unknown",
        str(figure) if figure else "-",
        f"{one.speed:g}" if one.speed else "-",
    ]
