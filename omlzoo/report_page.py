"""The page of a report: numbers with intervals, figures, findings, and pictures of queries with their hits."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from omlzoo import plots
from omlzoo import table as tables
from omlzoo.atomic import new_file
from omlzoo.attention import overlay
from omlzoo.calibration import Calibration
from omlzoo.embeddings import Embeddings
from omlzoo.errors import BadImage
from omlzoo.extractor import Extractor
from omlzoo.findings import Finding
from omlzoo.images import Box, to_rgb
from omlzoo.metrics.bootstrap import Comparison
from omlzoo.metrics.consistency import Utilities
from omlzoo.metrics.ranking import RetrievalPerQuery
from omlzoo.pages.render import Card, Row, report_page, thumbnail
from omlzoo.pair_distances import PairCurve

__all__ = ["write_page"]

SHOWN = 12  # queries in each section
CATEGORIES = 20  # columns
CHANGED = 6  # queries that gained or lost most
GROUPS = ("per_category", "per_label")
PANELS = {
    "Loss": ["loss"], "Selection rows": ["selection cmc@1", "selection map@5", "selection map@r"],
    "Active share": ["active"], "Learning rate": ["lr"],
}  # fmt: skip


class Shown(Protocol):
    """What a page shows; :class:`omlzoo.report.Report` is the one kind."""

    @property
    def metrics(self) -> Mapping[str, Any]: ...
    @property
    def facts(self) -> Mapping[str, Any]: ...
    @property
    def before(self) -> Mapping[str, Any] | None: ...
    @property
    def intervals(self) -> Mapping[str, tuple[float, float]]: ...
    @property
    def findings(self) -> Sequence[Finding]: ...
    @property
    def comparison(self) -> Mapping[str, Comparison]: ...
    @property
    def embeddings(self) -> Embeddings | None: ...
    @property
    def ranking(self) -> RetrievalPerQuery | None: ...
    @property
    def ranking_before(self) -> RetrievalPerQuery | None: ...
    @property
    def history(self) -> Mapping[Any, Sequence[float]] | None: ...
    @property
    def curve(self) -> PairCurve | None: ...
    @property
    def utilities(self) -> Utilities | None: ...


def write_page(report: Shown, definitions: Mapping[str, str], path: str | Path) -> None:
    """Write one page that loads nothing from elsewhere."""
    columns: list[tuple[str, Mapping[str, Any]]] = [("before", report.before)] if report.before else []
    columns.append(("after" if report.before else "value", report.metrics))
    head = [name for name, _ in columns] + ["95 % of draws"] * bool(report.intervals)
    head += ["after - before"] * bool(report.comparison)
    categories = list(report.metrics.get("per_category", {}).items())
    numbers = []
    for name in report.metrics:
        if name not in GROUPS:
            cells = [_shown(values.get(name)) for _, values in columns]
            cells += [_interval(report.intervals.get(name))] * bool(report.intervals)
            cells += [_difference(report.comparison.get(name))] * bool(report.comparison)
            numbers.append((name, cells + [_shown(values.get(name)) for _, values in categories[:CATEGORIES]]))
    head += [name for name, _ in categories[:CATEGORIES]]
    facts = [f"{name}: {value}" for name, value in report.facts.items()]
    facts += [f"Look: {each.text}." for each in report.findings]
    known = _calibration(report)
    if known is not None:
        facts += [f"Threshold {each.name}: {each.value:.4f}, {each.rule}." for each in known.cut_points]
    if len(categories) > CATEGORIES:
        facts.append(f"The table shows the first {CATEGORIES} of {len(categories)} categories; the JSON has all.")
    figures = _figures(report, facts)
    page = report_page("Retrieval report", facts, numbers, head, list(definitions.items()), _sections(report), figures)
    with new_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _sections(report: Shown) -> list[tuple[str, list[Row]]]:
    embeddings, ranking, before = report.embeddings, report.ranking, report.ranking_before
    if embeddings is None or ranking is None or not len(ranking.queries):
        return []
    pictures = _Pictures(embeddings)
    order = np.argsort(ranking.values["map@r"], kind="stable")
    sections = [
        ("Queries that went worst", [pictures.row(ranking, query, looks=True) for query in order[:SHOWN]]),
        ("Queries that went best", [pictures.row(ranking, query, looks=True) for query in order[::-1][:SHOWN]]),
    ]
    if before is None or not np.array_equal(before.queries, ranking.queries):
        return sections
    change = ranking.values["map@r"] - before.values["map@r"]
    order = np.argsort(change, kind="stable")
    gained = [query for query in order[::-1][:CHANGED] if change[query] > 0]
    lost = [query for query in order[:CHANGED] if change[query] < 0]
    for heading, chosen in (("Queries that gained most", gained), ("Queries that lost most", lost)):
        rows = [
            pictures.row(which, query, f"{when}: ", looks=which is ranking)
            for query in chosen
            for when, which in (("before", before), ("after", ranking))
        ]
        sections += [(heading, rows)] if rows else []
    return sections


def _figures(report: Shown, facts: list[str]) -> list[str]:
    if not plots.can_draw():
        facts.append("No curves: matplotlib is not installed (pip install 'omlzoo[train]').")
        return []
    figures = [] if not report.history else [plots.curves(report.history, PANELS)]
    if report.embeddings is not None and len(report.embeddings) > 1:
        labels = report.embeddings.table["label"].astype(str).to_numpy()
        vectors = report.embeddings.vectors
        figures += [plots.distances(vectors, labels), plots.map_of(vectors, labels)]
    if report.curve is not None:
        figures.append(plots.characteristic(report.curve.wrongly_accepted, report.curve.accepted))
    if report.utilities is not None and len(report.utilities.distances) > 1:
        figures.append(plots.utility(report.utilities.distances, report.utilities.values))
    known = _calibration(report)
    if known is not None:
        figures += [plots.chances(known.probability), plots.reliability(known.probability.reliability)]
    return figures


def _calibration(report: Shown) -> Calibration | None:
    """That of the model's entry, where the model is at hand."""
    facts = getattr(report.embeddings and report.embeddings.model, "weights", None)
    return None if facts is None else facts.entry.calibration


