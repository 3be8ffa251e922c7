"""Pages from their templates, with the pictures inside as small JPEGs."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from PIL.Image import Image

from omlzoo.data.images import Box, to_rgb
from omlzoo.errors import BadImage

__all__ = ["Card", "Row", "gallery_page", "model_card", "report_page", "thumbnail"]

SIDE = 160  # pixels of a thumbnail's longer side


@dataclass(frozen=True)
class Card:
    """One picture on a page.

    Attributes:
        picture: A data URI, or None where it cannot be shown.
        title: First line under it.
        text: Second line.
        right: Whether its label is the query's; None where that is not known.
    """

    picture: str | None
    title: str
    text: str = ""
    right: bool | None = None


@dataclass(frozen=True)
class Row:
    """A query and its hits in order."""

    query: Card
    hits: Sequence[Card]


def thumbnail(source: Path | Image, box: Box | None = None) -> str | None:
    """The picture as a JPEG data URI of at most 160 pixels a side; None where it cannot be read."""
    try:
        image = to_rgb(source, box)
    except BadImage:
        return None
    image.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def model_card(entry: Any, repo: str, metadata: str, recipe: str) -> str:
    """The Markdown of a model card, with the Hub's metadata on top."""
    return _render("card.md", entry=entry, repo=repo, metadata=metadata, recipe=recipe, pre=entry.preprocess)


def gallery_page(title: str, facts: Sequence[str], rows: Sequence[Row], figures: Sequence[str] = ()) -> str:
    """The HTML of search results: each query with its hits, right or wrong where labels are known; figures as SVG."""
    return _render("gallery.html", title=title, facts=facts, sections=[("", rows)], figures=figures)


def report_page(
    title: str,
    facts: Sequence[str],
    numbers: Sequence[tuple[str, Sequence[str]]],
    columns: Sequence[str],
    definitions: Sequence[tuple[str, str]],
    sections: Sequence[tuple[str, Sequence[Row]]],
    figures: Sequence[str] = (),
) -> str:
    """The HTML of an evaluation.

    Args:
        title: Heading.
        facts: Lines below it.
        numbers: Rows of the table: a metric and its value in each column.
        columns: Names of the columns.
        definitions: Metric and what it means.
        sections: Heading and rows of pictures.
        figures: SVG.
    """
    return _render(
        "report.html", title=title, facts=facts, numbers=numbers, columns=columns,
        definitions=definitions, sections=sections, figures=figures,
    )  # fmt: skip


def _render(template: str, **values: Any) -> str:
    pages = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=select_autoescape(), undefined=StrictUndefined
    )
    return pages.get_template(template).render(**values)
