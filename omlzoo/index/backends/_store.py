"""Rows in a database: what every store does alike, over the few things that each does in its own way."""

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from omlzoo.errors import BadInput, notice
from omlzoo.index.backends._rescore import rescored
from omlzoo.ops.similarity import Similarity

__all__ = ["Selection", "Store", "StoredRows", "by_query", "check_table", "checked_name"]

SAMPLE = 32  # rows from all over whose vectors are compared with those of the store, and as many of the last ones
SAME = 1e-5  # difference of numbers that are the same, in stores with forms of their own
SAID = 200  # characters of what a store says that are repeated
NAME = re.compile(r"[A-Za-z_]\w{0,199}", re.ASCII)


class Selection:
    """Which rows of a store may be found: all, those of a list, or all but those of a list; the shorter list is sent.

    Attributes:
        only: (M,) the rows that may be found; None where ``without`` says it.
        without: (M,) the rows that may not.
        share: Which share of the rows may be found, from 0 to 1.
    """

    def __init__(self, only: np.ndarray | None, without: np.ndarray, share: float) -> None:
        self.only, self.without, self.share = only, without, share


class Store(Protocol):
    """A collection of vectors whose key is the number of the row, and the client that speaks to it.

    Attributes:
        address: Where it is, as messages say it: without passwords.
        collection: Name of the collection.
        spare: Candidates that are asked for each hit, since their order is that of a smaller form.
        errors: What the client raises where the store is down, full or damaged.
    """

    address: str
    collection: str
    spare: int
    errors: tuple[type[Exception], ...]

    def exists(self) -> bool:
        """Whether there is such a collection."""

    def create(self, numbers: np.ndarray, vectors: np.ndarray, overwrite: bool) -> None:
        """Make the collection with these rows.

        Args:
            numbers: (M,) numbers of the rows, ascending.
            vectors: (N, dim) float32, all vectors of the index.
            overwrite: Whether one that is there is replaced; BadInput otherwise.
        """

    def insert(self, numbers: np.ndarray, vectors: np.ndarray) -> None:
        """Put rows in, in place of those that have their numbers.

        Args:
            numbers: (M,) numbers of the rows, ascending.
            vectors: (N, dim) float32, all vectors of the index.
        """

    def delete(self, numbers: np.ndarray) -> None:
        """Delete rows (M,); those that are not there are passed over."""

    def numbers(self, expected: np.ndarray) -> np.ndarray:
        """The numbers of the rows that are there; ``expected`` (M,) are those that should be."""

    def vectors(self, numbers: np.ndarray) -> dict[int, np.ndarray]:
        """The vectors of those of the rows (M,) that are there."""

    def nearest(self, queries: np.ndarray, count: int, selection: Selection) -> np.ndarray:
        """Rows (Q, count) near each query, in any order; -1 where there are fewer.

        Args:
            queries: (Q, dim) float32.
            count: How many.
            selection: Which may be found.
        """

    def saved(self) -> None:
        """The index is being saved: put in order what additions and deletions have left."""


