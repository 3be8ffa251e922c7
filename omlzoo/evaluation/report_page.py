"""The parts of a report's page: numbers, categories, charts, the map, and pictures of queries with their hits."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from omlzoo.checkpoints.calibration import Calibration
from omlzoo.data.images import to_rgb
from omlzoo.embedding.embeddings import Embeddings
from omlzoo.errors import BadImage
from omlzoo.evaluation import plots
from omlzoo.evaluation.attention import overlay
from omlzoo.evaluation.card_titles import card_titles
from omlzoo.evaluation.embedding_map import map_of_rows, outcomes, principal_components, rows_on_map
from omlzoo.evaluation.report_text import GROUPS
from omlzoo.metrics._pair_curve import PairCurve
from omlzoo.metrics.bootstrap import Comparison
from omlzoo.metrics.consistency import Utilities
from omlzoo.metrics.ranking import RetrievalPerQuery
from omlzoo.models._extractor import Extractor
from omlzoo.ops.codes import label_texts
from omlzoo.pages.album import Album
from omlzoo.pages.charts import Chart, Colouring, Map
from omlzoo.pages.parts import Card, Row, Section

__all__ = ["calibration_of", "category_table", "number_table", "query_sections", "report_charts"]

SHOWN = 8  # worst queries, and twice as many as best ones
HITS = 6  # of a query
CHANGED = 6  # queries that gained or lost most
PANELS = (
    ("Loss", "loss", ["loss"]),
    (
        "Selection rows",
        "metric",
        [
            "selection cmc@1",
            "selection map@5",
            "selection map@r",
            "selection image_to_text_recall@1",
            "selection text_to_image_recall@1",
        ],
    ),
    ("Active share", "share of pairs or triplets", ["active"]),
    ("Learning rate", "learning rate", ["lr"]),
)
MEANING = (
    "map@r is 1 where all pictures of the query's label come first, and 0 where none of them comes among the first."
)
CHANGE = "By map@r of the model before and of this one; its hits before stand above those after."


Numbers = list[tuple[str, list[str]]]
CategoryTable = tuple[Sequence[str], Sequence[Sequence[str]]]


def number_table(
    metrics: Mapping[str, Any],
    before: Mapping[str, Any] | None = None,
    intervals: Mapping[str, tuple[float, float]] | None = None,
    comparison: Mapping[str, Comparison] | None = None,
    baselines: Mapping[str, Mapping[str, Any]] | None = None,
) -> tuple[list[str], Numbers]:
    """The column headings, and the cells of each metric: values, intervals, differences.

    Args:
        metrics: Values by metric; "per_relevance" has those by what counts as right.
        before: Values of the model before, by metric; no column by default.
        intervals: The two ends of the 95 % interval, by metric; no column by default.
        comparison: Paired differences, by metric; no column by default.
        baselines: Values of what needs no training, by its name and by metric; no columns by default.
    """
    columns: list[tuple[str, Mapping[str, Any]]] = [("before", before)] if before else []
    columns.append(("after" if before else "value", metrics))
    head = [name for name, _ in columns] + ["95 % of draws"] * bool(intervals) + ["after - before"] * bool(comparison)
    others = [*(baselines or {}).items(), *metrics.get("per_relevance", {}).items()]
    head += [name for name, _ in others]
    numbers = []
    for name in metrics:
        if name not in GROUPS:
            cells = [_shown(values.get(name)) for _, values in columns]
            cells += [_interval(intervals.get(name))] if intervals else []
            cells += [_difference(comparison.get(name))] if comparison else []
            numbers.append((name, cells + [_shown(values.get(name)) for _, values in others]))
    return head, numbers


def category_table(metrics: Mapping[str, Any], before: Mapping[str, Any] | None = None) -> CategoryTable:
    """Headings and rows of the metrics of each category, the worst first and none left out.

    Args:
        metrics: Values by metric; "per_category" has those of each category.
        before: Values of the model before; its first metric gets a column where it has categories too.
    """
    categories = metrics.get("per_category", {})
    if not categories:
        return (), ()
    names = [name for name in next(iter(categories.values())) if name != "queries_without_relevant"]
    counts, shares = [name for name in names if name == "queries"], [name for name in names if name != "queries"]
    earlier = (before or {}).get("per_category", {})
    worst = sorted(categories.items(), key=lambda each: _rank(each[1].get(shares[0])))
    head = ["category", *counts, *shares[:1], *["before"] * bool(earlier), *shares[1:]]
    rows = []
    for category, values in worst:
        cells = [_shown(values.get(name)) for name in counts + shares[:1]]
        cells += [_shown(earlier.get(category, {}).get(shares[0]))] if earlier else []
        rows.append([str(category), *cells, *[_shown(values.get(name)) for name in shares[1:]]])
    return head, rows


def query_sections(
    embeddings: Embeddings | None, ranking: RetrievalPerQuery | None, before: RetrievalPerQuery | None, album: Album
) -> list[Section]:
    """The worst and best queries with their hits and, with a ranking before, those that gained and lost most.

    Args:
        embeddings: Embeddings of the ranked rows; without them there are no sections.
        ranking: Values and first hits of each query; without it there are no sections.
        before: Values and first hits of the same queries with the model before, or None.
        album: The pictures of the page.
    """
    if embeddings is None or ranking is None or not len(ranking.queries):
        return []
    pictures = _Pictures(embeddings, album)
    values = ranking.values["map@r"]
    order = np.argsort(values, kind="stable")
    worst = [pictures.row(ranking, query, looks=True) for query in order[:SHOWN]]
    sections = []
    if before is not None and np.array_equal(before.queries, ranking.queries):
        change = values - before.values["map@r"]
        by_change = np.argsort(change, kind="stable")
        gained = [query for query in by_change[::-1][:CHANGED] if change[query] > 0]
        lost = [query for query in by_change[:CHANGED] if change[query] < 0]
        for kind, chosen in (("gained", gained), ("lost", lost)):
            rows = [pictures.row(ranking, query, before) for query in chosen]
            sections.append(Section(f"Queries that {kind} most", rows, CHANGE, kind))
    best = [pictures.row(ranking, query) for query in order[::-1][: SHOWN // 2]]
    return [
        Section("Queries that went worst", worst, MEANING, "worst"),
        Section("Queries that went best", best, MEANING, "best"),
        *sections,
    ]


def report_charts(
    history: Mapping[Any, Sequence[float]] | None,
    embeddings: Embeddings | None,
    ranking: RetrievalPerQuery | None,
    curve: PairCurve | None,
    utilities: Utilities | None,
    calibration: Calibration | None,
) -> list[Chart | Map]:
    """The charts and the map, each where its argument is not None and it can be drawn.

    Args:
        history: Values of each epoch, by column.
        embeddings: Embeddings with a column "label"; two rows or more.
        ranking: The first hits of the queries among them.
        curve: Counts of positive and negative pairs over distance.
        utilities: Utility of each label over thresholds.
        calibration: The calibration of the model.
    """
    charts: list[Chart | Map] = []
    for heading, unit, names in PANELS if history else ():
        known = [name for name in names if history and name in history]
        charts += plots.drawn(plots.curves, heading, unit, history, known) if known else []
    if embeddings is not None and len(embeddings) > 1:
        labels = label_texts(embeddings.table["label"], "labels")
        charts += plots.drawn(plots.distances, embeddings.vectors, labels)
        charts += plots.drawn(embedding_map, embeddings, ranking)
    if curve is not None:
        charts += plots.drawn(plots.characteristic, curve.wrongly_accepted, curve.accepted)
    if utilities is not None and len(utilities.distances) > 1:
        charts += plots.drawn(plots.utility, utilities.distances, utilities.values)
    if calibration is not None:
        charts += plots.drawn(plots.chances, calibration.probability)
        charts += plots.drawn(plots.reliability, calibration.probability.reliability)
    return charts


def embedding_map(embeddings: Embeddings, ranking: RetrievalPerQuery | None) -> Map:
    """The rows on their first two principal components; without a ranking no point is right or wrong.

    Args:
        embeddings: Embeddings of two rows or more, with a column "label".
        ranking: The first hits of the queries among them.
    """
    rows = rows_on_map(len(embeddings))
    asked = ranking is not None and len(ranking.queries) > 0
    columns = [Colouring("first hit", outcomes(embeddings.table, ranking), "outcome")] if ranking and asked else []
    text = (
        f"{len(rows):,} of {len(embeddings):,} rows on the two directions in which they differ most. Near points are "
        "alike, but far more than two directions decide a search. Zoom with the buttons or with Ctrl and the wheel; "
        "draw a lasso around points to save their rows."
    )
    return map_of_rows(
        "Embeddings", text, principal_components(embeddings.vectors[rows]), rows, embeddings.pictures(), columns
    )


def calibration_of(embeddings: Embeddings | None) -> Calibration | None:
    """The calibration of the entry of the model that made the embeddings; None where there is none."""
    weights = getattr(embeddings and embeddings.model, "weights", None)
    return None if weights is None else weights.entry.calibration


class _Pictures:
    """Cards of rows."""

    def __init__(self, embeddings: Embeddings, album: Album) -> None:
        table = embeddings.pictures()
        self.files, self.boxes, self.labels = table.files(), table.boxes(), table.frame["label"].to_numpy()
        self.titles = card_titles(table.frame)
        self.names = [str(path) for path in table.frame["path"]]
        self.model, self.album = embeddings.model, album

    def card(self, row: int, text: str, right: bool | None, why: str) -> Card:
        return self.album.card(
            self.files[row], self.boxes[row], self.titles[row], text, right, name=str(self.names[row]), why=why
        )

    def row(
        self, ranking: RetrievalPerQuery, query: int, before: RetrievalPerQuery | None = None, looks: bool = False
    ) -> Row:
        """A query with its hits, those of a model before it too, or first of all where the model looks."""
        row = int(ranking.queries[query])
        hits = self._hits(ranking, query)
        value = f"map@r {ranking.values['map@r'][query]:.2f}"
        if before is not None:
            value = f"map@r {before.values['map@r'][query]:.2f} \u2192 {ranking.values['map@r'][query]:.2f}"
        if looks and isinstance(self.model, Extractor):
            hits.insert(0, self._looked_at(self.model, row))
        right = sum(hit.right is True for hit in hits)
        why = f"{right} of the {len(hits)} hits shown are right"
        return Row(self.card(row, value, None, why), hits, [] if before is None else self._hits(before, query))

    def _hits(self, ranking: RetrievalPerQuery, query: int) -> list[Card]:
        row = int(ranking.queries[query])
        cards, first = [], ranking.first[query][:HITS]
        same = self.labels[first] == self.labels[row] if ranking.right is None else ranking.right[query]
        for rank, (hit, score, right) in enumerate(zip(first, ranking.scores[query], same, strict=False), 1):
            if hit < 0:
                continue
            also = "which is right" if right else f"which is not right for the query, {self.labels[row]}"
            why = f"hit {rank} of this query, at a distance of {-score:.4f}; its label is {self.labels[hit]}, {also}"
            cards.append(self.card(int(hit), f"{-score:.3f} away", bool(right), why))
        return cards

    def _looked_at(self, model: Extractor, row: int) -> Card:
        try:
            coloured = overlay(model, to_rgb(self.files[row], self.boxes[row]))
        except BadImage:
            coloured = None
        why = "red where the model looks most, when it makes the vector of the query"
        picture = None if coloured is None else self.album.picture(coloured)
        return Card(picture, "looks here", "red: most", name=str(self.names[row]), why=why)


def _shown(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value if value is not None else "")


def _rank(value: Any) -> float:
    """Where a value stands among others: what is not known comes last."""
    return float(value) if isinstance(value, float) and value == value else float("inf")


def _interval(ends: tuple[float, float] | None) -> str:
    return "" if ends is None else f"{ends[0]:.4f} to {ends[1]:.4f}"


def _difference(found: Comparison | None) -> str:
    if found is None:
        return ""
    interval = f"{found.difference:+.4f} ({found.low:+.4f} to {found.high:+.4f})"
    return f"{interval}; {found.better} better, {found.worse} worse"
