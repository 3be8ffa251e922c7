"""Measuring while training: each picture once, by all processes together, and what is kept of it."""

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
from omlzoo.errors import BadInput, UnknownName
from omlzoo.evaluation.evaluation import evaluate_embeddings
from omlzoo.evaluation.report import Report, compare_rankings
from omlzoo.metrics.ranking import RetrievalPerQuery
from omlzoo.models._extractor import Extractor
from omlzoo.ops.all_gather import processes
from omlzoo.training.distributed import everyone, share_of_rows

__all__ = ["Probe", "embed_together", "final_report", "pack_ranking", "unpack_ranking"]

KEPT = ("cmc@1", "map@5", "map@r")  # values of each query before training


@dataclass(frozen=True)
class Probe:
    """How the models of a run are measured.

    Attributes:
        metric: That of the selection rows that chooses the epoch.
        precision: Of embedding, as in ``omlzoo.embed``.
        device: Where the model is.
    """

    metric: str
    precision: Precision
    device: torch.device

    def embed(self, model: Extractor, rows: tables.Table) -> Embeddings:
        """Vectors of the rows, which all processes compute together."""
        return embed_together(model, rows, self.precision, self.device)

    def measure(self, model: Extractor, rows: tables.Table, thorough: bool = False) -> Report:
        """The report of a model on rows."""
        return evaluate_embeddings(self.embed(model, rows), rows.name, thorough=thorough)

    def check(self, model: Extractor, rows: tables.Table) -> None:
        """Refuse, before anything is trained, a metric that is not there or that the rows cannot have.

        Raises:
            UnknownName: There is no such metric.
            BadInput: No label has two rows.
        """
        metrics = self.measure(model, rows).metrics
        if self.metric not in metrics:
            raise UnknownName("the metrics of the selection rows", self.metric, metrics)
        if not math.isfinite(metrics[self.metric]):
            count = f"{len(rows)} rows set apart from training"
            raise BadInput(f"{self.metric} of the {count} is not a number: no label has two; set selection to 0")


def embed_together(model: Extractor, rows: tables.Table, precision: Precision, device: torch.device) -> Embeddings:
    """Vectors of the rows: each process embeds its share, all have the whole."""
    model.eval()
    places = np.arange(len(rows))
    mine = rows.rows(np.isin(places, places[share_of_rows(len(rows))]))
    options = ComputeOptions(precision=precision, device=str(device))
    found = embed_table(model, mine, options=options, progress=False)
    if processes() == 1:
        return found
    parts = everyone((found.vectors, found.table[ERROR].tolist()))
    vectors, errors = np.empty((len(rows), model.dim), np.float32), np.empty(len(rows), object)
    for rank, (some, said) in enumerate(parts):
        vectors[rank :: len(parts)], errors[rank :: len(parts)] = some, said
    frame = rows.frame.assign(**{ERROR: pd.Series(errors, dtype="str", index=rows.frame.index)})
    return Embeddings(vectors, frame, found.record, model)


def final_report(
    after: Report,
    facts: Mapping[str, Any],
    before: dict[str, Any] | None,
    ranking: dict[str, Tensor] | None,
    history: list[dict[str, Any]],
    out: Path,
) -> Report:
    """The report of a run: its last measurement, what was before, and what the training said.

    Args:
        after: Of the validation rows.
        facts: Of the run.
        before: Metrics before training.
        ranking: Of :func:`pack_ranking`, before training.
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
    """What the page shows of a ranking, as tensors that can be saved."""
    if ranking is None:
        return None
    kept = {name: ranking.values[name] for name in KEPT if name in ranking.values}
    arrays = {**kept, "queries": ranking.queries, "first": ranking.first, "scores": ranking.scores}
    return {name: torch.from_numpy(np.ascontiguousarray(each)) for name, each in arrays.items()}


def unpack_ranking(packed: dict[str, Tensor] | None) -> RetrievalPerQuery | None:
    """The ranking back."""
    if packed is None:
        return None
    kept = {name: each.numpy() for name, each in packed.items()}
    values = {name: kept[name] for name in KEPT if name in kept}
    return RetrievalPerQuery(kept["queries"], values, kept["first"], kept["scores"], np.empty(0, np.int64))
