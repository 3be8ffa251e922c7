"""The zoo as a page that is filtered and sorted."""

from collections.abc import Sequence

from omlzoo.pages.parts import Cell, Column, Heading
from omlzoo.pages.render import table_page
from omlzoo.zoo.costs import circumstances
from omlzoo.zoo.overview import Overview
from omlzoo.zoo.tasks import BENCHMARKS, figures

__all__ = ["overview_page"]

USE = {True: "yes", False: "no", None: "unknown"}
COLUMNS = (
    Column("family", filter="choice"),
    Column("task", filter="choice", title="What facts of the entry speak of; general where none does"),
    Column("dim", "number", "at most", "Numbers of an embedding"),
    Column("params M", "number", "at most", "Millions of parameters"),
    Column("GFLOPs", "number", title="Operations of one image; a multiplication and an addition are two"),
    Column("img/s", "number", "at least", "Images per second on one core, with random weights"),
    Column("licence", filter="choice"),
    Column("commercial", filter="choice", title="Whether the licence allows commercial use"),
    Column("text", filter="choice", title="Whether pictures are searched by words"),
    Column("pinned", filter="choice", title="Whether the entry has commit and sha256 of the file"),
)
HERE = Column("here", filter="choice", title="Whether the weights are on this machine")
SHOWN = 5  # benchmarks with a column


def overview_page(found: Sequence[Overview], local: bool, date: str = "") -> str:
    """The HTML of checkpoints with their costs and published figures.

    Args:
        found: The checkpoints.
        local: Whether to say which of them are on this machine.
        date: The date of the page as YYYY-MM-DD; empty for none.
    """
    how = circumstances()
    facts = [
        f"Speed: {how['threads']} thread, batches of {how['batch']}, {how['precision']}, random weights, torch "
        f"{how['torch']}; {how['machine']}; {how['date']}. {how['note']} Not measured: {how['unmeasured']}.",
        "Figures are published ones, of whoever the tooltip names: those with an a are the authors', the others Open "
        "Metric Learning's or this project's. k-NN is top-1 on ImageNet-1k, the others are CMC@1. Empty: nobody "
        "published one.",
    ]
    shown = _benchmarks(found)
    columns = [*COLUMNS, *[HERE] * local, *(Column(name, "number", title=title) for name, title in shown.items())]
    rows = [(one.entry.name, [*_cells(one, local), *_figures(one, shown)]) for one in found]
    return table_page(Heading("The zoo", date=date), facts, "name", columns, rows)


def _cells(one: Overview, local: bool) -> list[Cell]:
    entry, facts = one.entry, one.facts(local)
    return [
        Cell(entry.family, entry.family),
        Cell(", ".join(one.tasks), "|".join(one.tasks)),
        Cell(str(entry.dim), entry.dim),
        Cell(f"{entry.params / 1e6:,.1f}", entry.params / 1e6),
        Cell(f"{one.flops / 1e9:,.1f}", one.flops / 1e9) if one.flops else Cell(""),
        Cell(f"{one.speed:g}", one.speed) if one.speed else Cell(""),
        Cell(entry.license or "unknown", entry.license or "unknown"),
        Cell(USE[entry.commercial], USE[entry.commercial]),
        *(Cell("yes", "yes") if facts[key] else Cell("", "no") for key in ("text", "pinned")),
        *([Cell(one.place or "", "yes" if one.place else "no")] * local),
    ]  # fmt: skip


def _benchmarks(found: Sequence[Overview]) -> dict[str, str]:
    """The benchmarks that most of the checkpoints have a figure in, in the order of the table, with their names."""
    counts = {each.short: 0 for each in BENCHMARKS}
    for one in found:
        for figure in figures(one.entry):
            counts[figure.benchmark.short] += 1
    most = sorted(filter(counts.get, counts), key=lambda short: -counts[short])[:SHOWN]
    return {each.short: f"{each.metric} on {each.dataset}" for each in BENCHMARKS if each.short in most}


def _figures(one: Overview, shown: dict[str, str]) -> list[Cell]:
    known = {figure.benchmark.short: figure.metric for figure in figures(one.entry)}
    cells = []
    for short in shown:
        metric = known.get(short)
        if metric is None:
            cells.append(Cell(""))
            continue
        mark = " a" if metric.by == "authors" else ""
        cells.append(Cell(f"{metric.value:.3f}{mark}", metric.value, f"{metric.metric} by {metric.by}: {metric.where}"))
    return cells
