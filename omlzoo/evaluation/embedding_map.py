"""The map of embeddings: rows in the plane, with their pictures and the columns to colour them by."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from omlzoo.data.table import Table
from omlzoo.metrics.ranking import RetrievalPerQuery
from omlzoo.ops.codes import label_texts
from omlzoo.pages.album import atlas
from omlzoo.pages.charts import Colouring, Map

__all__ = ["map_of_rows", "outcomes", "principal_components", "rows_on_map"]

POINTS = 3_000  # of a map
PICTURED = 1_200  # of them with a picture
CHOICES = 8  # numbers of a column that are still choices
COLUMNS = 6  # to colour by
HIDDEN = {"path", "error", "x_1", "x_2", "y_1", "y_2", "is_query", "is_gallery"}


def rows_on_map(count: int, seed: int = 0) -> np.ndarray:
    """Which of so many rows a map shows: all in a random order, or 3,000 drawn ones.

    Args:
        count: How many rows there are.
        seed: Seed of the drawing.
    """
    return np.random.default_rng(seed).permutation(count)[:POINTS]


def principal_components(vectors: np.ndarray) -> np.ndarray:
    """The vectors (N, D) on their first two principal components, (N, 2)."""
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    directions = np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :2]
    flat = centred @ directions
    return np.pad(flat, ((0, 0), (0, 2 - flat.shape[1])))


def outcomes(table: pd.DataFrame, ranking: RetrievalPerQuery) -> list[str]:
    """Of each row whether its first hit is "right" or "wrong"; "not asked" for those that are no queries.

    Args:
        table: N rows with a column "label".
        ranking: The first hits of the queries among them.
    """
    labels = label_texts(table["label"], "labels")
    found = np.full(len(table), "not asked", dtype=object)
    right = (labels[ranking.first[:, 0]] == labels[ranking.queries]) & (ranking.first[:, 0] >= 0)
    found[ranking.queries] = np.where(right, "right", "wrong")
    return [str(each) for each in found]


def map_of_rows(
    title: str,
    text: str,
    flat: np.ndarray,
    rows: np.ndarray,
    table: Table,
    columns: Sequence[Colouring],
) -> Map:
    """A map of some rows of a table.

    Args:
        title: What it shows, in a few words.
        text: What one sees in it, in a sentence or two.
        flat: (R, 2) positions.
        rows: (R,) rows of the table.
        table: The table with the pictures.
        columns: What to colour by besides the columns of the table, of all rows.
    """
    part = table.part(rows)
    pictures: list[Any] = [*part.files()[:PICTURED], *[None] * max(0, len(rows) - PICTURED)]
    taken = {each.name for each in columns}
    more = [name for name in map(str, table.frame.columns) if name not in HIDDEN | taken][: COLUMNS - len(columns)]
    return Map(
        title,
        text,
        flat[:, 0],
        flat[:, 1],
        [str(path) for path in part.frame["path"]],
        [Colouring(each.name, [each.values[row] for row in rows], each.kind) for each in columns]
        + [_colouring(table.frame[name], rows) for name in more],
        atlas(pictures, part.boxes()),
    )


def _colouring(column: pd.Series, rows: np.ndarray) -> Colouring:
    """The values of some rows: numbers from low to high, where a column has many, whatever else as choices."""
    name, values = str(column.name), column.iloc[rows]
    if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column) and column.nunique() > CHOICES:
        return Colouring(name, values.astype(float).tolist(), "number")
    return Colouring(name, ["" if each is None or each is pd.NA or each != each else str(each) for each in values])
