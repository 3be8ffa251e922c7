"""evaluate(): a model on the validation rows of a table."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import pandas as pd
import torch

from omlzoo.data.addresses import Named
from omlzoo.data.picture_list import Source
from omlzoo.data.preprocess import Profiles
from omlzoo.embedding.embeddings import ERROR, Embeddings
from omlzoo.embedding.options import ComputeOptions, Precision, Runtime
from omlzoo.errors import BadInput, notice
from omlzoo.evaluation.baselines import with_baselines
from omlzoo.evaluation.caption_recall import with_captions
from omlzoo.evaluation.cross_domain import Asked, say_asked, with_queries
from omlzoo.evaluation.findings import find_issues
from omlzoo.evaluation.label_rules import Hierarchy, SharedLabels, open_tree
from omlzoo.evaluation.probes import Probe, check_probe, with_probe
from omlzoo.evaluation.relevance import PairTable, open_pairs
from omlzoo.evaluation.report import Report
from omlzoo.evaluation.reranking import check_rerank, with_rerank
from omlzoo.evaluation.right_rows import Rule, measured, own_ranking, said_by_rule
from omlzoo.evaluation.rows import rows_to_measure
from omlzoo.evaluation.trivial_queries import find_certain, select_rows
from omlzoo.metrics._selection import Selection
from omlzoo.metrics.bootstrap import intervals
from omlzoo.metrics.consistency import utilities
from omlzoo.metrics.ranking import RetrievalPerQuery, averages
from omlzoo.metrics.spread import pcf
from omlzoo.metrics.verifying import verification_of
from omlzoo.models._extractor import Extractor
from omlzoo.ops.all_pairs import say_if_long
from omlzoo.ops.codes import label_texts
from omlzoo.zoo.registry import open_model

__all__ = ["evaluate", "evaluate_embeddings"]

RANKS = (1, 5, 10)


def evaluate(
    model: Extractor | str | Path | Embeddings,
    table: Source | None = None,
    *,
    root: str | Path | None = None,
    remote: Named = None,
    cmc: Sequence[int] = RANKS,
    precision_at: Sequence[int] = RANKS,
    map: Sequence[int] = (5, 10),
    against: Extractor | str | Path | None = None,
    thorough: bool = True,
    baselines: bool = False,
    probe: Probe | None = None,
    rerank: str | None = None,
    candidates: int = 100,
    queries: Asked | None = None,
    relevance: PairTable | None = None,
    separator: str | None = None,
    hierarchy: Hierarchy | None = None,
    batch_size: int = 32,
    precision: Precision = "auto",
    workers: int | None = None,
    device: str = "auto",
    fast: bool = False,
    runtime: Runtime = "torch",
    icc: Profiles = "ignore",
    progress: bool = True,
) -> Report:
    """Retrieval metrics of a model on the validation rows of a table.

    Where the table has a column ``text`` and the model a text tower, recall between pictures and texts is measured too.

    Args:
        model: An extractor, what ``omlzoo.get_model`` opens, or Embeddings with the columns of the table.
        table: A csv, parquet file, DataFrame, or a folder with a sub-folder per label; or what ``omlzoo.embed`` takes,
            with labels, of which each row is asked for among all others. Not with Embeddings.
        root: Where relative paths start; the table's folder by default.
        remote: As in ``omlzoo.embed``: which addresses in a table are followed.
        cmc: Ranks k of cmc@k.
        precision_at: Ranks k of precision@k.
        map: Ranks k of map@k.
        against: Another model, to compare with on the same queries.
        thorough: Also measure pairs (tar@far, the true accept rate at a false accept rate, eer, auc, opis), whole lists
            (ap, inp, ndcg@10), the spread (pcf) and intervals over labels, and look for faulty rows.
        baselines: Also measure what needs no training on the same rows: raw pixels, a colour histogram, and the model's
            architecture with random weights. A table on which these do well is too easy to tell models apart.
        probe: Also measure how well labels can be read from the vectors: "knn", by the votes of the 20 nearest gallery
            rows ("knn@20"), or "linear", by a logistic regression of them. Query rows are asked; where rows are both,
            in five folds by picture, sequences kept whole.
        rerank: Measure lists whose first hits were re-ranked, as ``index.search`` does by this name: "reciprocal",
            "expansion" or "average_expansion". The same lists by distance are ``before``.
        candidates: First hits of each query that are compared with each other, 1 to 1,000.
        queries: Which rows are queries, the others being the gallery, such as "style=openmoji" for search from one
            style in all others; several conditions, or a mapping as in ``where`` of a search. By default each row says
            it by is_query and is_gallery.
        relevance: A table of pairs, "query", "item" and "grade", that says what is right in place of equal labels:
            paths of rows and a number from 0 upwards, or "junk" for what leaves that query's ranking; or "easy", "hard"
            and "junk", as revisited Oxford and Paris have them. Adds "per_relevance", the metrics by what counts as
            right.
        separator: What stands between the labels of a picture that has several, such as "|": what shares one with the
            query is right, and the gain in nDCG is how many.
        hierarchy: Names above labels, in which a hit near by counts in part: a column of the table, or several from the
            one above the label upwards; or a table of "child" and "parent", or a mapping. Adds "hp@k".
        batch_size: As in ``omlzoo.embed``, like the others below it.
        precision: "fp32", "bf16", "int8" or "auto".
        workers: Threads.
        device: "cpu", "cuda" or "auto".
        fast: Decode large JPEGs at a smaller size; choose what the index to be measured was made with.
        runtime: "torch", "onnx", "openvino" or "auto".
        icc: "ignore" or "srgb".
        progress: Draw a bar where standard error is a terminal.

    Raises:
        BadTable: The table has faults; all are listed.
        BadInput: An option breaks its rule, or table and embeddings are given together.
        UnknownName: There is no such re-ranking, or ``queries`` names a column that there is not.
        MissingExtra: The probe is "linear" and scipy is not installed.
    """
    options = ComputeOptions(batch_size, precision, workers, device, fast, runtime, icc)
    check_probe(probe)
    rule = _rule(relevance, separator, hierarchy)
    check_rerank(rerank, candidates)
    if rerank is not None and rule is not None:
        raise BadInput(f"rerank is {rerank!r}, which is measured by equal labels alone; leave out relevance, separator "
                       "and hierarchy, or rerank")  # fmt: skip
    roles = partial(_with_roles, queries=queries, rule=rule)
    if against is not None:
        if isinstance(model, Embeddings):
            raise BadInput("against is given together with embeddings; give the model and the table")
        against = open_model(against)  # before anything is computed
    embeddings, name = rows_to_measure(model, table, root, remote, options, progress, roles)
    measure = partial(evaluate_embeddings, cmc=cmc, precision_at=precision_at, map=map, thorough=thorough, rule=rule)
    report = with_captions(measure(embeddings, name))
    if queries is not None:
        report = _said_of_queries(report, queries)
    if probe:
        report = with_probe(report, probe)
    if baselines:
        report = with_baselines(report, options, probe, rule)
    if rerank is not None:
        report = with_rerank(report, rerank, candidates)
    if against is None:
        return report
    other = evaluate(
        against, table, root=root, remote=remote, cmc=cmc, precision_at=precision_at, map=map, thorough=thorough,
        probe=probe, rerank=rerank, candidates=candidates, queries=queries, relevance=relevance, separator=separator,
        hierarchy=hierarchy, progress=progress, **asdict(options),
    )  # fmt: skip
    return replace(report.compared_with(other), facts={**report.facts, "compared with": other.facts["model"]})


def evaluate_embeddings(
    embeddings: Embeddings,
    name: str,
    *,
    cmc: Sequence[int] = RANKS,
    precision_at: Sequence[int] = RANKS,
    map: Sequence[int] = (5, 10),
    thorough: bool = True,
    rule: Rule = None,
) -> Report:
    """As :func:`evaluate`, of vectors that were computed already.

    Args:
        embeddings: Embeddings whose table has the columns "label", "is_query" and "is_gallery".
        name: Name of the table in the report.
        cmc: Ranks k of cmc@k, at least 1.
        precision_at: Ranks k of precision@k, at least 1.
        map: Ranks k of map@k, at least 1.
        thorough: As in :func:`evaluate`.
        rule: What is right in place of equal labels.

    Raises:
        BadInput: A column or a label is missing, there is no query or no gallery row, or a rank is below 1.
    """
    _check_columns(embeddings.table)
    failed = embeddings.table[~embeddings.good]
    good = embeddings.rows(embeddings.good)
    frame = good.table
    categories = frame["category"].to_numpy() if "category" in frame else None
    selection = select_rows(frame)
    by_label = rule is None or rule.by_label
    certain = find_certain(frame, selection) if by_label else []
    for finding in certain:
        notice(finding.text)
    say_if_long("evaluation", len(selection.queries), len(selection.gallery), good.vectors.shape[1])
    gains = (10,) if thorough or not by_label else ()
    ranks = {"cmc": cmc, "precision": precision_at, "map": map, "hits": (), "ndcg": gains}
    rankings = measured(good.vectors, frame, selection, ranks, rule, full_list=thorough)
    ranking = own_ranking(rankings)
    metrics = averages(ranking, **({} if categories is None else {"per_category": categories}))
    metrics |= said_by_rule(rule, rankings, frame)
    if metrics["queries_without_relevant"]:
        count = f"{metrics['queries_without_relevant']} of {metrics['queries']} queries"
        notice(f"{count} have no relevant picture in the gallery and are not averaged in")
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
    report = Report(metrics, facts, None, errors, findings=tuple(certain), embeddings=good, ranking=ranking)
    if rule is not None:
        facts["hierarchy" if by_label else "relevance"] = rule.said()
        report = replace(report, defined=rule.defined)
    if not by_label:
        facts["metrics of pairs"] = "none: equal labels do not say what is right"
        return _with_intervals(report, good, ranking) if thorough else report
    if not thorough:
        return report
    report = _with_intervals(_with_pairs(report, good, selection), good, ranking)
    return replace(report, findings=(*report.findings, *find_issues(good.vectors, frame, ranking)))


def _check_columns(frame: pd.DataFrame) -> None:
    missing = {"label", "is_query", "is_gallery"} - set(frame.columns)
    if missing:
        raise BadInput(f"the embeddings lack the columns {', '.join(sorted(missing))}; embed a table that has them")
    empty = int((label_texts(frame["label"], "labels") == "").sum())
    if empty:
        raise BadInput(f"{empty} of {len(frame)} rows have no label; give each one, or leave those rows out")


def _with_pairs(report: Report, good: Embeddings, selection: Selection) -> Report:
    """The report with metrics of pairs."""
    labels = label_texts(good.table["label"], "labels")
    try:
        verified = verification_of(torch.from_numpy(good.vectors), selection)
        usable = utilities(good.vectors, labels, curve=verified.curve)
    except BadInput as error:  # such as no positive pair; the ranking has its own counts
        return replace(report, facts={**report.facts, "metrics of pairs": f"none: {error}"})
    metrics = {**report.metrics, **verified.metrics, "opis": usable.opis}
    return replace(report, metrics=metrics, curve=verified.curve, utilities=usable)


def _with_intervals(report: Report, good: Embeddings, ranking: RetrievalPerQuery) -> Report:
    """The report with intervals over labels, and the spread of the vectors."""
    labels = label_texts(good.table["label"], "labels")
    means = intervals(ranking.values, labels[ranking.queries]) if len(ranking.queries) else {}
    spread = pcf(good.vectors, (0.5, 0.9)) if len(good) > 1 else {}
    return replace(report, metrics={**report.metrics, **spread}, intervals=means)


def _rule(relevance: PairTable | None, separator: str | None, hierarchy: Hierarchy | None) -> Rule:
    """What is right in place of equal labels, checked as far as it can be without the rows."""
    given = {"relevance": relevance, "separator": separator, "hierarchy": hierarchy}
    names = [name for name, value in given.items() if value is not None]
    if len(names) > 1:
        raise BadInput(f"{' and '.join(names)} are given together; each says what is right, give one of them")
    if separator is not None:
        return SharedLabels(separator)
    if hierarchy is not None:
        return open_tree(hierarchy)
    return None if relevance is None else open_pairs(relevance)


def _with_roles(frame: pd.DataFrame, queries: Asked | None, rule: Rule) -> pd.DataFrame:
    """The rows to be measured with who asks whom, checked against what is said to be right."""
    if queries is not None:
        frame = with_queries(frame, queries)
    if rule is not None:
        _check_columns(frame)
        rule.check(frame)
    return frame


def _said_of_queries(report: Report, queries: Asked) -> Report:
    said = say_asked(queries)
    meaning = f"Queries are the rows to be measured with {said}, the gallery is all others; no query is in it."
    facts = {**report.facts, "queries are": said, "gallery is": "all other rows"}
    return replace(report, facts=facts, defined={**report.defined, "queries": meaning})
