"""What a table of evidence is: rows that can be run again by name, and how each is written."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["DATA", "Table", "between", "measured"]

DATA = Path(__file__).parents[3] / "shared" / "data"
METRICS = ("cmc@1", "map@r")


@dataclass(frozen=True)
class Table:
    """A table of the page.

    Attributes:
        title: Its heading.
        text: What stands above it: data, settings, budget.
        columns: The heads of the columns behind the row's name.
        cells: The cells of a row that was run, from what it kept.
        rows: What a row runs, by its name; it gives plain values, of which "seeds" are those it was run with.
    """

    title: str
    text: str
    columns: tuple[str, ...]
    cells: Callable[[Mapping[str, Any]], list[str]]
    rows: Mapping[str, Callable[[], dict[str, Any]]]


def between(interval: tuple[float, float] | None) -> str:
    """An interval as text; empty where there is none."""
    return "" if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"


def measured(reports: list[Any]) -> dict[str, Any]:
    """Means over the reports of several seeds, and the interval over labels of each query's mean.

    Args:
        reports: Reports of one table, a model each.
    """
    import numpy as np

    from omlzoo.metrics.bootstrap import intervals

    ranking = reports[0].ranking
    labels = reports[0].embeddings.table["label"].to_numpy()[ranking.queries]
    means = {name: np.mean([each.ranking.values[name] for each in reports], axis=0) for name in METRICS}
    return {**{name: float(np.nanmean(value)) for name, value in means.items()},
            "interval": intervals(means, labels)["cmc@1"],
            "of each seed": [each.metrics["cmc@1"] for each in reports]}  # fmt: skip
