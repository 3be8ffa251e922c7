"""What a notebook shows of results: tables, and a bounded number of small pictures as data URIs."""

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from omlzoo.data.images import Box, to_rgb
from omlzoo.data.late_picture import Picture
from omlzoo.data.table import Table
from omlzoo.errors import BadImage
from omlzoo.pages.labels import readable, shortened

__all__ = ["MOST", "Tile", "facts_html", "rows_html", "table_html", "tiles_html"]

MOST = 12  # pictures of a table
SIDE = 128  # pixels of a picture's longer side
FIGURE = "display:inline-block;width:112px;margin:2px;vertical-align:top;font-size:11px;line-height:1.3;text-align:left"
IMAGE = "max-width:108px;max-height:108px;display:block;border:2px solid {colour}"
COLOURS = {True: "#1a7f37", False: "#b42318", None: "transparent"}
WORDS = {True: "right", False: "wrong", None: ""}


@dataclass(frozen=True)
class Tile:
    """A small picture with a title and a text below.

    Attributes:
        picture: A path or a picture in memory; None shows a grey field.
        title: The first line.
        text: The second line.
        box: The part to show; None shows the whole picture.
        right: Whether it is a right hit, as a coloured frame and a word; None where that is not known.
    """

    picture: Picture | None
    title: str
    text: str = ""
    box: Box | None = None
    right: bool | None = None


def tiles_html(tiles: Iterable[Tile]) -> str:
    """Small pictures beside each other."""
    return "".join(map(_figure, tiles))


def _figure(tile: Tile) -> str:
    source = None if tile.picture is None else _uri(tile.picture, tile.box)
    said = " ".join(part for part in (WORDS[tile.right], tile.text) if part)
    title, text = escape(shortened(tile.title, 32)), escape(shortened(said, 40))
    style = IMAGE.format(colour=COLOURS[tile.right])
    picture = f'<img src="{source}" alt="{title}" style="{style}">' if source else "<i>no picture</i><br>"
    return f'<div style="{FIGURE}">{picture}<b>{title}</b><br>{text}</div>'


def _uri(picture: Picture, box: Box | None) -> str | None:
    """A picture as a small JPEG in a data URI; None where it cannot be read."""
    try:
        image = to_rgb(picture, box)
    except BadImage:
        return None
    image.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=75)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def rows_html(header: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "") -> str:
    """A table of texts.

    Args:
        header: The headings of the columns.
        rows: The cells of each row.
        caption: A line above it.
    """
    head = "".join(f'<th style="text-align:left">{escape(readable(cell))}</th>' for cell in header)
    lines = [
        "<tr>" + "".join(f'<td style="text-align:left">{escape(shortened(cell))}</td>' for cell in row) + "</tr>"
        for row in rows
    ]
    above = f"<div><b>{escape(readable(caption))}</b></div>" if caption else ""
    return f"{above}<table><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table>"


def facts_html(title: str, facts: Mapping[str, object]) -> str:
    """A title and a line for each fact.

    Args:
        title: The title.
        facts: Values by the names of the facts.
    """
    return rows_html(("", ""), [(name, str(value)) for name, value in facts.items()], title)


def table_html(table: Table, title: str = "", errors: Sequence[str] = ()) -> str:
    """The first pictures of a table, with label and name, and the first rows as pandas shows them.

    Args:
        table: The table.
        title: A line above it; by default the number of its rows.
        errors: Why a row has no picture or vector, by row; empty where nothing is wrong.
    """
    frame = table.frame.head(MOST)
    labels = frame["label"] if "label" in frame else [None] * len(frame)
    tiles = [
        Tile(_file(table.root, path), str(path) if label is None else str(label), error or Path(str(path)).name, box)
        for path, label, box, error in zip(
            frame["path"], labels, Table(frame, table.root, table.name).boxes(), _first(errors, len(frame)), strict=True
        )
    ]
    more = f"; the first {len(frame)}" if len(table) > len(frame) else ""
    said = title or f"{table.name}: {len(table):,} rows{more}"
    shown: Any = pd.DataFrame.to_html(frame, escape=True, index=True, border=0, max_cols=12)
    above = f"<div><b>{escape(readable(said))}</b></div>"
    return f"{above}{tiles_html(tiles)}<details><summary>rows</summary>{shown}</details>"


def _first(errors: Sequence[str], count: int) -> list[str]:
    return [str(error) for error in list(errors)[:count]] or [""] * count


def _file(root: Path, path: object) -> Path | None:
    file = root / str(path)
    return file if file.is_file() else None
