"""Pages from their templates: one file each, which asks for nothing outside, and whose own policy forbids it."""

import base64
import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from omlzoo.pages.charts import Chart, Map
from omlzoo.pages.labels import readable, shortened
from omlzoo.pages.parts import Advice, Cell, Column, Heading, Number, Row, Section

__all__ = ["gallery_page", "model_card", "report_page", "search_page", "table_page", "tidy_page"]

FOLDER = Path(__file__).parent
POLICY = "default-src 'none'; img-src data:; script-src SCRIPTS; style-src STYLES; base-uri 'none'; form-action 'none'"
SERVED = POLICY.replace("img-src data:", "img-src 'self' blob: data:; connect-src 'self'")


def model_card(entry: Mapping[str, Any], address: str, metadata: str, recipe: str) -> str:
    """The Markdown of a model card, with the Hub's metadata on top.

    Args:
        entry: The facts of the checkpoint as plain values.
        address: What ``omlzoo.get_model`` opens it by.
        metadata: The card's metadata for the Hub, in YAML.
        recipe: The text of recipe.toml; empty where there is none.
    """
    return _render("card.md", entry=entry, address=address, metadata=metadata, recipe=recipe, pre=entry["preprocess"])


def gallery_page(
    heading: Heading, facts: Sequence[str], rows: Sequence[Row], charts: Sequence[Chart | Map] = ()
) -> str:
    """The HTML of search results: each query with its hits, right or wrong where labels are known.

    Args:
        heading: The heading of the page.
        facts: Lines of text below the heading.
        rows: Queries with their hits.
        charts: Charts and maps; none by default.
    """
    return _page("gallery.html", heading, charts, facts=facts, sections=[Section("", rows)])


def search_page(model: str) -> str:
    """The HTML of the server's search page, which asks the HTTP API of the server that gives it.

    Args:
        model: The name of the index's model.
    """
    return _page("search.html", Heading("Search by picture", model, command=""), policy=SERVED)


def report_page(
    heading: Heading,
    facts: Sequence[str],
    numbers: Sequence[tuple[str, Sequence[str]]],
    columns: Sequence[str],
    definitions: Sequence[tuple[str, str]],
    sections: Sequence[Section] = (),
    charts: Sequence[Chart | Map] = (),
    *,
    answer: Sequence[Number] = (),
    findings: Sequence[Advice] = (),
    groups: tuple[Sequence[str], Sequence[Sequence[str]]] = ((), ()),
    first: str = "metric",
    folded: bool = False,
) -> str:
    """The HTML of a measurement: the answer, findings, pictures, charts, and all numbers.

    Args:
        heading: The heading of the page.
        facts: Lines of text about what was measured.
        numbers: Rows of the table of all numbers: a name and its value in each column.
        columns: Names of the columns.
        definitions: Each name and its definition.
        sections: Rows of pictures under their headings.
        charts: Charts and maps.
        answer: The numbers that stand first.
        findings: What should be looked at.
        groups: Headings and rows of the table of categories, the worst first.
        first: The heading of the first column of all numbers.
        folded: Whether the table of all numbers is folded until it is asked for.
    """
    return _page(
        "report.html", heading, charts, facts=facts, numbers=numbers, columns=columns, definitions=definitions,
        sections=[each for each in sections if each.rows], answer=answer, findings=findings, groups=groups, first=first,
        folded=folded,
    )  # fmt: skip


def tidy_page(
    heading: Heading,
    facts: Sequence[str],
    sections: Sequence[Section],
    charts: Sequence[Chart | Map] = (),
    *,
    table: str = "",
    labels: Sequence[str] = (),
    how: str = "",
) -> str:
    """The HTML of a collection: groups of pictures that the reader keeps, drops or gives another label.

    Args:
        heading: The heading of the page.
        facts: Lines of text below the heading.
        sections: Groups of pictures under their headings, what matters most first.
        charts: Charts and maps.
        table: The table that decisions are written into: gzip of JSON in base64; empty where none can be written.
        labels: Labels to choose from, where rows have labels.
        how: What becomes of decisions, in one sentence.
    """
    shown = [each for each in sections if each.rows]
    return _page(
        "tidy.html", heading, charts, facts=facts, sections=shown, decided=table, labels=labels, how=how,
        more=["tidy.js"] * bool(table),
    )  # fmt: skip


def table_page(
    heading: Heading,
    facts: Sequence[str],
    first: str,
    columns: Sequence[Column],
    rows: Sequence[tuple[str, Sequence[Cell]]],
) -> str:
    """The HTML of a table that the reader filters and sorts.

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
    choices = [sorted(found) for found in values]
    return _page("table.html", heading, facts=facts, first=first, columns=columns, rows=rows, choices=choices)


class _Shown:
    """The pictures that a page has so far: each is inside once, and a second card points to the first."""

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}

    def see(self, picture: str) -> Markup:
        """The attributes of an image that shows the picture."""
        known = picture in self.numbers
        number = self.numbers.setdefault(picture, len(self.numbers))
        if known:
            return Markup('data-same="p{}"').format(number)
        return Markup('id="p{}" src="{}"').format(number, picture)


def _page(
    template: str,
    heading: Heading,
    charts: Sequence[Chart | Map] = (),
    *,
    policy: str = POLICY,
    more: Sequence[str] = (),
    **values: Any,
) -> str:
    """A page with the scripts that it needs, and a policy that allows its own scripts and styles alone."""
    charts = sorted(charts, key=lambda each: isinstance(each, Map))
    scripts = ["page.js", *more]
    if charts:
        scripts += ["echarts.js", "charts.js"]
    texts = [(FOLDER / name).read_text(encoding="utf-8") for name in scripts]
    plain = _json([each.plain() for each in charts]) if charts else ""
    page = _render(
        template, heading=heading, charts=charts, drawn=plain, scripts=texts, pictures=_Shown(), policy=policy, **values
    )
    for kind, place in (("script", "SCRIPTS"), ("style", "STYLES")):
        digests = [_digest(content) for content in re.findall(rf"<{kind}>(.*?)</{kind}>", page, re.DOTALL)]
        page = page.replace(place, " ".join(f"&#39;sha256-{digest}&#39;" for digest in digests) or "&#39;none&#39;", 1)
    return page


def _digest(content: str) -> str:
    return base64.b64encode(sha256(content.encode()).digest()).decode()


def _json(values: Any) -> str:
    """JSON that may stand in a script's element, whatever texts it holds."""
    text = json.dumps(values, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _render(template: str, **values: Any) -> str:
    return _templates().get_template(template).render(**values)


@lru_cache(1)
def _templates() -> Environment:
    """The templates, each of which is compiled once in a process."""
    pages = Environment(
        loader=FileSystemLoader(FOLDER), autoescape=select_autoescape(), undefined=StrictUndefined,
        finalize=lambda value: readable(value) if type(value) is str else value,  # not what is marked as safe
    )  # fmt: skip
    pages.filters["shortened"] = shortened
    return pages
