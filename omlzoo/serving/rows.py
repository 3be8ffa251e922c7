"""The facts of an index's rows, as answers give them."""

from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from omlzoo.embeddings import ERROR
from omlzoo.indexed import Index

__all__ = ["Rows"]


class Rows:
    """The columns of an index's table, ready for a few rows at a time: a table of pandas takes ten times as long."""

    def __init__(self, index: Index) -> None:
        table = index.embeddings.table.drop(columns=ERROR)
        self.columns = pa.table({str(name): _column(table[name]) for name in table}).combine_chunks()

    def __getitem__(self, rows: np.ndarray) -> list[dict[str, Any]]:
        """Of each row (N,) its columns, and over these our own: its number and where its picture is."""
        return [
            {**{name: _plain(value) for name, value in facts.items()}, "id": row, "picture": f"/items/{row}/picture"}
            for row, facts in zip(rows.tolist(), self.columns.take(pa.array(rows)).to_pylist(), strict=True)
        ]


def _column(values: pd.Series) -> pa.Array:
    try:
        return pa.array(values, from_pandas=True)
    except pa.ArrowException:  # of several kinds
        return pa.array(values.astype("str"), from_pandas=True)


def _plain(value: Any) -> Any:
    """What JSON has; None for what is no number."""
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)
