"""Pages from their templates, with the pictures inside as small JPEGs."""

import base64
import io
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from PIL.Image import Image

import omlzoo
from omlzoo.data.images import Box, to_rgb
from omlzoo.errors import BadImage

__all__ = ["Card", "Heading", "Row", "gallery_page", "model_card", "report_page", "search_page", "thumbnail"]

SIDE = 160  # pixels of a thumbnail's longer side


@dataclass(frozen=True)
class Heading:
    """What every page says of itself at its top.

    Attributes:
        title: Of the page.
        model: What made the vectors, if it is about one model.
        table: Whose rows it is about, if any.
        command: The command that made the page, where one did.
        date: When it was made: today by default.
    """

    title: str
    model: str = ""
    table: str = ""
    command: str = field(default_factory=lambda: _command())
    date: str = field(default_factory=lambda: date.today().isoformat())

    def facts(self) -> list[tuple[str, str]]:
        """Name and value of what is known, the version of omlzoo among it."""
        version = f"omlzoo {omlzoo.__version__}"
        values = {"model": self.model, "table": self.table, "date": self.date, "version": version,
                  "command": self.command}  # fmt: skip
        return [(name, value) for name, value in values.items() if value]


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


def model_card(entry: Mapping[str, Any], repo: str, metadata: str, recipe: str) -> str:
    """The Markdown of a model card, with the Hub's metadata on top.

    Args:
        entry: The facts of the checkpoint as plain values.
        repo: Where it will be, "organisation/name".
        metadata: YAML for the Hub.
        recipe: The text of recipe.toml; empty where there is none.
    """
    return _render("card.md", entry=entry, repo=repo, metadata=metadata, recipe=recipe, pre=entry["preprocess"])


def gallery_page(heading: Heading, facts: Sequence[str], rows: Sequence[Row], figures: Sequence[str] = ()) -> str:
    """The HTML of search results: each query with its hits, right or wrong where labels are known.

    Args:
        heading: Of the page.
        facts: Lines below it.
        rows: Queries with their hits.
        figures: SVG.
    """
    return _render("gallery.html", heading=heading, facts=facts, sections=[("", rows)], figures=figures)


def search_page(model: str) -> str:
    """The HTML of the server's search page, which asks the HTTP API of the server that gives it.

    Args:
        model: Of the index.
    """
    return _render("search.html", heading=Heading("Search by picture", model, command=""))


def report_page(
    heading: Heading,
    facts: Sequence[str],
    numbers: Sequence[tuple[str, Sequence[str]]],
    columns: Sequence[str],
    definitions: Sequence[tuple[str, str]],
    sections: Sequence[tuple[str, Sequence[Row]]],
    figures: Sequence[str] = (),
) -> str:
    """The HTML of an evaluation.

    Args:
        heading: Of the page.
        facts: Lines below it.
        numbers: Rows of the table: a metric and its value in each column.
        columns: Names of the columns.
        definitions: Metric and what it means.
        sections: Heading and rows of pictures.
        figures: SVG.
    """
    return _render(
        "report.html", heading=heading, facts=facts, numbers=numbers, columns=columns,
        definitions=definitions, sections=sections, figures=figures,
    )  # fmt: skip


def _command() -> str:
    """The command line, where the command omlzoo runs."""
    program = Path(sys.argv[0])
    own = program.stem == "omlzoo" or (program.name == "__main__.py" and program.parent.name == "omlzoo")
    return shlex.join(["omlzoo", *sys.argv[1:]]) if own else ""


def _render(template: str, **values: Any) -> str:
    pages = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=select_autoescape(), undefined=StrictUndefined
    )
    return pages.get_template(template).render(**values)
