"""The faults of a table, of which there may be millions: each is put into words only when it is asked for."""

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import overload

import numpy as np
import pandas as pd

from omlzoo.data.written_text import escaped
from omlzoo.errors import BadTable
from omlzoo.files import new_file

__all__ = ["Broken", "Fault", "Faults", "write_faults"]

SHOWN = 100  # characters of a value that a message repeats
NAMED = 5  # rows that the line of a fault names


@dataclass(frozen=True)
class Fault:
    """One fault of a table.

    Attributes:
        row: The row of a csv file, where the header is row 1, or the position from 0; None for the whole table.
        column: The name of the column, or the names separated by commas.
        value: The value there.
        remedy: The rule that is broken and what to do.
    """

    row: int | None
    column: str
    value: str
    remedy: str

    def __str__(self) -> str:
        return self.what if self.row is None else f"row {self.row}, {self.what}"

    @property
    def what(self) -> str:
        """The fault without its row."""
        more = f" and {len(self.value) - SHOWN} more characters" if len(self.value) > SHOWN else ""
        return f"column {self.column}: {self.value[:SHOWN]!r}{more}: {self.remedy}"


@dataclass(frozen=True)
class Broken:
    """The rows that break one rule.

    Attributes:
        columns: The columns that the rule is about.
        positions: (n,) positions of the rows in the table's text, rising.
        rule: The rule and what to do.
        remedy: The same for one row, where it differs between rows: called with the row's position.
        of_value: The same for some values of the one column.
    """

    columns: tuple[str, ...]
    positions: np.ndarray
    rule: str
    remedy: Callable[[int], str] | None = None
    of_value: Mapping[str, str] = field(default_factory=dict)


class Faults(Sequence[Fault]):
    """All faults of a table: first those of the whole table, then those of rows, by row and by column.

    Args:
        whole: The faults of the whole table.
        text: The columns as text; the index holds the positions of the rows in the source.
        first_row: The number of the row at position 0.
        broken: What rows break.
    """

    def __init__(
        self, whole: Iterable[Fault], text: pd.DataFrame, first_row: int = 0, broken: Iterable[Broken] = ()
    ) -> None:
        self.whole, self.text, self.first_row = list(whole), text, first_row
        self.broken = [one for one in broken if len(one.positions)]
        order = {column: number for number, column in enumerate(text.columns)}
        self.broken.sort(key=lambda one: order.get(one.columns[0], -1))  # stable: rules of a column keep their order
        positions = np.concatenate([np.empty(0, np.int32), *(one.positions for one in self.broken)]).astype(np.int32)
        rules = np.repeat(np.arange(len(self.broken), dtype=np.int16), [len(one.positions) for one in self.broken])
        sequence = np.argsort(positions, kind="stable")
        self._positions, self._rules = positions[sequence], rules[sequence]

    def __len__(self) -> int:
        return len(self.whole) + len(self._positions)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    @overload
    def __getitem__(self, item: int) -> Fault: ...
    @overload
    def __getitem__(self, item: slice) -> list[Fault]: ...
    def __getitem__(self, item: int | slice) -> Fault | list[Fault]:
        """The fault at a place, or a list of those of a slice."""
        if isinstance(item, slice):
            return [self[number] for number in range(*item.indices(len(self)))]
        number = range(len(self))[item]
        if number < len(self.whole):
            return self.whole[number]
        number -= len(self.whole)
        return self._fault(int(self._positions[number]), self.broken[self._rules[number]])

    def _fault(self, position: int, one: Broken) -> Fault:
        value = ", ".join(str(self.text[column].array[position]) for column in one.columns)
        remedy = one.of_value.get(value, one.rule) if one.remedy is None else one.remedy(position)
        return Fault(int(self.text.index[position]) + self.first_row, ", ".join(one.columns), value, remedy)

    def faulty(self) -> np.ndarray:
        """(N,) bool: the rows of the text that have a fault."""
        rows = np.zeros(len(self.text), dtype=bool)
        rows[self._positions] = True
        return rows

    def lines(self, listed: int = BadTable.listed) -> list[str]:
        """A line for each distinct fault, with its rows; those behind the first ones are counted by rule.

        Args:
            listed: How many distinct faults are listed; of more, a line for each rule says how many rows are left.
        """
        lines = list(dict.fromkeys(map(str, self.whole)))
        groups = sorted(
            (group for number in range(len(self.broken)) for group in self._distinct(number, listed)),
            key=lambda group: (group[1][0], group[0]),
        )
        lines, left = lines[:listed], len(lines[listed:])
        shown = groups[: max(0, listed - len(lines))]
        lines += [self._line(number, positions) for number, positions in shown]
        if left:
            lines.append(f"and {left:,} more of the whole table")
        counts = [len(one.positions) for one in self.broken]
        for number, positions in shown:
            counts[number] -= len(positions)
        for one, count in zip(self.broken, counts, strict=True):
            rows = "row" if count == 1 else "rows"
            lines += [f"and {count:,} more {rows}, column {', '.join(one.columns)}: {one.rule}"] * bool(count)
        return lines

    def _distinct(self, number: int, most: int) -> list[tuple[int, np.ndarray]]:
        """The first distinct faults of a rule: its number, and the positions that have each, rising."""
        one = self.broken[number]
        if one.remedy is not None:  # another sentence for each row, made for the first ones alone
            return [(number, one.positions[place : place + 1]) for place in range(min(most, len(one.positions)))]
        rows = self.text[list(one.columns)].take(one.positions)
        codes = rows.groupby(list(one.columns), sort=False).ngroup().to_numpy()
        ends = np.bincount(codes).cumsum()
        parts = np.split(one.positions[np.argsort(codes, kind="stable")], ends[: min(most, len(ends) - 1)])
        return [(number, part) for part in parts[:most]]

    def _line(self, number: int, positions: np.ndarray) -> str:
        fault = self._fault(int(positions[0]), self.broken[number])
        if len(positions) == 1:
            return str(fault)
        rows = ", ".join(str(int(self.text.index[each]) + self.first_row) for each in positions[:NAMED])
        return f"{len(positions):,} rows ({rows}{', ...' if len(positions) > NAMED else ''}), {fault.what}"


def write_faults(faults: Iterable[Fault], path: str | Path) -> None:
    """Write faults to a csv file with the columns row, column, value and remedy; row is empty for the whole table.

    Args:
        faults: The faults.
        path: The file.

    Raises:
        BadInput: The file cannot be written.
    """
    with new_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("row", "column", "value", "remedy"))
        writer.writerows((fault.row, fault.column, escaped(fault.value), fault.remedy) for fault in faults)
