"""Selection of rows of a table by values of columns, by a mask, or by row numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from omlzoo.errors import BadInput, UnknownName

__all__ = ["Where", "matching"]

Where = Mapping[str, Any] | np.ndarray | Sequence[int] | Sequence[bool]


def matching(frame: pd.DataFrame, where: Where) -> np.ndarray:
    """The selected rows as a mask (N,) bool.

    Args:
        frame: The table, with N rows.
        where: Columns with the value or values that they must have, such as {"category": ["boot", "shoe"]}; they are
            compared as text, fractions as numbers. Rows must fulfil all of them. Or a mask (N,) bool, or row numbers
            from 0 to N - 1.

    Raises:
        UnknownName: The table has no such column.
        BadInput: A mask does not have the shape (N,), or a row number is out of range.
    """
    if isinstance(where, Mapping):
        keep = np.ones(len(frame), dtype=bool)
        for column, required in where.items():
            if column not in frame:
                raise UnknownName("the table", column, [str(name) for name in frame.columns])
            single = required is None or isinstance(required, str) or np.isscalar(required)
            keep &= _equal(frame[column], [required] if single else list(required))
        return keep
    rows = np.asarray(where)
    if rows.dtype == bool:
        if rows.shape != (len(frame),):
            raise BadInput(f"the mask of rows has the shape {rows.shape}; it must be ({len(frame)},)")
        return rows
    if rows.size and (rows.dtype.kind not in "iu" or rows.min() < 0 or rows.max() >= len(frame)):
        raise BadInput(f"rows are {rows.ravel()[:5].tolist()} ...; they must be integers from 0 to {len(frame) - 1}")
    keep = np.zeros(len(frame), dtype=bool)
    keep[rows.astype(np.int64)] = True
    return keep


def _equal(column: pd.Series, values: Sequence[Any]) -> np.ndarray:
    """Where a column has one of the values; 1, 1.0 and "1" are one number, and None and NaN are what is missing."""
    missing = [value is None or (isinstance(value, float) and value != value) for value in values]
    texts = [_text(value) for value, is_missing in zip(values, missing, strict=True) if not is_missing]
    if pd.api.types.is_float_dtype(column.dtype):
        numbers = pd.to_numeric(pd.Series(texts, dtype="str"), errors="coerce").dropna()
        found = column.isin(numbers.tolist())
    else:
        found = column.astype(str).isin(texts)
    return np.asarray(found | column.isna() if any(missing) else found, dtype=bool)


def _text(value: Any) -> str:
    whole = isinstance(value, float | np.floating) and float(value).is_integer()
    return str(int(value)) if whole else str(value)
