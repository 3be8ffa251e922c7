"""The parts of a report's page: numbers with intervals, figures, and pictures of queries with their hits."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from omlzoo.checkpoints.calibration import Calibration
from omlzoo.data.images import Box, to_rgb
from omlzoo.embedding.embeddings import Embeddings
from omlzoo.errors import BadImage
from omlzoo.evaluation import plots
from omlzoo.evaluation.attention import overlay
from omlzoo.metrics._pair_curve import PairCurve
from omlzoo.metrics.bootstrap import Comparison
from omlzoo.metrics.consistency import Utilities
from omlzoo.metrics.ranking import RetrievalPerQuery
from omlzoo.models._extractor import Extractor
from omlzoo.ops.codes import label_texts
from omlzoo.pages.render import Card, Row, thumbnail

__all__ = ["CATEGORIES", "calibration_of", "number_table", "query_sections", "report_figures"]

SHOWN = 12  # queries in each section
CATEGORIES = 20  # columns
CHANGED = 6  # queries that gained or lost most
GROUPS = ("per_category", "per_label", "per_relevance")
PANELS = {
    "Loss": ["loss"], "Selection rows": ["selection cmc@1", "selection map@5", "selection map@r"],
    "Active share": ["active"], "Learning rate": ["lr"],
}  # fmt: skip


Numbers = list[tuple[str, list[str]]]


def number_table(
    metrics: Mapping[str, Any],
    before: Mapping[str, Any] | None = None,
    intervals: Mapping[str, tuple[float, float]] | None = None,
    comparison: Mapping[str, Comparison] | None = None,
    baselines: Mapping[str, Mapping[str, Any]] | None = None,
) -> tuple[list[str], Numbers]:
    """The column headings, and the cells of each metric: values, intervals, differences, categories.

    Args:
        metrics: Values by metric; "per_category" and "per_relevance" have those of each category, and by what is right.
        before: Values of the model before, by metric; no column by default.
        intervals: The two ends of the 95 % interval, by metric; no column by default.
        comparison: Paired differences, by metric; no column by default.
        baselines: Values of what needs no training, by its name and by metric; no columns by default.
    """
    columns: list[tuple[str, Mapping[str, Any]]] = [("before", before)] if before else []
    columns.append(("after" if before else "value", metrics))
    categories = list(metrics.get("per_category", {}).items())[:CATEGORIES]
    head = [name for name, _ in columns] + ["95 % of draws"] * bool(intervals) + ["after - before"] * bool(comparison)
    others = [*(baselines or {}).items(), *metrics.get("per_relevance", {}).items(), *categories]
    head += [name for name, _ in others]
    numbers = []
    for name in metrics:
        if name not in GROUPS:
            cells = [_shown(values.get(name)) for _, values in columns]
            cells += [_interval(intervals.get(name))] if intervals else []
            cells += [_difference(comparison.get(name))] if comparison else []
            numbers.append((name, cells + [_shown(values.get(name)) for _, values in others]))
    return head, numbers


def query_sections(
    embeddings: Embeddings | None, ranking: RetrievalPerQuery | None, before: RetrievalPerQuery | None
) -> list[tuple[str, list[Row]]]:
    """The worst and best queries with their hits and, with a ranking before, those that gained and lost most.

    Args:
        embeddings: Embeddings of the ranked rows; without them there are no sections.
        ranking: Values and first hits of each query; without it there are no sections.
        before: Values and first hits of the same queries with the model before, or None.
    """
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


def report_figures(
    history: Mapping[Any, Sequence[float]] | None,
    embeddings: Embeddings | None,
    curve: PairCurve | None,
    utilities: Utilities | None,
    calibration: Calibration | None,
) -> list[str]:
    """The figures as SVG, each where its argument is not None and it can be drawn. They need matplotlib.

    Args:
        history: Values of each epoch, by column.
        embeddings: Embeddings with a column "label"; two rows or more.
        curve: Counts of positive and negative pairs over distance.
        utilities: Utility of each label over thresholds.
        calibration: The calibration of the model.
    """
    figures = plots.drawn(plots.curves, history, PANELS) if history else []
    if embeddings is not None and len(embeddings) > 1:
        labels = label_texts(embeddings.table["label"], "labels")
        figures += plots.drawn(plots.distances, embeddings.vectors, labels)
        figures += plots.drawn(plots.map_of, embeddings.vectors, labels)
    if curve is not None:
        figures += plots.drawn(plots.characteristic, curve.wrongly_accepted, curve.accepted)
    if utilities is not None and len(utilities.distances) > 1:
        figures += plots.drawn(plots.utility, utilities.distances, utilities.values)
    if calibration is not None:
        figures += plots.drawn(plots.chances, calibration.probability)
        figures += plots.drawn(plots.reliability, calibration.probability.reliability)
    return figures


def calibration_of(embeddings: Embeddings | None) -> Calibration | None:
    """The calibration of the entry of the model that made the embeddings; None where there is none."""
    weights = getattr(embeddings and embeddings.model, "weights", None)
    return None if weights is None else weights.entry.calibration


class _Pictures:
    """Cards of rows; each picture is read once."""

    def __init__(self, embeddings: Embeddings) -> None:
        table = embeddings.pictures()
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
        first = ranking.first[query]
        right = self.labels[first] == self.labels[row] if ranking.right is None else ranking.right[query]
        hits = [
            self.card(int(hit), f"{-score:.3f} away", bool(is_right))
            for hit, score, is_right in zip(first, ranking.scores[query], right, strict=True)
            if hit >= 0
        ]
        if looks and isinstance(self.model, Extractor):
            hits.insert(0, _looked_at(self.model, self.files[row], self.boxes[row]))
        return Row(self.card(row, f"{said}map@r {ranking.values['map@r'][query]:.2f}", None), hits)


def _looked_at(model: Extractor, file: Path, box: Box | None) -> Card:
    try:
        coloured = overlay(model, to_rgb(file, box))
    except BadImage:
        coloured = None
    return Card(None if coloured is None else thumbnail(coloured), "looks here")


def _shown(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value if value is not None else "")


def _interval(ends: tuple[float, float] | None) -> str:
    return "" if ends is None else f"{ends[0]:.4f} to {ends[1]:.4f}"


def _difference(found: Comparison | None) -> str:
    if found is None:
        return ""
    interval = f"{found.difference:+.4f} ({found.low:+.4f} to {found.high:+.4f})"
    return f"{interval}; {found.better} better, {found.worse} worse"
