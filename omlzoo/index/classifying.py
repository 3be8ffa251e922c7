"""The labels of queries by the votes of their nearest rows."""

from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd

from omlzoo.errors import BadInput, notice
from omlzoo.index.queries import Queries, QueryEncoder, texts_in
from omlzoo.index.rows import Rows
from omlzoo.ops.codes import MISSING, label_codes
from omlzoo.ops.directions import directions

__all__ = ["label_chances"]


def label_chances(
    rows: Rows, encoder: QueryEncoder, queries: Queries, k: int, temperature: float, exclude_self: bool
) -> pd.DataFrame:
    """The share of each label in the votes of a query's k nearest rows by cosine.

    Args:
        rows: The rows of an index, with the column "label"; those without a label do not vote.
        encoder: What makes vectors of the queries.
        queries: As in ``Index.search``.
        k: How many rows vote; all where there are fewer.
        temperature: A row at cosine s votes with exp(s / temperature).
        exclude_self: Whether the row with the query's own path does not vote.

    Returns:
        A row per query and a column per label among the hits, sorted; a row sums to 1, and is NaN where the query
        could not be read or has no hit.

    Raises:
        BadInput: No row has a label, k or the temperature is out of its range, or as in ``Index.search``.
    """
    import torch  # here, as an index of arrays opens without it

    from omlzoo.ops.votes import check_votes, vote_shares

    check_votes(k, temperature)
    table, good = rows.embeddings.table, rows.good
    if "label" not in table:
        raise BadInput("the index has no column label, so nothing can vote; embed a table with labels")
    codes, names = label_codes(table["label"], "labels", missing=True)
    voters = good & (codes != MISSING)
    if not voters.any():
        raise BadInput(f"none of the {int(good.sum())} rows of the index has a label, so nothing can vote")
    if voters.sum() < good.sum():
        notice(f"{good.sum() - voters.sum()} of {good.sum()} rows of the index have no label and do not vote")
    texts = texts_in(queries)
    encoded = encoder.encode_images(queries) if texts is None else encoder.encode_texts(texts)
    read = encoded.good
    ids = np.full((len(encoded), min(k, int(voters.sum()))), -1)
    scores = np.full(ids.shape, -np.inf, dtype=np.float32)
    if read.any():
        own = rows.own(encoded)[read] if exclude_self and texts is None else None
        allowed = None if voters.sum() == good.sum() else voters
        units = directions(encoded.vectors[read])
        scores[read], ids[read] = rows.find(units, ids.shape[1], own, allowed, by_cosine=True)
    found = np.where(ids < 0, MISSING, codes[ids])
    return _by_label(vote_shares(torch.from_numpy(scores), temperature).numpy(), found, names)


def _by_label(shares: np.ndarray, codes: np.ndarray, names: list[Any]) -> pd.DataFrame:
    """The sum of the shares (Q, k) of each label (Q, k), in the columns of those there are."""
    present = np.unique(codes[codes != MISSING])
    with suppress(TypeError):  # of labels that have no order
        present = np.array(sorted(present, key=lambda code: names[code]), dtype=np.int64)
    column = np.full(len(names) + 1, len(present))
    column[present] = np.arange(len(present))
    chances = np.zeros((len(codes), len(present) + 1))
    np.add.at(chances, (np.arange(len(codes))[:, None], column[codes]), shares)
    chances[np.isnan(shares).any(axis=1)] = np.nan
    return pd.DataFrame(chances[:, :-1], columns=pd.Index([names[code] for code in present], name="label"))