class StoredRows:
    """A backend over a store; candidates are scored exactly.

    The store has the rows of the index and, until the index is saved, those that were removed: whatever the folder of
    the index says is there, and a process that ends without saving has changed nothing that was saved.
    """

    approximate = True

    def __init__(self, store: Store, similarity: Similarity, dim: int, overwrite: bool) -> None:
        self.store, self.overwrite = store, overwrite
        self.similarity: Similarity = similarity
        self.vectors = np.empty((0, dim), dtype=np.float32)
        self.there = np.empty(0, dtype=bool)  # of each row of the vectors, whether it can be found
        self.gone = np.empty(0, dtype=np.int64)  # removed, and still in the store

    def add(self, vectors: np.ndarray, rows: np.ndarray) -> None:
        """Insert these rows.

        Args:
            vectors: (N, dim) float32, all vectors of the index.
            rows: (M,) numbers of the rows.
        """
        with self._asking():
            if self.there.any():
                self.store.insert(rows, vectors)
            else:
                self.store.create(rows, vectors, self.overwrite)
        there = np.zeros(len(vectors), dtype=bool)
        there[: len(self.there)] = self.there
        there[rows] = True
        self.vectors, self.there, self.gone = vectors, there, self.gone[~np.isin(self.gone, rows)]

    def remove(self, rows: np.ndarray) -> None:
        """Find these rows (M,) no more."""
        there = self.there.copy()
        there[rows] = False
        self.there, self.gone = there, np.concatenate([self.gone, rows[self.there[rows]]])

    def search(
        self, queries: np.ndarray, k: int, own: np.ndarray | None = None, allowed: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Scores (Q, k) float32, higher is nearer, and rows (Q, k); -inf and -1 where fewer than k were found.

        Args:
            queries: (Q, dim).
            k: At most the number of rows.
            own: (Q,) the row of a query, which is left out; -1 where it is not here.
            allowed: (N,) bool, the rows that may be found; all by default.
        """
        queries = np.ascontiguousarray(queries, dtype=np.float32)
        may = self.there if allowed is None else self.there & allowed[: len(self.there)]
        left = int(np.count_nonzero(may))
        count = min(left, k * self.store.spare + (own is not None))
        candidates = np.full((len(queries), max(count, k)), -1, dtype=np.int64)
        if count:
            found, strange = self._nearest(queries, count, may, self._selection(may, left))
            if strange:  # rows that are being added, or that another process added, stand in the place of ours
                found, _ = self._nearest(queries, count, may, Selection(np.flatnonzero(may), self.gone[:0], 1.0))
            candidates[:, :count] = found
        return rescored(queries, self.vectors, candidates, k, self.similarity, own)

    def save(self, folder: Path) -> None:
        """Delete the rows that were removed; the folder needs nothing."""
        with self._asking():
            if len(self.gone):
                self.store.delete(self.gone)
            self.store.saved()
        self.gone = self.gone[:0]

    def restore(self, folder: Path, vectors: np.ndarray, rows: np.ndarray) -> None:
        """Use the rows of the store; those that it lacks are put back, and strange ones left out, with a notice.

        Raises:
            BadInput: It has no such collection, or another index's, or is damaged; with ``overwrite`` it is made anew.
        """
        refused: tuple[type[Exception], ...] = (BadInput, *self.store.errors)
        try:
            self._take_up(vectors, rows)
        except refused as error:
            if self.overwrite:
                self.add(vectors, rows)
                notice(f"{self.store.collection!r} of {self.store.address} was made anew with the {len(rows):,} rows "
                       f"of {folder} ({_said(error)})")  # fmt: skip
                return
            raise BadInput(
                f"{self.store.address} does not hold the rows of the index {folder} in {self.store.collection!r} "
                f"({_said(error)}); the index has its vectors: open_index(..., overwrite=True) puts them there anew, "
                "in place of what is there; where another index answers from it, give collection= another name too"
            ) from error

    def _take_up(self, vectors: np.ndarray, rows: np.ndarray) -> None:
        if not self.store.exists():
            raise BadInput("there is no such collection")
        here = self.store.numbers(rows)
        common = rows[np.isin(rows, here)]
        places = np.linspace(0, max(0, len(common) - 1), min(len(common), SAMPLE)).astype(np.int64)
        sample = common[np.union1d(places, np.arange(max(0, len(common) - SAMPLE), len(common)))]
        theirs = self.store.vectors(sample) if len(sample) else {}
        if not theirs or any(vector.shape != vectors[row].shape or not np.abs(vector - vectors[row]).max() <= SAME
                             for row, vector in theirs.items()):  # fmt: skip
            raise BadInput("it has other vectors")
        missing, self.gone = rows[~np.isin(rows, here)], here[~np.isin(here, rows)]
        self.vectors, self.there = vectors, np.zeros(len(vectors), dtype=bool)
        self.there[rows] = True
        if len(missing) or len(self.gone):
            notice(
                f"{self.store.collection!r} has {len(self.gone)} rows that the index has not, which are left out, and "
                f"lacked {len(missing)}, which were put back: a process ended before it saved, or another index saves "
                "there too"
            )
        if len(missing):
            self.store.insert(missing, vectors)

    def _nearest(
        self, queries: np.ndarray, count: int, may: np.ndarray, selection: Selection
    ) -> tuple[np.ndarray, bool]:
        """Rows (Q, count) that may be found, -1 for others, and whether there were others."""
        with self._asking():
            found = self.store.nearest(queries, count, selection)
        ours = (found >= 0) & (found < len(may))
        ours[ours] = may[found[ours]]
        return np.where(ours, found, -1), bool((~ours & (found >= 0)).any())

    def _selection(self, may: np.ndarray, left: int) -> Selection:
        barred = np.concatenate([np.flatnonzero(self.there & ~may), self.gone])
        only = np.flatnonzero(may) if left < len(barred) else None
        return Selection(only, barred if only is None else barred[:0], left / (left + len(barred)))

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """What the store's client raises, as one line that a user can act on."""
        try:
            yield
        except BadInput:
            raise
        except self.store.errors as error:
            raise BadInput(
                f"{self.store.address} did not do what was asked of {self.store.collection!r} ({_said(error)}); see "
                "that it runs and has room, then try again: the folder of the index is as it was"
            ) from error


def by_query(which: np.ndarray, rows: np.ndarray, queries: int, count: int) -> np.ndarray:
    """Hits of several queries, a row (Q, count) for each; -1 where there are fewer.

    Args:
        which: (M,) the query of each hit, from 0.
        rows: (M,) the hits.
        queries: Q.
        count: At most so many hits has a query.
    """
    order = np.argsort(which, kind="stable")
    each = np.bincount(which, minlength=queries)
    place = np.arange(len(rows)) - np.repeat(np.cumsum(each) - each, each)
    found = np.full((queries, count), -1, dtype=np.int64)
    found[which[order], place] = rows[order]
    return found


def check_table(address: str, table: str, columns: Collection[str], overwrite: bool, kind: str = "table") -> None:
    """Refuse to replace a table that is there: one of ours without ``overwrite``, and one of others ever.

    Args:
        address: Of the database, without secrets.
        table: Name of the table.
        columns: Its columns; none where there is no such table.
        overwrite: Whether one of ours may be replaced.
        kind: What the store calls a table.

    Raises:
        BadInput: It must stay.
    """
    if columns and not overwrite:
        raise BadInput(
            f"{address} has a {kind} {table!r} already; give collection= another name, or overwrite=True to replace it"
        )
    if columns and set(columns) != {"row", "vector"}:
        raise BadInput(
            f"the {kind} {table!r} of {address} has the columns {sorted(columns)} and is none of ours, so it is not "
            "replaced; give collection= another name"
        )


def checked_name(collection: Any) -> str:
    """The name of a collection.

    Raises:
        BadInput: It is no name of letters, digits and _.
    """
    if not isinstance(collection, str) or not NAME.fullmatch(collection):
        raise BadInput(f"collection is {collection!r}; it is a name of letters, digits and _")
    return collection


def _said(error: Exception) -> str:
    """The first line of what a client says, or the name of the error where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:SAID]
