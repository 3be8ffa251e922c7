"""The facts of an index's rows, as answers give them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from omlzoo.embedding.embeddings import ERROR
from omlzoo.index.index import Index

__all__ = ["RowFacts"]


class RowFacts:
    """The columns of an index's table, ready for a few rows at a time: a table of pandas takes ten times as long."""

    def __init__(self, index: Index) -> None:
        self.index = index
        self.kept: tuple[pd.DataFrame, dict[str, Callable[[np.ndarray], list[Any]]]] | None = None

    def __getitem__(self, rows: np.ndarray) -> list[dict[str, Any]]:
        """Of each row (N,) its columns, and over these our own: its number and where its picture is."""
        values = {name: column(rows) for name, column in self._columns().items()}
        return [
            {**{name: each[place] for name, each in values.items()}, "id": row, "picture": f"/items/{row}/picture"}
            for place, row in enumerate(rows.tolist())
        ]

    def _columns(self) -> dict[str, Callable[[np.ndarray], list[Any]]]:
        table, kept = self.index.embeddings.table, self.kept
        if kept is None or kept[0] is not table:  # at first, and after rows came or went
            kept = table, {str(name): _column(values) for name, values in table.items() if name != ERROR}
            self.kept = kept  # whole at once: other threads read it
        return kept[1]


def _column(values: pd.Series) -> Callable[[np.ndarray], list[Any]]:
    """Gives the values of rows (N,) as JSON has them: texts and numbers without a detour through pandas."""
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
    """What JSON has; None for what is no number or missing."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and not np.isfinite(value)):
        return None
    return value if isinstance(value, str | int | float) else str(value)
