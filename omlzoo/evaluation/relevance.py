"""A table of pairs that says what is right for each query, in place of equal labels: grades, or easy, hard and junk."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pandas as pd

from omlzoo.data.table_source import read_file
from omlzoo.errors import BadInput
from omlzoo.metrics._judged_ranks import Judgements, Protocol
from omlzoo.metrics._named_pairs import listed_judgements
from omlzoo.metrics._selection import Selection

__all__ = ["PairTable", "Pairs", "open_pairs"]

PairTable: TypeAlias = str | Path | pd.DataFrame
COLUMNS = ("query", "item", "grade")
FLAGS = {"query": "is_query", "item": "is_gallery"}
WORDS = {"easy": 2.0, "hard": 1.0, "junk": np.nan}  # of revisited Oxford and Paris
PROTOCOLS = {
    "medium": Protocol(1.0),
    "easy": Protocol(2.0, strict=True),
    "hard": Protocol(1.0, 1.0, strict=True),
}


@dataclass(frozen=True)
class Pairs:
    """A table of pairs.

    Attributes:
        name: Name of the table, for messages.
        queries: (P,) paths of queries, as the table of pictures has them.
        items: (P,) paths of gallery rows.
        grades: (P,) float; NaN for junk.
        words: Whether the grades are easy and hard.
        numbers: (P,) the rows of the pairs in their table, for messages.
    """

    name: str
    queries: np.ndarray
    items: np.ndarray
    grades: np.ndarray
    words: bool
    numbers: np.ndarray
    by_label = False

    @property
    def protocols(self) -> dict[str, Protocol]:
        """What counts as right, by name; the first is that of the report's own numbers."""
        if self.words:
            return dict(PROTOCOLS)
        levels = np.unique(self.grades[self.grades > 0])
        return {f"grade >= {level:g}": Protocol(float(level), graded=True) for level in levels}

    def check(self, frame: pd.DataFrame) -> None:
        """Refuse pairs of rows that cannot be measured.

        Args:
            frame: The rows to be measured, with "path", "is_query" and "is_gallery".

        Raises:
            BadInput: A pair names a row that there is not, that is no query or not in the gallery, or that several
                rows could be.
        """
        self._check(frame, "query")
        self._check(frame, "item")

    def judgements(self, frame: pd.DataFrame, selection: Selection) -> Judgements:
        """What the pairs name for queries; pairs of rows that are not there are passed over.

        Args:
            frame: The rows that could be read.
            selection: Their queries and gallery.
        """
        asked, named = self._rows(frame, "query"), self._rows(frame, "item")
        there = (asked >= 0) & (named >= 0)
        return listed_judgements(selection, asked[there], named[there], self.grades[there])

    def lost(self, frame: pd.DataFrame) -> int:
        """How many pairs are of rows that are not there.

        Args:
            frame: The rows that could be read.
        """
        return int(((self._rows(frame, "query") < 0) | (self._rows(frame, "item") < 0)).sum())

    @property
    def defined(self) -> dict[str, str]:
        """Definitions for the report."""
        how = "every grade above 0 in the report's own numbers; each grade by itself as the smallest that is right"
        if self.words:
            how = "medium, in the report's own numbers: easy and hard rows are right, junk is left out; easy: hard "
            how += "rows are left out too; hard: easy rows are left out"
        share = (
            "Grades of the right rows among the first k, each divided by log2(1 + rank), as a share of the best order's"
        )
        return {
            "relevance": "What is right for a query stands in a table of pairs, not in labels. Junk is left out of its "
            "ranking; rows without a grade are wrong.",
            "per_relevance": f"What counts as right: {how}.",
            "ndcg@k": f"{share}; easy and hard count 1." if self.words else f"{share}.",
            "ap_trapezoid": "Area under precision over recall by the trapezoidal rule, as the Oxford and Paris "
            "benchmarks have it.",
        }

    def said(self) -> str:
        """What the table has, in one line."""
        counts = pd.Series(self.grades).value_counts(dropna=False).sort_index()
        words = {value: word for word, value in WORDS.items()}
        names = [
            "junk" if np.isnan(grade) else words[grade] if self.words else f"grade {grade:g}" for grade in counts.index
        ]
        parts = [f"{count} {name}" for name, count in zip(names, counts, strict=True)]
        return f"{self.name}: {len(self.grades)} pairs of {len(set(self.queries))} queries, {', '.join(parts)}"

    def _rows(self, frame: pd.DataFrame, column: str) -> np.ndarray:
        """The row (P,) that each pair names, -1 for none."""
        every = np.flatnonzero(frame[FLAGS[column]].to_numpy(bool))
        rows = pd.Series(every, index=frame["path"].astype(str).to_numpy()[every])
        return np.asarray(rows[~rows.index.duplicated()].reindex(self._names(column), fill_value=-1))

    def _names(self, column: str) -> np.ndarray:
        return self.queries if column == "query" else self.items

    def _check(self, frame: pd.DataFrame, column: str) -> None:
        names, paths = self._names(column), frame["path"].astype(str)
        wrong = self._rows(frame, column) < 0
        if wrong.any():
            place = int(np.argmax(wrong))
            known = "in the table, but not" if np.isin(names[wrong], paths).all() else "not in the table, or not"
            raise BadInput(
                f"{self.name}: {len(set(names[wrong]))} values of {column} are {known} {FLAGS[column]} among the rows "
                f"to be measured; the first: {names[place]!r} in row {self.numbers[place]}; write them as path has them"
            )
        held = paths[frame[FLAGS[column]].to_numpy(bool)]
        several = np.isin(names, held[held.duplicated()])
        if several.any():
            place = int(np.argmax(several))
            raise BadInput(
                f"{self.name}: {column} {names[place]!r} in row {self.numbers[place]} stands in the table several "
                "times, with several boxes; give each a file of its own"
            )


