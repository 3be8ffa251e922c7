"""Probes of a report's vectors: how well labels can be read from them, by neighbours or by a linear layer."""

from dataclasses import replace
from typing import Literal, get_args

import numpy as np
import torch

from omlzoo import catalog
from omlzoo.embedding.embeddings import Embeddings
from omlzoo.errors import BadInput
from omlzoo.evaluation.report import Report
from omlzoo.evaluation.trivial_queries import select_rows
from omlzoo.metrics._folds import deal, join_groups
from omlzoo.metrics._logistic import fit_chosen
from omlzoo.metrics._selection import Selection
from omlzoo.metrics.bootstrap import intervals
from omlzoo.metrics.ranking import averages
from omlzoo.ops.codes import label_codes
from omlzoo.ops.directions import directions
from omlzoo.ops.votes import vote

__all__ = ["Probe", "check_probe", "probe_mean", "with_probe"]

Probe = Literal["knn", "linear"]
NEIGHBOURS, TEMPERATURE = 20, 0.07  # of DINO (arXiv 2104.14294)
FOLDS = 5


def check_probe(probe: str | None) -> None:
    """Refuse a probe that there is not, or that cannot be computed here, before anything is.

    Raises:
        BadInput: There is no such probe.
        MissingExtra: It is "linear" and scipy is not installed.
    """
    if probe is not None and probe not in get_args(Probe):
        raise BadInput(f'probe is {probe!r}; it must be "knn" or "linear"')
    if probe == "linear":
        catalog.optional("scipy.optimize", "calibration")


def with_probe(report: Report, probe: Probe) -> Report:
    """The report with a probe's metric over the queries of its ranking, its interval over labels, and how it was made.

    Gallery rows vote or are fitted, and query rows are asked. A query that stands in the gallery itself, or with a
    picture or sequence of its own, is asked in five folds: pictures and sequences stay whole, labels are spread over
    the folds, and the gallery rows of the other four answer.

    Args:
        report: A report with its embeddings and ranking.
        probe: "knn" or "linear".

    Raises:
        BadInput: All rows are of one picture or sequence.
        MissingExtra: It is "linear" and scipy is not installed.
    """
    good, ranking = report.embeddings, report.ranking
    if good is None or ranking is None:
        return report
    name, right, how = _right(good, good.vectors, ranking.queries, probe)
    ranking = replace(ranking, values={**ranking.values, name: right})
    groups = {"per_category": good.table["category"].to_numpy()} if "per_category" in report.metrics else {}
    labels = select_rows(good.table).labels[ranking.queries]
    ends = intervals({name: right}, labels) if len(right) else {}
    return replace(
        report, ranking=ranking, metrics={**report.metrics, **averages(ranking, **groups)},
        intervals={**report.intervals, **ends}, facts={**report.facts, "probe": how},
    )  # fmt: skip


def probe_mean(report: Report, vectors: np.ndarray, probe: Probe) -> dict[str, float]:
    """The metric of other vectors of the report's rows: of the same queries, by the same folds.

    Args:
        report: A report with its embeddings and ranking.
        vectors: (N, D) float, one for each row of its embeddings.
        probe: "knn" or "linear".

    Raises:
        BadInput: All rows are of one picture or sequence.
        MissingExtra: It is "linear" and scipy is not installed.
    """
    if report.embeddings is None or report.ranking is None:
        return {}
    name, right, _ = _right(report.embeddings, vectors, report.ranking.queries, probe)
    return {name: float(right.mean()) if len(right) else float("nan")}


def _right(good: Embeddings, vectors: np.ndarray, queries: np.ndarray, probe: Probe) -> tuple[str, np.ndarray, str]:
    """The metric's name, whether each query (Q,) is answered rightly, as 1.0 or 0.0, and how it was measured.

    Args:
        good: N rows with the columns of a table.
        vectors: (N, D).
        queries: (Q,) their numbers.
        probe: "knn" or "linear".
    """
    selection = select_rows(good.table)
    pictures = label_codes(good.table["path"], "paths")[0]
    groups = pictures if selection.sequences is None else join_groups(pictures, selection.sequences)
    right, strengths = np.zeros(len(selection.labels)), set()
    rows = torch.from_numpy(directions(vectors) if probe == "knn" else vectors)
    parts = _parts(replace(selection, queries=queries), groups)
    for fit, asked in parts:
        codes = selection.labels[fit]
        if probe == "knn":
            found = vote(rows[fit], torch.from_numpy(codes), rows[asked], NEIGHBOURS, TEMPERATURE).numpy()
        else:
            classifier = fit_chosen(rows[fit], codes, groups[fit], seed=0)
            strengths.add(classifier.strength)
            found = classifier.predict(rows[asked])
        right[asked] = found == selection.labels[asked]
    folds = f"{len(parts)} folds by picture, sequences kept whole" if len(parts) > 1 else "queries asked of the gallery"
    if probe == "knn":
        return f"knn@{NEIGHBOURS}", right[queries], f"knn@{NEIGHBOURS}, temperature {TEMPERATURE}, {folds}"
    chosen = ", ".join(f"{strength:g}" for strength in sorted(strengths))
    return "linear", right[queries], f"logistic regression, C {chosen}, {folds}"


def _parts(selection: Selection, groups: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """The rows that answer and those that are asked, part by part: no group of rows is on both sides of one.

    Args:
        selection: Queries and gallery of N rows.
        groups: (N,) int, rows of one picture or sequence.
    """
    gallery, queries = selection.gallery, selection.queries
    within = np.isin(groups, np.intersect1d(groups[gallery], groups[queries]))
    parts = [(gallery, queries[~within[queries]])]
    shared = np.flatnonzero(within)
    if len(shared):
        fold = np.full(len(groups), -1)
        fold[shared] = deal(selection.labels[shared], groups[shared], FOLDS, seed=0)
        parts += [(gallery[fold[gallery] != each], queries[fold[queries] == each]) for each in range(FOLDS)]
    parts = [(fit, asked) for fit, asked in parts if len(asked)]
    if any(not len(fit) for fit, _ in parts):
        raise BadInput("all gallery rows are of one picture or sequence; a probe needs two, to ask one of the other")
    return parts
