"""evaluate(): a model on the validation rows of a table."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from omlzoo.data.addresses import Named
from omlzoo.data.picture_list import Source
from omlzoo.data.preprocess import Profiles
from omlzoo.embedding.embeddings import ERROR, Embeddings
from omlzoo.embedding.options import ComputeOptions, Precision, Runtime
from omlzoo.errors import BadInput, notice
from omlzoo.evaluation.baselines import picture_baselines, random_weights
from omlzoo.evaluation.caption_recall import with_captions
from omlzoo.evaluation.cross_domain import Asked, say_asked, with_queries
from omlzoo.evaluation.findings import Finding, find_issues
from omlzoo.evaluation.probes import Probe, check_probe, probe_mean, with_probe
from omlzoo.evaluation.report import Report
from omlzoo.evaluation.reranking import check_rerank, with_rerank
from omlzoo.evaluation.rows import embed_validation
from omlzoo.evaluation.trivial_queries import find_certain, select_rows
from omlzoo.metrics._selection import Selection
from omlzoo.metrics.bootstrap import intervals
from omlzoo.metrics.consistency import utilities
from omlzoo.metrics.ranking import RetrievalPerQuery, averages, ranking_of
from omlzoo.metrics.spread import pcf
from omlzoo.metrics.verifying import verification_of
from omlzoo.models._extractor import Extractor
from omlzoo.ops.all_pairs import say_if_long
from omlzoo.ops.codes import label_texts
from omlzoo.zoo.registry import open_model

__all__ = ["evaluate", "evaluate_embeddings"]

RANKS = (1, 5, 10)
EASY = 0.8  # cmc@1 of what needs no training from which a table is said to be easy


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
    check_rerank(rerank, candidates)
    if against is not None:
        if isinstance(model, Embeddings):
            raise BadInput("against is given together with embeddings; give the model and the table")
        against = open_model(against)  # before anything is computed
    if isinstance(model, Embeddings):
        if table is not None:
            raise BadInput("table is given together with embeddings; embeddings have their own rows, leave table out")
        embeddings, name = model, "embeddings"
        if queries is not None:
            embeddings = replace(embeddings, table=with_queries(embeddings.table, queries))
    else:
        if table is None:
            raise BadInput("table is missing; give a csv, a parquet file, a DataFrame or a folder")
        embeddings, name = embed_validation(open_model(model), table, root, remote, options, progress, queries)
    report = evaluate_embeddings(embeddings, name, cmc=cmc, precision_at=precision_at, map=map, thorough=thorough)
    report = with_captions(report)
    if queries is not None:
        report = _said_of_queries(report, queries)
    if probe:
        report = with_probe(report, probe)
    if baselines:
        report = _with_baselines(report, options, probe)
    if rerank is not None:
        report = with_rerank(report, rerank, candidates)
    if against is None:
        return report
    other = evaluate(
        against, table, root=root, remote=remote, cmc=cmc, precision_at=precision_at, map=map, thorough=thorough,
        probe=probe, rerank=rerank, candidates=candidates, queries=queries, progress=progress, **asdict(options),
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
) -> Report:
    """As :func:`evaluate`, of vectors that were computed already.

    Args:
        embeddings: Embeddings whose table has the columns "label", "is_query" and "is_gallery".
        name: Name of the table in the report.
        cmc: Ranks k of cmc@k, at least 1.
        precision_at: Ranks k of precision@k, at least 1.
        map: Ranks k of map@k, at least 1.
        thorough: As in :func:`evaluate`.

    Raises:
        BadInput: A column or a label is missing, there is no query or no gallery row, or a rank is below 1.
    """
    missing = {"label", "is_query", "is_gallery"} - set(embeddings.table.columns)
    if missing:
        raise BadInput(f"the embeddings lack the columns {', '.join(sorted(missing))}; embed a table that has them")
    empty = int((label_texts(embeddings.table["label"], "labels") == "").sum())
    if empty:
        raise BadInput(f"{empty} of {len(embeddings)} rows have no label; give each one, or leave those rows out")
    failed = embeddings.table[~embeddings.good]
    good = embeddings.rows(embeddings.good)
    frame = good.table
    categories = frame["category"].to_numpy() if "category" in frame else None
    selection = select_rows(frame)
    certain = find_certain(frame, selection)
    for finding in certain:
        notice(finding.text)
    say_if_long("evaluation", len(selection.queries), len(selection.gallery), good.vectors.shape[1])
    ranks = {"cmc": cmc, "precision": precision_at, "map": map, "hits": (), "ndcg": (10,) if thorough else ()}
    ranking = ranking_of(torch.from_numpy(good.vectors), selection, ranks, full_list=thorough)
    metrics = averages(ranking, **({} if categories is None else {"per_category": categories}))
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
    return _thoroughly(report, good, ranking, selection) if thorough else report


def _thoroughly(report: Report, good: Embeddings, ranking: RetrievalPerQuery, selection: Selection) -> Report:
    """The report with metrics of pairs, intervals and findings."""
    labels = label_texts(good.table["label"], "labels")
    metrics, facts, curve, usable = dict(report.metrics), dict(report.facts), None, None
    try:
        verified = verification_of(torch.from_numpy(good.vectors), selection)
        usable = utilities(good.vectors, labels, curve=verified.curve)
        curve = verified.curve
        metrics |= {**verified.metrics, "opis": usable.opis}
    except BadInput as error:  # such as no positive pair; the ranking has its own counts
        facts["metrics of pairs"] = f"none: {error}"
    if len(good) > 1:
        metrics |= pcf(good.vectors, (0.5, 0.9))
    means = intervals(ranking.values, labels[ranking.queries]) if len(ranking.queries) else {}
    findings = (*report.findings, *find_issues(good.vectors, good.table, ranking))
    return replace(report, metrics=metrics, facts=facts, intervals=means, findings=findings, curve=curve,
                   utilities=usable)  # fmt: skip


def _said_of_queries(report: Report, queries: Asked) -> Report:
    said = say_asked(queries)
    meaning = f"Queries are the rows to be measured with {said}, the gallery is all others; no query is in it."
    facts = {**report.facts, "queries are": said, "gallery is": "all other rows"}
    return replace(report, facts=facts, defined={**report.defined, "queries": meaning})


def _with_baselines(report: Report, options: ComputeOptions, probe: Probe | None = None) -> Report:
    """The report with the metrics of vectors that need no training, on the same rows."""
    good, ranking = report.embeddings, report.ranking
    if good is None or ranking is None:
        return report
    rows = good.pictures()
    if (
        options.precision in ("auto", "int8") or options.runtime == "auto"
    ):  # as the report's: nothing is rehearsed with other weights
        precision: Precision = "bf16" if good.record.precision == "bf16" else "fp32"
        options = replace(options, precision=precision, runtime="torch")
    vectors = picture_baselines(rows, options)
    if isinstance(good.model, Extractor):
        vectors["random weights"] = random_weights(good.model, rows, options)
    else:
        notice("no baseline of random weights: the embeddings do not hold their model; give the model and the table")
    selection = select_rows(good.table)
    names = list(ranking.values)
    ranks = {kind: [int(name.partition("@")[2]) for name in names if re.fullmatch(rf"{kind}@[0-9]+", name)]
             for kind in ("cmc", "precision", "map")}  # fmt: skip
    found = {}
    for name, values in vectors.items():
        measured = averages(ranking_of(torch.from_numpy(values), selection, {**ranks, "hits": (), "ndcg": ()}))
        found[name] = {metric: value for metric, value in measured.items() if metric in names}
        found[name] |= probe_mean(report, values, probe) if probe else {}
    easy = _find_easy(report.metrics, found)
    for finding in easy:
        notice(finding.text)
    return replace(report, baselines=found, findings=(*report.findings, *easy))


def _find_easy(metrics: Mapping[str, Any], baselines: Mapping[str, Mapping[str, Any]]) -> list[Finding]:
    """A finding where a vector that needs no training does as well as the model, or well."""
    name = next((name for name in metrics if name.startswith("cmc@")), None)
    best = max(baselines, key=lambda each: baselines[each][name]) if name else None
    if name is None or best is None:
        return []
    value, own = baselines[best][name], metrics[name]
    if value >= own:
        text = f"the table does not need this model: {best} reach {name} {value:.3f}, the model {own:.3f}"
    elif value >= EASY:
        text = f"the table is easy: {best} reach {name} {value:.3f} without any training, the model {own:.3f}"
    else:
        return []
    return [Finding("easy", text, 1)]
