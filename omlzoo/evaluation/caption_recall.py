"""Recall between pictures and their captions: pictures that find their text, and texts that find their picture."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from omlzoo.embedding.embeddings import Embeddings
from omlzoo.errors import OmlzooError, notice
from omlzoo.evaluation.report import Report
from omlzoo.metrics._selection import Selection
from omlzoo.metrics.bootstrap import intervals
from omlzoo.metrics.ranking import ranking_of
from omlzoo.ops.codes import label_texts
from omlzoo.ops.directions import directions
from omlzoo.zoo.captions import TEXT, Captions
from omlzoo.zoo.registry import get_weights
from omlzoo.zoo.text_model import TextModel, get_text_model

__all__ = ["RECALLS", "with_captions", "with_recall"]

RANKS = (1, 5, 10)
RECALLS = ("image_to_text_recall", "text_to_image_recall")
FACT, NO_TEXT = "captions", "no picture has a text"


def with_captions(report: Report) -> Report:
    """The report with the recall between pictures and captions, where there is a text tower and a column ``text``.

    What hinders it, such as files that cannot be fetched, is said, and stands in the report's facts.

    Args:
        report: A report with its embeddings.
    """
    good = report.embeddings
    if good is None or TEXT not in good.table or not len(good):
        return report
    try:
        entry = good.model.entry if good.model is not None else get_weights(good.record.model).entry
    except OmlzooError:  # a model that lives in another process only
        return report
    if entry.text is None:
        return report
    try:
        if entry.sha256 != good.record.sha256:
            return _without(report, f"the text tower of {entry.name} is of other weights than these vectors")
        model = get_text_model(good.record.model)
    except OmlzooError as error:
        return _without(report, str(error))
    captions = Captions.of(good.table[TEXT].tolist(), model.tokens)
    if not len(captions.token_ids):
        return _without(report, NO_TEXT)
    for said in captions.remarks():
        notice(f"recall between pictures and texts: {said}")
    return with_recall(report, model, captions)


def with_recall(
    report: Report, model: TextModel, captions: Captions | None = None, ranks: Sequence[int] = RANKS
) -> Report:
    """The report with the recall between its pictures and their captions, compared by cosine.

    Args:
        report: A report with its embeddings, whose table has the column ``text``.
        model: The text model whose vectors the pictures' can be compared with.
        captions: The captions of its rows; None reads them from the table.
        ranks: Ranks k of recall@k, at least 1.
    """
    good = report.embeddings
    if good is None:
        return report
    captions = Captions.of(good.table[TEXT].tolist(), model.tokens) if captions is None else captions
    has = captions.codes >= 0
    if not has.any():
        return replace(report, facts={**report.facts, FACT: f"none: {NO_TEXT}"})
    metrics, ends = _recall(good.rows(has), captions.codes[has], captions, model, ranks)
    said = "; ".join([f"{int(has.sum())} pictures with {len(captions.token_ids)} texts", *captions.remarks()])
    ends = ends if report.intervals else {}
    return replace(report, metrics={**report.metrics, **metrics}, intervals={**report.intervals, **ends},
                   facts={**report.facts, FACT: said})  # fmt: skip


def _recall(
    rows: Embeddings, codes: np.ndarray, captions: Captions, model: TextModel, ranks: Sequence[int]
) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """Recall and its intervals over labels, of N pictures and the codes (N,) of their captions."""
    texts = model.embed(captions.token_ids)[:, : rows.record.dim].float().cpu().numpy()
    vectors = torch.from_numpy(np.concatenate([directions(rows.vectors), directions(texts)]))
    pictures, words = np.arange(len(rows)), np.arange(len(rows), len(vectors))
    of_pictures = label_texts(rows.table["label"], "labels")
    of_texts = of_pictures[np.unique(codes, return_index=True)[1]]  # of the first picture
    labels, groups = np.concatenate([codes, np.arange(len(texts))]), np.concatenate([of_pictures, of_texts])
    metrics: dict[str, float] = {}
    ends: dict[str, tuple[float, float]] = {}
    for name, queries, gallery in zip(RECALLS, (pictures, words), (words, pictures), strict=True):
        wanted = {"cmc": ranks, "precision": (), "map": (), "hits": (), "ndcg": ()}
        found = ranking_of(vectors, Selection(labels, queries, gallery), wanted)
        values = {f"{name}@{k}": found.values[f"cmc@{k}"] for k in ranks}
        metrics |= {each: float(value.mean()) for each, value in values.items()}
        ends |= intervals(values, groups[found.queries])
    return metrics, ends


def _without(report: Report, why: str) -> Report:
    """The report as it is, with what hindered the recall, which is said."""
    notice(f"recall between pictures and texts is left out: {why}")
    return replace(report, facts={**report.facts, FACT: f"none: {why}"})
