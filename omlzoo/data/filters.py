"""Selection of rows of a table by values of columns, by a mask, or by row numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from omlzoo.data.column_codes import ColumnCodes
from omlzoo.data.column_values import rows_with
from omlzoo.data.filter_values import values_of
from omlzoo.data.nearest_values import said_of_absent
from omlzoo.errors import BadInput, UnknownName, notice

__all__ = ["Selected", "Where", "matching", "select"]

Where = Mapping[str, Any] | np.ndarray | Sequence[int] | Sequence[bool]
IDS = ("path", "label", "category", "sequence")  # whose texts are names: "1" is not "1.0", nor "true" "True"


@dataclass(frozen=True)
class Selected:
    """Rows of a table that a filter selects.

    Attributes:
        rows: (N,) bool.
        notices: What a user should hear: values that no row has, with the nearest ones that there are.
    """

    rows: np.ndarray
    notices: tuple[str, ...] = ()


def matching(
    frame: pd.DataFrame, where: Where, among: np.ndarray | None = None, codes: ColumnCodes | None = None
) -> np.ndarray:
    """The selected rows as a mask (N,) bool, as :func:`select` finds them; its notices are issued.

    Args:
        frame: The table, with N rows.
        where: As there.
        among: (N,) bool, the rows that may be selected; all by default.
        codes: As there.

    Raises:
        UnknownName: The table has no such column.
        BadInput: As there.
    """
    selected = select(frame, where, among, codes)
    for text in selected.notices:
        notice(text)
    return selected.rows


def select(
    frame: pd.DataFrame, where: Where, among: np.ndarray | None = None, codes: ColumnCodes | None = None
) -> Selected:
    """The rows of a table that a filter selects.

    Args:
        frame: The table, with N rows.
        where: Columns with the value or values that they must have, such as {"category": ["boot", "shoe"]}: numbers,
            text, truth values and dates in any of their spellings; None is an empty cell, and a date without a time
            every moment of its day. Rows must fulfil all of them. Or a mask (N,) bool, or row numbers from 0 to N - 1.
        among: (N,) bool, the rows that may be selected; all by default.
        codes: What is kept of the columns of the table for these rows; the columns are looked through by default.

    Raises:
        UnknownName: The table has no such column.
        BadInput: A mask does not have the shape (N,), a row number is out of range, a value is no single one, or has a
            time zone where the column has none.
    """
    among = np.ones(len(frame), dtype=bool) if among is None else among
    if isinstance(where, Mapping):
        return _by_columns(frame, where, among, codes)
    given: Any = where
    if isinstance(given, str) or callable(given):
        kind = "a text" if isinstance(given, str) else "a function"
        raise BadInput(f"where is {kind}; give {{'column': value}}, or a mask such as table['price'] > 5")
    rows = np.asarray(where)
    if rows.dtype == bool:
        if rows.shape != (len(frame),):
            raise BadInput(f"the mask of rows has the shape {rows.shape}; it must be ({len(frame)},)")
        return Selected(rows & among)
    if rows.size and (rows.dtype.kind not in "iu" or rows.min() < 0 or rows.max() >= len(frame)):
        raise BadInput(f"rows are {rows.ravel()[:5].tolist()} ...; they must be integers from 0 to {len(frame) - 1}")
    keep = np.zeros(len(frame), dtype=bool)
    keep[rows.astype(np.int64)] = True
    return Selected(keep & among)


def _by_columns(
    frame: pd.DataFrame, where: Mapping[str, Any], among: np.ndarray, codes: ColumnCodes | None
) -> Selected:
    keep, said, asked = among, [], []
    for column, required in where.items():
        if column not in frame:
            raise UnknownName("the table", str(column), [str(name) for name in frame.columns])
        values = values_of(column, required)
        if codes is None:
            found = rows_with(frame[column], values, among, column in IDS)
        else:
            found = codes.rows_with(column, values, column in IDS)
        keep = keep & found.rows
        absent = [value for value, there in zip(values, found.present, strict=True) if not there]
        if absent:
            said += said_of_absent(frame[column][among], absent)
        asked.append(column)
    if len(asked) > 1 and not said and not keep.any():
        said.append(f"no row has what is asked of {', '.join(map(str, asked))} together")
    return Selected(keep, tuple(said))