def open_pairs(source: PairTable) -> Pairs:
    """Read and check a table of pairs.

    Args:
        source: A csv or Parquet file or a DataFrame with the columns "query", "item" and "grade". A grade is a number
            from 0, wrong, upwards, or junk, which is left out of that query's ranking; or all are easy, hard and junk.

    Raises:
        BadTable: The file cannot be read as a table.
        BadInput: A column is missing, a value is empty, a grade is none, all are wrong, or a pair stands there twice.
    """
    if isinstance(source, pd.DataFrame):
        frame, name, first_row = source.reset_index(drop=True), "the pairs", 0
    else:
        if not Path(source).is_file():
            raise BadInput(f"relevance {source}: there is no such file; give a csv or parquet file of query,item,grade")
        read = read_file(Path(source), Path(source).parent)
        frame, name, first_row = read.frame, str(source), read.first_row
    missing = [column for column in COLUMNS if column not in frame]
    if missing:
        raise BadInput(f"{name}: a table of pairs has the columns {', '.join(COLUMNS)}; add {', '.join(missing)}")
    text = frame[list(COLUMNS)].astype(object).where(frame[list(COLUMNS)].notna(), "").astype(str)
    blank = (text == "").all(axis=1).to_numpy()
    if blank.any():  # rows of a csv file keep their numbers
        text = text[~blank]
    numbers = text.index.to_numpy() + first_row
    if not len(text):
        raise BadInput(f"{name}: there is no pair; give at least one")
    for column in COLUMNS:
        if (empty := (text[column].str.strip() == "").to_numpy()).any():
            raise BadInput(f"{name}: {column} is empty in row {numbers[np.argmax(empty)]}; fill it or remove the row")
    grades, words = _grades(text["grade"], numbers, name)
    again = text.duplicated(["query", "item"]).to_numpy()
    if again.any():
        place = int(np.argmax(again))
        pair = text["query"].iloc[place], text["item"].iloc[place]
        first = int(np.argmax(((text["query"] == pair[0]) & (text["item"] == pair[1])).to_numpy()))
        raise BadInput(
            f"{name}: {int(again.sum())} pairs stand there twice; the first: query {pair[0]!r} and item {pair[1]!r} in "
            f"rows {numbers[first]} and {numbers[place]}; keep one"
        )
    queries, items = text["query"].to_numpy(object), text["item"].to_numpy(object)
    return Pairs(name, queries, items, grades, words, numbers)


def _grades(text: "pd.Series[str]", numbers: np.ndarray, name: str) -> tuple[np.ndarray, bool]:
    """The grades (P,), and whether they are words."""
    low = text.str.strip().str.lower()
    words = bool(low.isin(["easy", "hard"]).any())
    known: Mapping[str, float] = WORDS if words else {"junk": np.nan}
    grades = low.map(known).to_numpy(np.float64) if words else pd.to_numeric(low, errors="coerce").to_numpy(np.float64)
    wrong = ~low.isin(list(known)).to_numpy() & ~(np.isfinite(grades) & (grades >= 0) & (not words))
    if wrong.any():
        place = int(np.argmax(wrong))
        rule = "a number from 0 upwards, or junk; or all are easy, hard and junk"
        rule = "easy, hard or junk, as other grades are" if words else rule
        raise BadInput(f"{name}: the grade in row {numbers[place]} is {text.iloc[place]!r}; it must be {rule}")
    if not (grades > 0).any():
        raise BadInput(f"{name}: no grade is above 0, so nothing is right; give the pairs that are")
    return grades, words