class _Pictures:
    """Cards of rows; each picture is read once."""

    def __init__(self, embeddings: Embeddings) -> None:
        table = tables.Table(embeddings.table, Path(embeddings.record.root), "")
        self.files, self.boxes, self.labels = table.files(), table.boxes(), table.frame["label"].to_numpy()
        self.model = embeddings.model
        self.drawn: dict[int, str | None] = {}

    def card(self, row: int, text: str, right: bool | None) -> Card:
        if row not in self.drawn:
            self.drawn[row] = thumbnail(self.files[row], self.boxes[row])
        return Card(self.drawn[row], str(self.labels[row]), text, right)

    def row(self, ranking: RetrievalPerQuery, query: int, said: str = "", looks: bool = False) -> Row:
        """A query with its hits, and before them where the model looks."""
        row = int(ranking.queries[query])
        hits = [
            self.card(int(place), f"{-score:.3f} away", bool(self.labels[place] == self.labels[row]))
            for place, score in zip(ranking.first[query], ranking.scores[query], strict=True)
            if place >= 0
        ]
        if looks and isinstance(self.model, Extractor):
            hits.insert(0, _looked_at(self.model, self.files[row], self.boxes[row]))
        return Row(self.card(row, f"{said}map@r {ranking.values['map@r'][query]:.2f}", None), hits)


def _looked_at(model: Extractor, file: Path, box: Box | None) -> Card:
    try:
        seen = overlay(model, to_rgb(file, box))
    except BadImage:
        seen = None
    return Card(None if seen is None else thumbnail(seen), "looks here")


def _shown(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value if value is not None else "")


def _interval(ends: tuple[float, float] | None) -> str:
    return "" if ends is None else f"{ends[0]:.4f} to {ends[1]:.4f}"


def _difference(found: Comparison | None) -> str:
    if found is None:
        return ""
    interval = f"{found.difference:+.4f} ({found.low:+.4f} to {found.high:+.4f})"
    return f"{interval}; {found.better} better, {found.worse} worse"
