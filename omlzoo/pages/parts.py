"""What pages are made of: a heading, pictures with their words, numbers with intervals, findings, columns and cells."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Literal

__all__ = ["Advice", "Bar", "Card", "Cell", "Column", "Heading", "Number", "Row", "Section"]


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
    """One picture on a page, which opens larger with all that is said of it.

    Attributes:
        picture: A data URI, or None where the picture cannot be shown.
        title: The first line under the picture.
        text: The second line under the picture.
        right: Whether the label of the picture is that of the query; None where that is not known.
        name: What the picture is called in its table, with its folders; said where it opens.
        why: Why it is shown, or stands where it does; said where it opens.
        link: Its address relative to the page, where the page lies beside the pictures.
        row: The row of the table that it shows, where the reader may decide about it.
    """

    picture: str | None
    title: str
    text: str = ""
    right: bool | None = None
    name: str = ""
    why: str = ""
    link: str = ""
    row: int | None = None


@dataclass(frozen=True)
class Row:
    """A query and its hits in order.

    Attributes:
        query: The query.
        hits: Its hits, the first one first.
        before: Its hits with the model before, where there was one.
    """

    query: Card
    hits: Sequence[Card]
    before: Sequence[Card] = ()


@dataclass(frozen=True)
class Section:
    """Rows of pictures under one heading.

    Attributes:
        title: The heading; empty for none.
        rows: The rows.
        text: One sentence below the heading.
        name: What its address on the page ends with.
    """

    title: str
    rows: Sequence[Row]
    text: str = ""
    name: str = ""


@dataclass(frozen=True)
class Bar:
    """One value between 0 and 1 with its interval.

    Attributes:
        name: What was measured: a model, or what needs no training.
        value: The value.
        interval: The two ends of its 95 % interval; None where it has none.
        role: "main" for what the page is about, "before" and "baseline" for what stands beside it.
    """

    name: str
    value: float
    interval: tuple[float, float] | None = None
    role: Literal["main", "before", "baseline"] = "main"


@dataclass(frozen=True)
class Number:
    """A number that answers what the page is asked, with what it is compared with.

    Attributes:
        title: What it says, in a few words.
        metric: The name of the metric.
        value: The number as it is shown, in large.
        sentence: What it says, in one sentence.
        bars: The value with its interval first, then what it is compared with.
    """

    title: str
    metric: str
    value: str
    sentence: str
    bars: Sequence[Bar]


@dataclass(frozen=True)
class Advice:
    """A finding with its pictures and what to do.

    Attributes:
        title: The finding in a few words.
        text: The finding in one sentence.
        remedy: What to do.
        cards: Its pictures.
    """

    title: str
    text: str
    remedy: str = ""
    cards: Sequence[Card] = ()


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


def _command() -> str:
    """The command line, if this process runs the command omlzoo; otherwise an empty text."""
    program = Path(sys.argv[0])
    own = program.stem == "omlzoo" or (program.name == "__main__.py" and program.parent.name == "omlzoo")
    return shlex.join(["omlzoo", *sys.argv[1:]]) if own else ""
