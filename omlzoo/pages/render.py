"""Pages from their templates, with the pictures inside as small JPEGs."""

import base64
import io
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from omlzoo.data.images import Box, to_rgb
from omlzoo.data.late_picture import Picture
from omlzoo.errors import BadImage
from omlzoo.pages.labels import readable, shortened

__all__ = [
    "Card", "Cell", "Column", "Heading", "Row", "gallery_page", "model_card", "report_page", "search_page",
    "table_page", "thumbnail",
]  # fmt: skip

POLICY = "default-src 'none'; img-src data:; script-src none; style-src none"  # none: filled with the hash of ours
SIDE = 160  # pixels of a thumbnail's longer side


@dataclass(frozen=True)
class Heading:
    """The heading of a page: its title and the facts below it.

    Attributes:
        title: The title of the page.
        model: The model that computed the vectors, if the page is about one model.
        table: The table whose rows the page is about, if any.
        command: The command line that made the page; empty where no command did.
        date: The date of the page as YYYY-MM-DD, today by default.
    """

    title: str
    model: str = ""
    table: str = ""
    command: str = field(default_factory=lambda: _command())
    date: str = field(default_factory=lambda: date.today().isoformat())

    def facts(self) -> list[tuple[str, str]]:
        """Name and value of each fact that is known, including the version of omlzoo."""
        made_by = f"omlzoo {version('omlzoo')}"
        values = {"model": self.model, "table": self.table, "date": self.date, "version": made_by,
                  "command": self.command}  # fmt: skip
        return [(name, value) for name, value in values.items() if value]


@dataclass(frozen=True)
class Card:
    """One picture on a page.

    Attributes:
        picture: A data URI, or None where the picture cannot be shown.
        title: The first line under the picture.
        text: The second line under the picture.
        right: Whether the label of the picture is that of the query; None where that is not known.
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


@dataclass(frozen=True)
class Column:
    """A column of a page that is filtered and sorted.

    Attributes:
        name: The heading of the column.
        kind: Whether its values are sorted as text or as numbers.
        filter: How rows are chosen by it: one of its values, or a limit; empty if they are not.
        title: An explanation of the heading.
    """

    name: str
    kind: Literal["text", "number"] = "text"
    filter: Literal["choice", "at most", "at least", ""] = ""
    title: str = ""


@dataclass(frozen=True)
class Cell:
    """A cell of such a page.

    Attributes:
        text: What is shown.
        value: What is sorted and filtered by: a number, or values with "|" between them; empty if it is not known.
        title: An explanation.
    """

    text: str
    value: str | float = ""
    title: str = ""


def thumbnail(source: Picture, box: Box | None = None) -> str | None:
    """The picture as a JPEG data URI of at most 160 pixels a side.

    Args:
        source: A picture's file, or a picture in memory.
        box: The part to show, (x_1, y_1, x_2, y_2) in pixels; None shows the whole picture.

    Returns:
        The data URI, or None where the picture cannot be read.
    """
    try:
        image = to_rgb(source, box)
    except BadImage:
        return None
    image.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def model_card(entry: Mapping[str, Any], address: str, metadata: str, recipe: str) -> str:
    """The Markdown of a model card, with the Hub's metadata on top.

    Args:
        entry: The facts of the checkpoint as plain values.
        address: What ``omlzoo.get_model`` opens it by.
        metadata: The card's metadata for the Hub, in YAML.
        recipe: The text of recipe.toml; empty where there is none.
    """
    return _render("card.md", entry=entry, address=address, metadata=metadata, recipe=recipe, pre=entry["preprocess"])


def gallery_page(heading: Heading, facts: Sequence[str], rows: Sequence[Row], figures: Sequence[str] = ()) -> str:
    """The HTML of search results: each query with its hits, right or wrong where labels are known.

    Args:
        heading: The heading of the page.
        facts: Lines of text below the heading.
        rows: Queries with their hits.
        figures: Figures as SVG; none by default.
    """
    return _render("gallery.html", heading=heading, facts=facts, sections=[("", rows)], figures=figures)


def search_page(model: str) -> str:
    """The HTML of the server's search page, which asks the HTTP API of the server that gives it.

    Args:
        model: The name of the index's model.
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
        heading: The heading of the page.
        facts: Lines of text below the heading.
        numbers: Rows of the table of metrics: a metric and its value in each column.
        columns: Names of the columns.
        definitions: Each metric and its definition.
        sections: The heading of each section and its rows of pictures.
        figures: Figures as SVG; none by default.
    """
    return _render(
        "report.html", heading=heading, facts=facts, numbers=numbers, columns=columns,
        definitions=definitions, sections=sections, figures=figures,
    )  # fmt: skip


def table_page(
    heading: Heading,
    facts: Sequence[str],
    first: str,
    columns: Sequence[Column],
    rows: Sequence[tuple[str, Sequence[Cell]]],
) -> str:
    """The HTML of a table that the reader filters and sorts. It asks for nothing outside; its own policy forbids it.

    Args:
        heading: The heading of the page.
        facts: Lines of text below the heading.
        first: The heading of the names of the rows.
        columns: The other columns.
        rows: The name of each row and its cells, as many as there are columns.
    """
    values = [
        {value for _, cells in rows for value in str(cells[place].value).split("|")} - {""}
        for place in range(len(columns))
    ]
    page = _render(
        "table.html", heading=heading, facts=facts, first=first, columns=columns, rows=rows, policy=POLICY,
        choices=[sorted(found) for found in values],
    )  # fmt: skip
    for kind in ("style", "script"):
        content = re.findall(rf"<{kind}>(.*?)</{kind}>", page, re.DOTALL)[-1]
        digest = base64.b64encode(sha256(content.encode()).digest()).decode()
        page = page.replace(f"{kind}-src none", f"{kind}-src &#39;sha256-{digest}&#39;", 1)
    return page


def _command() -> str:
    """The command line, if this process runs the command omlzoo; otherwise an empty text."""
    program = Path(sys.argv[0])
    own = program.stem == "omlzoo" or (program.name == "__main__.py" and program.parent.name == "omlzoo")
    return shlex.join(["omlzoo", *sys.argv[1:]]) if own else ""


def _render(template: str, **values: Any) -> str:
    pages = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=select_autoescape(), undefined=StrictUndefined,
        finalize=lambda value: readable(value) if type(value) is str else value,  # not what is marked as safe
    )  # fmt: skip
    pages.filters["shortened"] = shortened
    return pages.get_template(template).render(**values)
