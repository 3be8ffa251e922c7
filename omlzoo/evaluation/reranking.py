"""Metrics of lists whose first hits were re-ranked, beside those of the same lists by distance."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from omlzoo.catalog import shared
from omlzoo.evaluation.report import Report, compare_rankings
from omlzoo.evaluation.trivial_queries import select_rows
from omlzoo.metrics._selection import NOBODY, Selection, count_relevant
from omlzoo.metrics.bootstrap import intervals
from omlzoo.metrics.ranking import RetrievalPerQuery, averages, metrics_of_hits
from omlzoo.ops.nearest import nearest_blocks

__all__ = ["check_rerank", "with_rerank"]

KINDS = ("cmc", "precision", "map", "hits", "ndcg")
WHOLE = ("ap", "inp")  # of whole lists, of which only the beginning is re-ranked


def check_rerank(rerank: str | None, candidates: int) -> None:
    """Refuse what no re-ranking is, before anything is computed.

    Args:
        rerank: A method of re-ranking; None is none.
        candidates: First hits of each query that are compared with each other.

    Raises:
        UnknownName: There is no such method.
        BadInput: ``candidates`` is below 1 or above 1,000.
    """
    if rerank is not None:
        shared("rerank._candidates", "check_method")(rerank, candidates)


def with_rerank(report: Report, rerank: str, candidates: int) -> Report:
    """The report with the retrieval metrics of re-ranked lists; those by distance are its ``before``.

    The fact "re-ranked" says how. Metrics of pairs, spread and probes are of the vectors and stay; "ap" and "inp" are
    left out, since hits behind the candidates keep their order.

    Args:
        report: A report with embeddings and ranking, of lists by distance.
        rerank: A method of re-ranking.
        candidates: First hits of each query that are compared with each other.
    """
    good, plain = report.embeddings, report.ranking
    if good is None or plain is None or not len(plain.queries):
        return report
    names = list(plain.values)
    ranks = {kind: [int(name.partition("@")[2]) for name in names if re.fullmatch(rf"{kind}@[0-9]+", name)]
             for kind in KINDS}  # fmt: skip
    selection = replace(select_rows(good.table), queries=plain.queries)
    ranking = _ranked(good.vectors, selection, ranks, plain, rerank, candidates)
    categories = {"per_category": good.table["category"].to_numpy()} if "category" in good.table else {}
    metrics = {name: value for name, value in report.metrics.items() if name not in WHOLE}
    metrics |= averages(ranking, **categories)
    labels = report.labels_of_queries()
    kept = {name: ends for name, ends in report.intervals.items() if name not in names}
    means = intervals(ranking.values, labels) if report.intervals and labels is not None else {}
    how = shared("rerank._candidates", "described_method")(rerank, candidates)
    left = " of the vectors: metrics of pairs, spread, probes and baselines; ap and inp are of whole lists and left out"
    return replace(
        report, metrics=metrics, before=report.metrics, ranking=ranking, ranking_before=plain,
        intervals={**kept, **means}, comparison=compare_rankings(plain, ranking, labels),
        facts={**report.facts, "re-ranked": how, "compared with": "the same lists by distance",
               "not re-ranked": left.strip()},
    )  # fmt: skip


def _ranked(
    vectors: np.ndarray,
    selection: Selection,
    ranks: Mapping[str, Sequence[int]],
    plain: RetrievalPerQuery,
    rerank: str,
    candidates: int,
) -> RetrievalPerQuery:
    """The values of each query of re-ranked lists; ``scores`` stay those of the pairs, in the new order."""
    queries, gallery = selection.queries, selection.gallery
    positions = np.full(len(vectors), NOBODY)
    positions[gallery] = np.arange(len(gallery))
    relevant = count_relevant(selection, positions)
    width = max(candidates, plain.first.shape[1], int(relevant.max()))
    sequence, codes = selection.sequences, selection.labels[gallery]
    groups = None if sequence is None else (torch.from_numpy(sequence[queries]), torch.from_numpy(sequence[gallery]))
    among, asked = vectors[gallery], vectors[queries]
    reranked = shared("rerank._candidates", "reranked")
    values: dict[str, list[np.ndarray]] = {}
    first, scores = np.empty_like(plain.first), np.empty_like(plain.scores)
    blocks = nearest_blocks(
        torch.from_numpy(asked), torch.from_numpy(among), width, similarity="euclidean",
        own=torch.from_numpy(positions[queries]), groups=groups,
    )  # fmt: skip
    for rows, near, found in blocks:
        ids, apart = found.numpy().copy(), near.numpy().copy()
        _, order, _ = reranked(rerank, asked[rows], among, ids[:, :candidates])
        for array in (ids, apart):
            array[:, :candidates] = np.take_along_axis(array[:, :candidates], order, axis=1)
        present = ids != NOBODY
        hit = (codes[ids] == selection.labels[queries[rows]][:, None]) & present
        measured = metrics_of_hits(
            torch.from_numpy(hit), torch.from_numpy(relevant[rows]), torch.from_numpy(present.sum(axis=1)), ranks
        )
        for name, value in measured.items():
            values.setdefault(name, []).append(value.numpy())
        shown = first.shape[1]
        first[rows] = np.where(present, gallery[ids], NOBODY)[:, :shown]
        scores[rows] = apart[:, :shown]
    whole = {name: np.concatenate(parts) for name, parts in values.items()}
    return RetrievalPerQuery(queries, whole, first, scores, plain.without_relevant)
