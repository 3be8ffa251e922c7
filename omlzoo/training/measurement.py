"""Measuring while training: each picture once, by all processes together, and what is kept of it."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from omlzoo import table as tables
from omlzoo.embeddings import ERROR, Embeddings
from omlzoo.extraction import embed_table
from omlzoo.gathering import processes
from omlzoo.metrics.ranking import RetrievalPerQuery
from omlzoo.training.distributed import everyone, share_of_rows

__all__ = ["embed_together", "pack_ranking", "unpack_ranking"]


def embed_together(model: Any, rows: tables.Table, precision: Any, device: torch.device) -> Embeddings:
    """Vectors of the rows: each process embeds its share, all have the whole."""
    model.eval()
    places = np.arange(len(rows))
    mine = rows.rows(np.isin(places, places[share_of_rows(len(rows))]))
    found = embed_table(model, mine, precision=precision, device=str(device), progress=False)
    if processes() == 1:
        return found
    parts = everyone((found.vectors, found.table[ERROR].tolist()))
    vectors, errors = np.empty((len(rows), model.dim), np.float32), np.empty(len(rows), object)
    for rank, (some, said) in enumerate(parts):
        vectors[rank :: len(parts)], errors[rank :: len(parts)] = some, said
    frame = rows.frame.assign(**{ERROR: pd.Series(errors, dtype="str", index=rows.frame.index)})
    return Embeddings(vectors, frame, found.record, model)


def pack_ranking(ranking: RetrievalPerQuery | None) -> dict[str, Tensor] | None:
    """What the page shows of a ranking, as tensors that can be saved."""
    if ranking is None:
        return None
    kept = {"queries": ranking.queries, "map@r": ranking.values["map@r"], "first": ranking.first}
    arrays = {**kept, "scores": ranking.scores}
    return {name: torch.from_numpy(np.ascontiguousarray(each)) for name, each in arrays.items()}


def unpack_ranking(packed: dict[str, Tensor] | None) -> RetrievalPerQuery | None:
    """The ranking back."""
    if packed is None:
        return None
    kept = {name: each.numpy() for name, each in packed.items()}
    values = {"map@r": kept["map@r"]}
    return RetrievalPerQuery(kept["queries"], values, kept["first"], kept["scores"], np.empty(0, np.int64))
