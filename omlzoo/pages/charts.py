"""Charts and maps as plain values, which the page's own script draws, with words for who does not see them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from omlzoo.pages.labels import readable, shortened

if TYPE_CHECKING:  # so that a page of text does not import numpy
    import numpy as np

__all__ = ["Atlas", "Axis", "Chart", "Colouring", "Map", "Series"]

Values: TypeAlias = "Sequence[float] | np.ndarray"

DIGITS = 4  # of a value in a page


@dataclass(frozen=True)
class Axis:
    """An axis.

    Attributes:
        name: What it measures, with its unit.
        low: Where it begins; None where the values say so.
        high: Where it ends.
        log: Whether it is logarithmic.
        whole: Whether only whole numbers have a mark.
    """

    name: str
    low: float | None = None
    high: float | None = None
    log: bool = False
    whole: bool = False


@dataclass(frozen=True)
class Series:
    """Values that belong together.

    Attributes:
        name: Its name in the legend.
        x: K positions, ascending.
        y: K values.
        kind: A line, a step of a histogram, a line with dots, dots alone, or the band from ``y`` to ``high``.
        high: K upper ends of a band.
        sizes: K sizes of dots, in pixels.
        colour: What the colour means: the palette's next, a right or a wrong answer, or nothing.
    """

    name: str
    x: Values
    y: Values
    kind: Literal["line", "step", "dotted", "dots", "band"] = "line"
    high: Values = ()
    sizes: Values = ()
    colour: Literal["", "right", "wrong", "quiet"] = ""

    def plain(self) -> dict[str, Any]:
        """As the page's script reads it."""
        return {
            "name": shortened(self.name), "x": _numbers(self.x), "y": _numbers(self.y), "kind": self.kind,
            "high": _numbers(self.high), "sizes": _numbers(self.sizes), "colour": self.colour,
        }  # fmt: skip


@dataclass(frozen=True)
class Chart:
    """A chart of lines or dots.

    Attributes:
        title: What it shows, in a few words.
        text: What one sees in it, in a sentence or two: the caption, and the words for who does not see it.
        x: The axis across.
        y: The axis upwards.
        series: What is drawn.
    """

    title: str
    text: str
    x: Axis
    y: Axis
    series: Sequence[Series]

    def plain(self) -> dict[str, Any]:
        """As the page's script reads it."""
        axes = {"x": vars(self.x), "y": vars(self.y)}
        return {"kind": "chart", "title": self.title, **axes, "series": [each.plain() for each in self.series]}


@dataclass(frozen=True)
class Atlas:
    """Small pictures in one image, in rows.

    Attributes:
        image: The data URI of the image.
        side: Pixels of a picture's side.
        across: Pictures in a row.
        places: (N,) which of them belongs to each point; -1 for none.
    """

    image: str
    side: int
    across: int
    places: Sequence[int]


@dataclass(frozen=True)
class Colouring:
    """A column by which the points of a map are coloured.

    Attributes:
        name: The name of the column.
        values: (N,) its values: texts or numbers.
        kind: "choice": a colour for each frequent value; "number": from low to high; "outcome": right and wrong.
    """

    name: str
    values: Sequence[Any]
    kind: Literal["choice", "number", "outcome"] = "choice"

    def plain(self) -> dict[str, Any]:
        """As the page's script reads it: of choices the values, cut as labels are, and which of them each point has."""
        if self.kind == "number":
            return {"name": shortened(self.name), "kind": self.kind, "values": _numbers(self.values)}
        names: dict[str, int] = {}
        codes = [names.setdefault(readable(str(value)), len(names)) for value in self.values]
        shown = [shortened(name) for name in names]
        return {"name": shortened(self.name), "kind": self.kind, "names": shown, "codes": codes}


@dataclass(frozen=True)
class Map:
    """Points in the plane, each a row: zoomed, coloured by a column, told by its picture, chosen with a lasso.

    Attributes:
        title: What it shows, in a few words.
        text: What one sees in it, in a sentence or two.
        x: (N,) positions across.
        y: (N,) positions upwards.
        names: (N,) paths.
        columns: The columns to colour by; the first one is shown first.
        pictures: Their small pictures; None for none.
    """

    title: str
    text: str
    x: Values
    y: Values
    names: Sequence[str]
    columns: Sequence[Colouring]
    pictures: Atlas | None = None

    def plain(self) -> dict[str, Any]:
        """As the page's script reads it."""
        return {
            "kind": "map", "title": self.title, "x": _numbers(self.x), "y": _numbers(self.y),
            "names": [readable(name) for name in self.names],
            "columns": [each.plain() for each in self.columns],
            "pictures": None if self.pictures is None else vars(self.pictures),
        }  # fmt: skip


def _numbers(values: Values) -> list[float | None]:
    """Values of four digits; None for those that are no numbers."""
    return [float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None for value in map(float, values)]
