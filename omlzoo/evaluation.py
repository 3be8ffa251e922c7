"""evaluate(): a model on the validation rows of a table."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from omlzoo import plots
from omlzoo import table as tables
from omlzoo.atomic import new_file
from omlzoo.attention import overlay
from omlzoo.embeddings import ERROR, Embeddings
from omlzoo.errors import BadImage, BadInput, OmlzooWarning
from omlzoo.extraction import embed_table, open_model
from omlzoo.extractor import Extractor
from omlzoo.images import Box, to_rgb
from omlzoo.jsontext import to_json
from omlzoo.metrics.ranking import RetrievalPerQuery, averages, retrieval_per_query
from omlzoo.pages.render import Card, Row, report_page, thumbnail
from omlzoo.pipeline import Precision

__all__ = ["DEFINITIONS", "Report", "evaluate", "evaluate_embeddings"]

DEFINITIONS = {
    "cmc@k": "Share of queries with at least one relevant picture among the first k.",
    "precision@k": "Relevant pictures among the first k, divided by the smaller of k and the number of relevant ones.",
    "map@k": "Mean precision at the ranks of the relevant pictures among the first k (Open Metric Learning's form).",
    "map@r": "The same over the first R, R being the number of relevant pictures, divided by R.",
    "r_precision": "Share of relevant pictures among the first R.",
    "queries_without_relevant": "Queries whose label no gallery picture has; they are not averaged in.",
}
SHOWN = 12  # queries in each section of the page
CATEGORIES = 20  # columns of the page
CHANGED = 6  # queries that gained or lost most
RANKS = (1, 5, 10)
PANELS = {
    "Loss": ["loss"], "Selection rows": ["selection cmc@1", "selection map@5", "selection map@r"],
    "Active share": ["active"], "Learning rate": ["lr"],
}  # fmt: skip


@dataclass(frozen=True)
class Report:
    """Metrics of a model on a table.

    Attributes:
        metrics: As :func:`omlzoo.metrics.retrieval` gives them.
        facts: What was measured: model, table, counts, settings.
        before: Metrics of the model that fine-tuning started from, where there was one.
        errors: Path and error of the rows that could not be read; they count in nothing else.
    """

    metrics: dict[str, Any]
    facts: dict[str, Any]
    before: dict[str, Any] | None = None
    errors: dict[str, str] = field(default_factory=dict)
    embeddings: Embeddings | None = field(default=None, repr=False, compare=False)
    ranking: RetrievalPerQuery | None = field(default=None, repr=False, compare=False)
    ranking_before: RetrievalPerQuery | None = field(default=None, repr=False, compare=False)
    history: Mapping[Any, Sequence[float]] | None = field(default=None, repr=False, compare=False)

    def to_json(self) -> str:
        """Everything but the vectors, as JSON."""
        values = {"facts": self.facts, "metrics": self.metrics, "before": self.before, "errors": self.errors}
        return to_json({**values, "definitions": DEFINITIONS}) + "\n"

    def save(self, path: str | Path) -> None:
        """Write the JSON."""
        with new_file(path) as temporary:
            temporary.write_text(self.to_json(), encoding="utf-8")

    def html(self, path: str | Path) -> None:
        """Write one page: numbers, definitions, figures, and the worst, best and most changed queries with their hits.

        Figures need matplotlib; without it the page says so.
        """
        columns: list[tuple[str, Mapping[str, Any]]] = [("before", self.before)] if self.before else []
        columns.append(("after" if self.before else "value", self.metrics))
        categories = list(self.metrics.get("per_category", {}).items())
        columns += categories[:CATEGORIES]
        numbers = [
            (name, [_shown(values.get(name)) for _, values in columns])
            for name in self.metrics
            if name != "per_category"
        ]
        facts = [f"{name}: {value}" for name, value in self.facts.items()]
        if len(categories) > CATEGORIES:
            facts.append(f"The table shows the first {CATEGORIES} of {len(categories)} categories; the JSON has all.")
        page = report_page(
            "Retrieval report",
            facts,
            numbers,
            [name for name, _ in columns],
            list(DEFINITIONS.items()),
            self._sections(),
            self._figures(facts),
        )
        with new_file(path) as temporary:
            temporary.write_text(page, encoding="utf-8")

    def _sections(self) -> list[tuple[str, list[Row]]]:
        if self.embeddings is None or self.ranking is None or not len(self.ranking.queries):
            return []
        order = np.argsort(self.ranking.values["map@r"], kind="stable")
        sections = [
            ("Queries that went worst", [self._row(self.ranking, query) for query in order[:SHOWN]]),
            ("Queries that went best", [self._row(self.ranking, query) for query in order[::-1][:SHOWN]]),
        ]
        before = self.ranking_before
        if before is None or not np.array_equal(before.queries, self.ranking.queries):
            return sections
        change = self.ranking.values["map@r"] - before.values["map@r"]
        order = np.argsort(change, kind="stable")
        gained = [query for query in order[::-1][:CHANGED] if change[query] > 0]
        lost = [query for query in order[:CHANGED] if change[query] < 0]
        for heading, chosen in (("Queries that gained most", gained), ("Queries that lost most", lost)):
            rows = [
                self._row(ranking, query, f"{when}: ")
                for query in chosen
                for when, ranking in (("before", before), ("after", self.ranking))
            ]
            sections += [(heading, rows)] if rows else []
        return sections

    def _figures(self, facts: list[str]) -> list[str]:
        if not plots.can_draw():
            facts.append("No curves: matplotlib is not installed (pip install 'omlzoo[train]').")
            return []
        figures = [] if not self.history else [plots.curves(self.history, PANELS)]
        if self.embeddings is not None and len(self.embeddings) > 1:
            labels = self.embeddings.table["label"].astype(str).to_numpy()
            figures += [plots.distances(self.embeddings.vectors, labels), plots.map_of(self.embeddings.vectors, labels)]
        return figures

    def _row(self, ranking: RetrievalPerQuery, query: int, said: str = "") -> Row:
        if self.embeddings is None:
            return Row(Card(None, ""), [])
        table = tables.Table(self.embeddings.table, Path(self.embeddings.record.root), "")
        label = table.frame["label"]
        row = int(ranking.queries[query])

        def card(at: int, text: str, right: bool | None) -> Card:
            one = table.rows(np.arange(len(table)) == at)
            return Card(thumbnail(one.files()[0], one.boxes()[0]), str(label.iloc[at]), text, right)

        places, scores = ranking.first[query], ranking.scores[query]
        hits = [
            card(int(place), f"{-score:.3f} away", bool(label.iloc[place] == label.iloc[row]))
            for place, score in zip(places, scores, strict=True)
            if place >= 0
        ]
        model = self.embeddings.model
        if ranking is self.ranking and isinstance(model, Extractor):
            hits.insert(0, self._looked_at(model, table.files()[row], table.boxes()[row]))
        return Row(card(row, f"{said}map@r {ranking.values['map@r'][query]:.2f}", None), hits)

    @staticmethod
    def _looked_at(model: Extractor, file: Path, box: Box | None) -> Card:
        try:
            seen = overlay(model, to_rgb(file, box))
        except BadImage:
            seen = None
        return Card(None if seen is None else thumbnail(seen), "looks here")


def evaluate(
    model: Extractor | str | Path | Embeddings,
    table: str | Path | pd.DataFrame | None = None,
    *,
    root: str | Path | None = None,
    cmc: Sequence[int] = RANKS,
    precision_at: Sequence[int] = RANKS,
    map: Sequence[int] = (5, 10),
    batch_size: int = 32,
    precision: Precision = "auto",
    workers: int | None = None,
    device: str = "auto",
    progress: bool = True,
) -> Report:
    """Retrieval metrics of a model on the validation rows of a table.

    Args:
        model: An extractor, what ``omlzoo.get_model`` opens, or Embeddings with the columns of the table.
        table: A csv, parquet file, DataFrame, or a folder with a sub-folder per label; not with Embeddings.
        root: Where relative paths start; the table's folder by default.
        cmc: Ranks k of cmc@k.
        precision_at: Ranks k of precision@k.
        map: Ranks k of map@k.
        batch_size: As in ``omlzoo.embed``, like the others below it.
        precision: Of the computation.
        workers: Threads.
        device: Where the model runs.
        progress: Draw a bar where standard error is a terminal.

    Raises:
        BadTable: The table has faults; all are listed.
    """
    if isinstance(model, Embeddings):
        if table is not None:
            raise BadInput("table is given together with embeddings; embeddings have their own rows, leave table out")
        embeddings, name = model, "embeddings"
    else:
        if table is None:
            raise BadInput("table is missing; give a csv, a parquet file, a DataFrame or a folder")
        read = tables.read(table, "evaluate", root)
        read = read.rows((read.frame["split"] == "validation").to_numpy())
        embeddings = embed_table(
            open_model(model), read, batch_size=batch_size, precision=precision,
            workers=workers, device=device, progress=progress,
        )  # fmt: skip
        name = read.name
    return evaluate_embeddings(embeddings, name, cmc=cmc, precision_at=precision_at, map=map)


def evaluate_embeddings(
    embeddings: Embeddings,
    name: str,
    *,
    cmc: Sequence[int] = RANKS,
    precision_at: Sequence[int] = RANKS,
    map: Sequence[int] = (5, 10),
) -> Report:
    """As :func:`evaluate`, of vectors that were computed already; ``name`` says of what."""
    missing = {"label", "is_query", "is_gallery"} - set(embeddings.table.columns)
    if missing:
        raise BadInput(f"the embeddings lack the columns {', '.join(sorted(missing))}; embed a table that has them")
    empty = int((embeddings.table["label"].astype(str) == "").sum())
    if empty:
        raise BadInput(f"{empty} of {len(embeddings)} rows have no label; give each one, or leave those rows out")
    failed = embeddings.table[~embeddings.good]
    good = embeddings.rows(embeddings.good)
    frame = good.table
    sequences = frame["sequence"].to_numpy() if "sequence" in frame else None
    categories = frame["category"].to_numpy() if "category" in frame else None
    asked: dict[str, Any] = {
        "is_query": frame["is_query"].to_numpy(bool), "is_gallery": frame["is_gallery"].to_numpy(bool),
        "sequences": sequences, "cmc": cmc, "precision": precision_at, "map": map,
    }  # fmt: skip
    labels = frame["label"].to_numpy()
    ranking = retrieval_per_query(good.vectors, labels, **asked)
    metrics = averages(ranking, **({} if categories is None else {"per_category": categories}))
    if metrics["queries_without_relevant"]:
        count = f"{metrics['queries_without_relevant']} of {metrics['queries']} queries"
        warnings.warn(f"{count} have no relevant picture in the gallery and are not averaged in", OmlzooWarning, 3)
    facts = {
        "model": embeddings.record.model,
        "weights sha256": embeddings.record.sha256,
        "table": name,
        "queries": metrics["queries"],
        "gallery": int(frame["is_gallery"].sum()),
        "labels": int(frame["label"].nunique()),
        "unreadable pictures": len(failed),
        "distance": "Euclidean",
        "precision": embeddings.record.precision,
    }
    errors = dict(zip(failed["path"], failed[ERROR], strict=True))
    return Report(metrics, facts, None, errors, good, ranking)


def _shown(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value if value is not None else "")
