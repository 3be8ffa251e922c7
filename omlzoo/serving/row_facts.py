"""The facts of an index's rows in the form that answers give them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from omlzoo.embedding.embeddings import ERROR
from omlzoo.index.index import Index

__all__ = ["RowFacts"]

NOT_OFFERED = ("path", "split", "is_query", "is_gallery", "sequence", "x_1", "x_2", "y_1", "y_2", ERROR)
CHOICES = 60  # values of a column that the page offers as a filter


class RowFacts:
    """The columns of an index's table, prepared for quick access to a few rows; pandas takes ten times as long.

    Args:
        index: The index whose rows are described.
    """

    def __init__(self, index: Index) -> None:
        self.index = index
        self.offered: tuple[pd.DataFrame, dict[str, list[str]]] | None = None
        self.kept: tuple[pd.DataFrame, dict[str, Callable[[np.ndarray], list[Any]]]] | None = None

    def __getitem__(self, rows: np.ndarray) -> list[dict[str, Any]]:
        """For each row number (N,) its columns, its number as "id", and the address of its picture as "picture"."""
        values = {name: column(rows) for name, column in self._columns().items()}
        return [
            {**{name: column[number] for name, column in values.items()}, "id": row, "picture": f"/items/{row}/picture"}
            for number, row in enumerate(rows.tolist())
        ]

    def choices(self) -> dict[str, list[str]]:
        """The columns with few distinct values in the rows whose pictures were read, and these values in order."""
        table, offered = self.index.embeddings.table, self.offered
        if offered is None or offered[0] is not table:
            offered = table, _choices(table[self.index.embeddings.good])
            self.offered = offered
        return offered[1]

    def _columns(self) -> dict[str, Callable[[np.ndarray], list[Any]]]:
        table, kept = self.index.embeddings.table, self.kept
        if kept is None or kept[0] is not table:  # at first, and after rows were added or removed
            kept = table, {str(name): _column(values) for name, values in table.items() if name != ERROR}
            self.kept = kept  # in one assignment, because other threads read it
        return kept[1]


def _choices(frame: pd.DataFrame) -> dict[str, list[str]]:
    choices = {}
    for name in frame.columns:
        if name not in NOT_OFFERED:
            values = frame[name].dropna().astype(str).unique()
            if 1 < len(values) <= CHOICES:
                choices[str(name)] = sorted(values)
    return choices


def _column(values: pd.Series) -> Callable[[np.ndarray], list[Any]]:
    """A function from row numbers (N,) to their values for JSON; texts and numbers are taken without pandas."""
    kind = values.dtype
    if isinstance(kind, pd.StringDtype):
        texts = pa.array(values, from_pandas=True)
        whole = texts.combine_chunks() if isinstance(texts, pa.ChunkedArray) else texts
        return lambda rows: whole.take(pa.array(rows)).to_pylist()
    if isinstance(kind, np.dtype) and kind.kind in "biuf":
        numbers = values.to_numpy()
        return lambda rows: [_plain(value) for value in numbers[rows].tolist()]
    return lambda rows: [_plain(value) for value in values.array.take(rows).tolist()]


def _plain(value: Any) -> Any:
    """The value as a type of JSON; None for a missing value and for a number that is not finite."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and not np.isfinite(value)):
        return None
    return value if isinstance(value, str | int | float) else str(value)
