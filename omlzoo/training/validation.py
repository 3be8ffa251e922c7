"""Measurements of a model in training; all processes together embed each picture once."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from omlzoo.data import table as tables
from omlzoo.embedding.embeddings import ERROR, Embeddings
from omlzoo.embedding.extraction import embed_table
from omlzoo.embedding.options import ComputeOptions, Precision
from omlzoo.embedding.pipeline import Pipeline
from omlzoo.errors import BadInput, UnknownName
from omlzoo.evaluation.caption_recall import with_recall
from omlzoo.evaluation.evaluation import evaluate_embeddings
from omlzoo.evaluation.report import Report, compare_rankings
from omlzoo.metrics.ranking import RetrievalPerQuery
from omlzoo.models._extractor import Extractor
from omlzoo.ops.all_gather import processes
from omlzoo.training.distributed import everyone, share_of_rows
from omlzoo.training.measured_pixels import MeasuredPixels
from omlzoo.zoo.text_model import TextModel

__all__ = ["Probe", "embed_together", "final_report", "pack_ranking", "unpack_ranking"]

KEPT = ("cmc@1", "map@5", "map@r")  # values of each query before training


@dataclass
class Probe:
    """Settings by which the models of a run are measured.

    Attributes:
        metric: The metric of the selection rows that chooses the epoch.
        precision: Precision of embedding, as in ``omlzoo.embed``.
        device: The device of the model.
        kept: Keeps pictures that are measured again; None, which it is at first, keeps none.
    """

    metric: str
    precision: Precision
    device: torch.device
    kept: MeasuredPixels | None = None

    def embed(self, model: Extractor, rows: tables.Table) -> Embeddings:
        """Vectors of the rows, which all processes compute together."""
        return embed_together(model, rows, self.precision, self.device, self.kept)

    def measure(
        self, model: Extractor, rows: tables.Table, thorough: bool = False, texts: TextModel | None = None
    ) -> Report:
        """The report of a model on rows.

        Args:
            model: The extractor to measure.
            rows: The rows to measure it on.
            thorough: As in :func:`omlzoo.evaluation.evaluation.evaluate_embeddings`; by default only quick metrics.
            texts: The text model with which recall between pictures and the column ``text`` is measured; None for not.
        """
        report = evaluate_embeddings(self.embed(model, rows), rows.name, thorough=thorough)
        return report if texts is None else with_recall(report, texts)

    def check(self, model: Extractor, rows: tables.Table, texts: TextModel | None = None) -> None:
        """Refuse, before training, a metric that does not exist or that the rows do not define.

        Args:
            model: The extractor to measure.
            rows: The selection rows.
            texts: As in :meth:`measure`.

        Raises:
            UnknownName: There is no such metric.
            BadInput: The metric is not a number, because no label has two rows.
        """
        metrics = self.measure(model, rows, texts=texts).metrics
        if self.metric not in metrics:
            raise UnknownName("the metrics of the selection rows", self.metric, metrics)
        if not math.isfinite(metrics[self.metric]):
            count = f"{len(rows)} rows set apart from training"
            raise BadInput(f"{self.metric} of the {count} is not a number: no label has two; set selection to 0")


def embed_together(
    model: Extractor,
    rows: tables.Table,
    precision: Precision,
    device: torch.device,
    kept: MeasuredPixels | None = None,
) -> Embeddings:
    """Embeddings of the rows; each process embeds a share of them, and every process gets all.

    Args:
        model: The extractor; it is set to eval mode.
        rows: The rows to embed, N.
        precision: Precision of embedding, as in ``omlzoo.embed``.
        device: The device of the model.
        kept: Keeps the pictures that it knows; None keeps none.
    """
    model.eval()
    numbers = np.arange(len(rows))
    mine = rows.rows(np.isin(numbers, numbers[share_of_rows(len(rows))]))
    options = ComputeOptions(precision=precision, device=str(device))
    run = None if kept is None else kept.pipeline(Pipeline.of(model, options))
    embeddings = embed_table(model, mine, options=options, run=run, progress=False)
    if processes() == 1:
        return embeddings
    parts = everyone((embeddings.vectors, embeddings.table[ERROR].tolist()))
    vectors, errors = np.empty((len(rows), model.dim), np.float32), np.empty(len(rows), object)
    for rank, (some, messages) in enumerate(parts):
        vectors[rank :: len(parts)], errors[rank :: len(parts)] = some, messages
    frame = rows.frame.assign(**{ERROR: pd.Series(errors, dtype="str", index=rows.frame.index)})
    return Embeddings(vectors, frame, embeddings.record, model)


def final_report(
    after: Report,
    facts: Mapping[str, Any],
    before: dict[str, Any] | None,
    ranking: dict[str, Tensor] | None,
    history: list[dict[str, Any]],
    out: Path,
) -> Report:
    """The report of a run: measurements before and after training, facts and history.

    Args:
        after: The report of the validation rows after training.
        facts: Facts of the run by name.
        before: Metrics before training; None where they were not measured.
        ranking: The ranking before training, packed by :func:`pack_ranking`.
        history: A row for each epoch.
        out: The run folder, whose model was measured.
    """
    first = unpack_ranking(ranking)
    measured = {name: value for name, value in after.facts.items() if name != "weights sha256"}
    return replace(
        after, facts={**measured, **facts, "model": str(out)}, before=before, ranking_before=first,
        comparison=compare_rankings(first, after.ranking, after.labels_of_queries()) if first and after.ranking else {},
        history={str(name): column.tolist() for name, column in pd.DataFrame(history).items()},
    )  # fmt: skip


def pack_ranking(ranking: RetrievalPerQuery | None) -> dict[str, Tensor] | None:
    """The parts of a ranking that the page shows, as tensors that can be saved."""
    if ranking is None:
        return None
    kept = {name: ranking.values[name] for name in KEPT if name in ranking.values}
    arrays = {**kept, "queries": ranking.queries, "first": ranking.first, "scores": ranking.scores}
    return {name: torch.from_numpy(np.ascontiguousarray(each)) for name, each in arrays.items()}


def unpack_ranking(packed: dict[str, Tensor] | None) -> RetrievalPerQuery | None:
    """The ranking that :func:`pack_ranking` packed."""
    if packed is None:
        return None
    kept = {name: each.numpy() for name, each in packed.items()}
    values = {name: kept[name] for name in KEPT if name in kept}
    return RetrievalPerQuery(kept["queries"], values, kept["first"], kept["scores"], np.empty(0, np.int64))
