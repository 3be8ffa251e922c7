"""The rows of each value of a table's columns, kept for filters that come again and again."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from omlzoo.data.column_values import Found, rows_with

__all__ = ["ColumnCodes"]

KEPT = 1024  # values whose rows are remembered
FEW = 64  # values that are looked up one by one


@dataclass(frozen=True)
class _Column:
    """A column with N rows and U different values.

    Attributes:
        values: (U,) the different values, a missing one among them, of the kind of the column.
        order: (N,) int32, the rows, those of the first value first.
        starts: (U + 1,) where the rows of each value begin in ``order``.
    """

    values: pd.Series
    order: np.ndarray
    starts: np.ndarray

    @staticmethod
    def of(column: pd.Series) -> "_Column":
        codes, values = pd.factorize(column)
        codes = np.where(codes < 0, len(values), codes).astype(np.int32)  # what is missing comes last
        order = np.argsort(codes, kind="stable").astype(np.int32)
        counts = np.bincount(codes)
        starts = np.concatenate([[0], np.cumsum(counts)])
        return _Column(column.iloc[order[starts[:-1]]].reset_index(drop=True), order, starts)

    def mask(self, chosen: np.ndarray) -> np.ndarray:
        """The rows (N,) bool of the chosen values (U,) bool."""
        sizes = np.diff(self.starts)
        if len(chosen) > FEW and np.count_nonzero(chosen) > FEW:
            rows = np.empty(len(self.order), dtype=bool)
            rows[self.order] = np.repeat(chosen, sizes)
            return rows
        many = 2 * int(sizes[chosen].sum()) > len(self.order)  # then the others are fewer
        rows = np.full(len(self.order), many)
        for value in np.flatnonzero(chosen != many).tolist():
            rows[self.order[self.starts[value] : self.starts[value + 1]]] = not many
        return rows


class ColumnCodes:
    """The columns of a table that does not change. Each is looked through at the first filter by it.

    Args:
        frame: The table, with N rows.
        among: (N,) bool, the rows that may be selected.
    """

    def __init__(self, frame: pd.DataFrame, among: np.ndarray) -> None:
        self.frame, self.among = frame, among
        self._columns: dict[str, _Column] = {}
        self._there: dict[str, np.ndarray] = {}  # which values of a column rows of ``among`` have
        self._found: dict[tuple[str, type, Any], tuple[np.ndarray, bool]] = {}

    def over(self, frame: pd.DataFrame, among: np.ndarray, changed: str) -> "ColumnCodes":
        """The same for a table that differs in one column, and for other rows.

        Args:
            frame: The table, with N rows.
            among: (N,) bool, the rows that may be selected.
            changed: Name of the column that differs.
        """
        other = ColumnCodes(frame, among)
        other._columns = {name: column for name, column in self._columns.items() if name != changed}
        return other

    def rows_with(self, name: str, values: Sequence[Any], is_id: bool) -> Found:
        """What :func:`omlzoo.data.column_values.rows_with` finds.

        Args:
            name: Of the column.
            values: (V,).
            is_id: As there.

        Raises:
            BadInput: As there.
        """
        column = self._column(name)
        if column is None:
            return rows_with(self.frame[name], values, self.among, is_id)
        if len(values) > FEW:  # they are looked up together, and not remembered
            together = rows_with(column.values, values, self._there[name], is_id)
            return Found(column.mask(together.rows), together.present)
        found = [self._values_of(name, column, value, is_id) for value in values]
        chosen = np.zeros(len(column.values), dtype=bool)
        for places, _ in found:
            chosen[places] = True
        return Found(column.mask(chosen), np.array([present for _, present in found], dtype=bool))

    def _values_of(self, name: str, column: _Column, value: Any, is_id: bool) -> tuple[np.ndarray, bool]:
        """Which of the column's values are meant by one of a filter, and whether a row has one."""
        key = (name, type(value), value)
        known = self._found.get(key)
        if known is None:
            found = rows_with(column.values, [value], self._there[name], is_id)
            known = np.flatnonzero(found.rows), bool(found.present[0])
            if len(self._found) >= KEPT:
                self._found = {}
            self._found[key] = known
        return known

    def _column(self, name: str) -> _Column | None:
        """The column; None where its values are objects, among which 1, 1.0 and True would be one."""
        if pd.api.types.is_object_dtype(self.frame[name].dtype) or not len(self.frame):
            return None
        column = self._columns.get(name)
        if column is None:
            column = self._columns[name] = _Column.of(self.frame[name])
        if name not in self._there:
            self._there[name] = np.logical_or.reduceat(self.among[column.order], column.starts[:-1])
        return column
