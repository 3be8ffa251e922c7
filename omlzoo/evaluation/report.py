"""The report of an evaluation: metrics with intervals and definitions, and findings."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from omlzoo.embedding.embeddings import Embeddings
from omlzoo.errors import BadInput
from omlzoo.evaluation.answer import answer, answering
from omlzoo.evaluation.finding_cards import finding_cards
from omlzoo.evaluation.findings import Finding
from omlzoo.evaluation.report_notebook import report_html
from omlzoo.evaluation.report_page import calibration_of, category_table, number_table, query_sections, report_charts
from omlzoo.evaluation.report_text import Measured, report_lines
from omlzoo.files import new_file
from omlzoo.jsonio import made_with, to_json
from omlzoo.metrics._pair_curve import PairCurve
from omlzoo.metrics.bootstrap import Comparison, compare, intervals
from omlzoo.metrics.consistency import Utilities
from omlzoo.metrics.ranking import RetrievalPerQuery
from omlzoo.ops.codes import label_texts
from omlzoo.pages.album import Album
from omlzoo.pages.parts import Heading
from omlzoo.pages.render import report_page

__all__ = ["DEFINITIONS", "Report", "compare_rankings"]

DEFINITIONS = {
    "cmc@k": "Share of queries with at least one relevant picture among the first k.",
    "precision@k": "Relevant pictures among the first k, divided by the smaller of k and the number of relevant ones.",
    "map@k": "Mean precision at the ranks of the relevant pictures among the first k (Open Metric Learning's form).",
    "map@r": "The same over the first R, R being the number of relevant pictures, divided by R.",
    "r_precision": "Share of relevant pictures among the first R.",
    "ap": "Mean precision at the ranks of all relevant pictures of the whole gallery: re-identification's mAP.",
    "inp": "Precision at the rank of the last relevant picture.",
    "ndcg@k": "Relevant pictures among the first k, each by 1 / log2(1 + rank), as a share of the best order's.",
    "auc": "Chance that a positive pair (of the same label) is nearer than a negative pair (of different labels).",
    "eer": "Error rate of pairs at the distance where the false accept and the false reject rate are equal.",
    "tar@far=x": "True accept rate (TAR): share of positive pairs accepted where the false accept rate (FAR) is x.",
    "distance@far=x": "The threshold of that FAR: the x-quantile of the distances of negative pairs.",
    "opis": "Variance between labels of a threshold's utility, between false accept rates of 0.01 and 0.1.",
    "pcf@x": "Share of principal components that explain the share x of the variance.",
    "knn@k": "Share of queries whose label the k nearest rows that vote elect, a row at cosine s with exp(s / 0.07).",
    "linear": "Share of queries whose label a logistic regression of the other rows' vectors finds.",
    "image_to_text_recall@k": "Share of pictures whose text is among the k nearest of all different texts of the rows.",
    "text_to_image_recall@k": "Share of different texts with one of their pictures among the k nearest pictures.",
    "queries_without_relevant": "Queries whose label no gallery picture has; they are not averaged in.",
}


@dataclass(frozen=True)
class Report:
    """Metrics of a model on a table.

    Attributes:
        metrics: As :func:`omlzoo.metrics.retrieval` gives them.
        facts: What was measured: model, table, counts, settings.
        before: Metrics of the model that fine-tuning started from, where there was one.
        errors: Path and error of the rows that could not be read; they count in nothing else.
        intervals: 95 % bootstrap intervals, over labels, of the metrics that are means over queries.
        findings: Rows and labels that should be looked at.
        baselines: Metrics by name of vectors that need no training, on the same rows.
        comparison: The paired difference of each metric that both models have, after minus before.
        embeddings: Embeddings of the rows that could be read.
        ranking: Values and first hits of each query.
        ranking_before: Values and first hits of each query with the model before.
        history: History of the training, by column.
        curve: Counts of positive and negative pairs over distance.
        utilities: Utility of each label over thresholds.
        defined: What else has a definition here, beside ``DEFINITIONS``.
    """

    metrics: dict[str, Any]
    facts: dict[str, Any]
    before: dict[str, Any] | None = None
    errors: dict[str, str] = field(default_factory=dict)
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    comparison: dict[str, Comparison] = field(default_factory=dict)
    baselines: dict[str, dict[str, Any]] = field(default_factory=dict)
    defined: Mapping[str, str] = field(default_factory=dict)
    embeddings: Embeddings | None = field(default=None, repr=False, compare=False)
    ranking: RetrievalPerQuery | None = field(default=None, repr=False, compare=False)
    ranking_before: RetrievalPerQuery | None = field(default=None, repr=False, compare=False)
    history: Mapping[Any, Sequence[float]] | None = field(default=None, repr=False, compare=False)
    curve: PairCurve | None = field(default=None, repr=False, compare=False)
    utilities: Utilities | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        """What ``omlzoo evaluate`` prints: five metrics, and what should be looked at."""
        return "\n".join(self.lines())

    def lines(self, everything: bool = False, width: int | None = None) -> list[str]:
        """The numbers and findings as lines of text.

        Args:
            everything: All metrics, not the first five.
            width: Columns of the terminal; None cuts nothing.
        """
        return report_lines(self._measured, [each.text for each in self.findings], everything, width)

    def _repr_html_(self) -> str:
        """What a notebook shows: the numbers, the findings, and the queries that went worst with their hits."""
        title = " on ".join(str(self.facts[name]) for name in ("model", "table") if name in self.facts)
        found = [each.text for each in self.findings]
        return report_html(title, self._measured, found, self.embeddings, self.ranking)

    @property
    def _measured(self) -> Measured:
        return Measured(self.metrics, self.before, self.intervals, self.comparison, self.baselines)

    def to_json(self) -> str:
        """Everything but the vectors, as JSON; docs/report.schema.json describes it."""
        values = {"facts": self.facts, "metrics": self.metrics, "before": self.before, "errors": self.errors}
        more = {
            "intervals": self.intervals, "findings": [asdict(each) for each in self.findings],
            "comparison": {name: asdict(each) for name, each in self.comparison.items()},
            "baselines": self.baselines,
        }  # fmt: skip
        text = (
            to_json({"made_with": made_with(), **values, **more, "definitions": {**DEFINITIONS, **self.defined}}) + "\n"
        )
        return text.encode("utf-8", "backslashreplace").decode()  # of names that are no UTF-8: JSON's own escapes

    def save(self, path: str | Path) -> None:
        """Write the JSON."""
        with new_file(path) as temporary:
            temporary.write_text(self.to_json(), encoding="utf-8")

    def html(self, path: str | Path) -> None:
        """Write one page: the answer in words, findings and queries with their pictures, charts, and all numbers."""
        head, numbers = number_table(self.metrics, self.before, self.intervals, self.comparison, self.baselines)
        calibration, album = calibration_of(self.embeddings), Album(path)
        facts = [f"{name}: {value}" for name, value in self.facts.items() if name not in ("model", "table")]
        facts += [f"Threshold {each.name}: {each.value:.4f}, {each.rule}." for each in calibration.cut_points
                  ] if calibration else []  # fmt: skip
        answered = answer(
            self.metrics, self.intervals, self.before, self._intervals_before(), self.comparison, self.baselines
        )
        found = finding_cards(self.findings, None if self.embeddings is None else self.embeddings.pictures(), album)
        sections = query_sections(self.embeddings, self.ranking, self.ranking_before, album)
        charts = report_charts(self.history, self.embeddings, self.ranking, self.curve, self.utilities, calibration)
        defined = [*DEFINITIONS.items(), *self.defined.items()]
        page = report_page(
            Heading("Retrieval report", str(self.facts.get("model", "")), str(self.facts.get("table", ""))),
            facts + album.notes(), numbers, head, defined, sections, charts, answer=answered,
            findings=found, groups=category_table(self.metrics, self.before), folded=bool(answered),
        )  # fmt: skip
        with new_file(path) as temporary:
            temporary.write_text(page, encoding="utf-8")

    def _intervals_before(self) -> dict[str, tuple[float, float]]:
        """The intervals of the model before, where there was one whose ranking is at hand."""
        ranking = self.ranking_before
        if ranking is None or not len(ranking.queries) or not self.intervals:
            return {}
        values = {name: ranking.values[name] for name in answering(self.metrics) if name in ranking.values}
        return intervals(values, self.labels_of_queries()) if values else {}

    def compared_with(self, other: "Report") -> "Report":
        """This report with the metrics of a model before it, and by how much each query's differ.

        Raises:
            BadInput: The other one has other queries.
        """
        both = self.ranking, other.ranking
        if both[0] is None or both[1] is None or not np.array_equal(both[0].queries, both[1].queries):
            raise BadInput("the two reports are not of the same queries; evaluate both models on the same rows")
        return replace(
            self, before=other.metrics, ranking_before=other.ranking,
            comparison=compare_rankings(both[1], both[0], self.labels_of_queries()),
        )  # fmt: skip

    def labels_of_queries(self) -> np.ndarray | None:
        """(Q,) of the ranking's queries; None where the vectors are not at hand."""
        if self.embeddings is None or self.ranking is None:
            return None
        labels: np.ndarray = label_texts(self.embeddings.table["label"], "labels")
        return np.asarray(labels[self.ranking.queries])


def compare_rankings(
    before: RetrievalPerQuery, after: RetrievalPerQuery, labels: np.ndarray | None
) -> dict[str, Comparison]:
    """Paired differences of the metrics that both rankings have, after minus before.

    Args:
        before: Values of each query with one model.
        after: Values of the same queries with the other model.
        labels: (Q,) labels of the queries, which the bootstrap draws as wholes. None draws queries.
    """
    if not len(after.queries):
        return {}
    both = [name for name in after.values if name in before.values]
    return {name: compare(before.values[name], after.values[name], labels) for name in both}
