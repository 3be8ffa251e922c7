"""The rows of an index and the backend that searches them, one value that never changes, so searches go on."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from omlzoo import catalog
from omlzoo.data.column_codes import ColumnCodes
from omlzoo.data.filters import Selected, Where, matching, select
from omlzoo.data.table import Table
from omlzoo.data.table_hints import alike, twice_written
from omlzoo.embedding.embeddings import ERROR, Embeddings, joined_tables
from omlzoo.embedding.unit_length import not_unit
from omlzoo.errors import BadInput, counted, notice
from omlzoo.index.backends._backend import Backend
from omlzoo.index.growing import Growing
from omlzoo.index.row_keys import Key, RowKeys, keys_of
from omlzoo.ops.arrays import LARGEST
from omlzoo.ops.directions import directions
from omlzoo.ops.similarity import Similarity

__all__ = ["REMOVED", "Rows"]

REMOVED = "removed from the index"
FEW = 20_000  # rows that pass a filter and are looked at one by one, also by an approximate backend
MANY = 10_000  # hits of a query from which on an approximate backend, some of which have such a bound, is not asked
SPARSE = 8  # where fewer than one row in so many may be found, those are copied in place of passing the others over
BLOCK = 1 << 22  # numbers that are checked at a time
SAME = 1e-5  # difference of two vectors' numbers, relative to the largest, that are of one image


@dataclass(frozen=True)
class Rows:
    """Rows and their backend. An addition or removal makes another one, or raises and leaves this one as it is.

    Attributes:
        embeddings: All rows; those without a vector are never found.
        searcher: The backend that has the rows with a vector.
        similarity: "cosine" where the model normalises, else "euclidean".
        known: The keys of all rows, where those before these had them already.
        growing: The memory that the vectors are in, where some were added.
        coded: What is kept of the columns of those before these, where they are the same.
    """

    embeddings: Embeddings
    searcher: Backend
    similarity: Similarity
    known: RowKeys | None = None
    growing: Growing | None = None
    coded: ColumnCodes | None = None

    @staticmethod
    def of(embeddings: Embeddings, searcher: Backend, similarity: Similarity, kept: Path | None) -> "Rows":
        """The rows of embeddings, which an empty backend takes.

        Args:
            embeddings: The rows.
            searcher: A backend without rows.
            similarity: "cosine" or "euclidean".
            kept: The folder of what the backend kept of these rows; None where it has never had them.

        Raises:
            BadInput: A vector has a number that is not finite, or what was kept is of other rows.
        """
        rows = Rows(embeddings if kept is not None else _scaled(embeddings, "the rows"), searcher, similarity)
        left = int((~rows.good & (embeddings.table[ERROR] != REMOVED)).sum())
        if left:
            notice(f"{left} of {len(embeddings)} rows have no vector and are never found")
        if kept is None:
            _check_sizes(rows.embeddings.vectors, rows.numbers)
            searcher.add(rows.embeddings.vectors, rows.numbers)
        else:
            searcher.restore(kept, rows.embeddings.vectors, rows.numbers)
        return rows

    @property
    def good(self) -> np.ndarray:
        """(N,) bool: the rows that can be found."""
        return self.embeddings.good

    @cached_property
    def numbers(self) -> np.ndarray:
        """The numbers of the rows that can be found."""
        return np.flatnonzero(self.good)

    @cached_property
    def keys(self) -> RowKeys:
        """Which file and box each row is of."""
        return RowKeys.of(self.table()) if self.known is None else self.known

    @cached_property
    def codes(self) -> ColumnCodes:
        """What is kept of the columns for filters."""
        table = self.embeddings.table
        return ColumnCodes(table, self.good) if self.coded is None else self.coded.over(table, self.good, ERROR)

    @cached_property
    def directions(self) -> Backend:
        """The backend, or all rows' directions where it compares by another measure than cosine."""
        if self.similarity == "cosine":
            return self.searcher
        vectors = self.embeddings.vectors
        found: Backend = catalog.find("index.backends", "exact")("cosine", self.embeddings.record.dim)
        found.add(directions(vectors), self.numbers)
        return found

    def select(self, where: Where) -> Selected:
        """The rows that a filter selects, as :func:`omlzoo.data.filters.select` does."""
        return select(self.embeddings.table, where, self.good, self.codes)

    def matching(self, where: Where) -> np.ndarray:
        """The rows (N,) bool that a filter selects; its notices are issued."""
        return matching(self.embeddings.table, where, self.good, self.codes)

    def table(self) -> Table:
        """The rows as a table with their images."""
        return self.embeddings.pictures("the index")

    def exactly(self, numbers: np.ndarray) -> Backend:
        """An exact backend over the rows of these numbers (M,)."""
        exact: Backend = catalog.find("index.backends", "exact")(self.similarity, self.embeddings.record.dim)
        exact.add(self.embeddings.vectors, numbers)
        return exact

    @cached_property
    def whole(self) -> Backend:
        """An exact backend over all rows, for what the other one does not answer."""
        return self.exactly(self.numbers)

    def find(
        self,
        vectors: np.ndarray,
        k: int,
        own: np.ndarray | None = None,
        allowed: np.ndarray | None = None,
        by_cosine: bool = False,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Scores and numbers (Q, k) of the nearest rows.

        Where a filter leaves few rows or k is large, an approximate backend is not asked: each row is looked at. So it
        is for queries to which it brings fewer than k although more may be found, as where all of those are far away.

        Args:
            vectors: (Q, dim).
            k: Hits for each query, at most the number of rows.
            own: (Q,) the number of a query's own row, which is left out; -1 for none.
            allowed: (N,) bool, the rows that may be found; all by default.
            by_cosine: Compare by cosine, whatever the similarity is.
        """
        searcher = self.directions if by_cosine else self.searcher
        if not searcher.approximate:
            return searcher.search(vectors, k, own, allowed)
        may = self.good if allowed is None else self.good & allowed
        left, rows = int(np.count_nonzero(may)), len(self.numbers)
        if left == 0 or k > MANY or (allowed is not None and left <= max(FEW, rows // 20)):
            return self._looked_at(vectors, k, own, may)
        scores, ids = searcher.search(vectors, k, own, allowed)
        wanted = np.full(len(ids), left) if own is None else left - (may[own] & (own >= 0))
        short = (ids >= 0).sum(axis=1) < np.minimum(k, wanted)
        if short.any():
            theirs = None if own is None else own[short]
            scores[short], ids[short] = self._looked_at(vectors[short], k, theirs, may)
        return scores, ids

    def _looked_at(
        self, vectors: np.ndarray, k: int, own: np.ndarray | None, may: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Exact scores and numbers of the nearest among ``may`` (N,) bool; where those are few, of a copy of them."""
        if SPARSE * np.count_nonzero(may) < len(may):
            return self.exactly(np.flatnonzero(may)).search(vectors, k, own)
        return self.whole.search(vectors, k, own, may)

    def own(self, queries: Embeddings) -> np.ndarray:
        """The number of the row of each query's own file and box; -1 where it is not here."""
        return self.keys.find(keys_of(queries.pictures("queries")), self.table(), self.good)

    def added(self, embeddings: Embeddings) -> "Rows":
        """The rows and new ones behind them; images that are here already are left out, with a notice.

        Raises:
            BadInput: The new ones are of another model, preprocessing or normalisation, or are not finite, or have a
                label, category or sequence that is here in another spelling.
        """
        if not isinstance(embeddings, Embeddings):
            raise BadInput(f"add takes Embeddings, not {type(embeddings).__name__}; give omlzoo.embed(model, pictures)")
        ours = self.embeddings
        ours.record.check_comparable(embeddings.record)
        differs = ours.record.decoding_differs(embeddings.record)
        if differs:
            notice(f"the rows that are added were decoded in another way than those that are there: {differs}")
        theirs = embeddings.pictures("the new rows")
        files, keys = theirs.files(), keys_of(theirs)
        known = self._knows(embeddings, keys, [file.is_file() for file in files])
        if known.any():
            were = ("is", "was") if known.sum() == 1 else ("are", "were")
            pictures = f"{known.sum()} of {counted(len(known), 'picture')}"
            notice(f"{pictures} {were[0]} in the index already and {were[1]} left out")
        new = _scaled(embeddings.rows(~known), "the new rows")
        if embeddings.record.root != ours.record.root:
            kept = [str(file.absolute()) for file, left in zip(files, known, strict=True) if not left]
            new = replace(new, table=new.table.assign(path=pd.Series(kept, dtype="str")))
        _check_sizes(new.vectors, np.flatnonzero(new.good))
        if not len(new):
            return self
        table = joined_tables([ours.table, new.table])
        _check_names(table, len(ours))
        growing = self.growing
        if growing is None or not growing.fits(len(ours), len(new)):
            growing = Growing.room_for(ours.vectors, len(new))
        vectors, searcher = growing.extended(new.vectors), copy.copy(self.searcher)
        if new.good.any():
            searcher.add(vectors, len(ours) + np.flatnonzero(new.good))
        growing.keep(len(vectors))
        more = self.keys.extended([key for key, left in zip(keys, known, strict=True) if not left])
        return Rows(replace(ours, vectors=vectors, table=table), searcher, self.similarity, more, growing)

    def without(self, gone: np.ndarray) -> "Rows":
        """The rows but for those where ``gone`` (N,) is true; the others keep their numbers."""
        table = self.embeddings.table.copy()
        table.loc[gone, ERROR] = REMOVED
        searcher = copy.copy(self.searcher)
        searcher.remove(np.flatnonzero(gone))
        known = self.__dict__.get("keys", self.known)  # none are made for this
        return Rows(replace(self.embeddings, table=table), searcher, self.similarity, known, self.growing,
                    self.__dict__.get("codes", self.coded))  # fmt: skip

    def _knows(self, new: Embeddings, keys: Sequence[Key], are_files: Sequence[bool]) -> np.ndarray:
        """Which new rows are here: of one file and box or, where the files are elsewhere, of one name and vector."""
        rows = self.keys.find(keys, self.table(), self.good)
        found = np.flatnonzero((rows >= 0) & ~np.array(are_files, dtype=bool))
        old, fresh = self.embeddings.vectors[rows[found]], new.vectors[found]
        same = np.abs(old - fresh).max(axis=1, initial=0) <= SAME * np.abs(old).max(axis=1, initial=0)
        rows[found[~same]] = -1  # a NaN is not the same either
        return rows >= 0


def _scaled(embeddings: Embeddings, where: str) -> Embeddings:
    """The same, with vectors of an L2 norm of 1 where the record says that they have it: one's own need not."""
    if not embeddings.record.normalized:
        return embeddings
    rows, found = not_unit(embeddings.vectors, where)
    if not len(rows):
        return embeddings
    vectors = embeddings.vectors.copy()
    vectors[rows] = found
    return replace(embeddings, vectors=vectors)


def _check_names(table: pd.DataFrame, start: int) -> None:
    """Refuse ids that rows from ``start`` on bring and that another row has in another spelling, equal to the eye."""
    for column in (name for name in ("label", "category", "sequence") if name in table):
        if not isinstance(table[column].dtype, pd.StringDtype):
            continue
        texts = table[column].fillna("")
        known = set(texts[:start].unique())
        if not set(texts[start:].unique()) - known:
            continue
        wrong = twice_written(texts) & ~texts.isin(texts[:start][twice_written(texts[:start])])
        if wrong.any():
            value = texts[wrong].iloc[0]
            both = f"{value!r} and {value.partition('.')[0]!r}"
            raise BadInput(f"the {column}s {both} would stand beside each other; write the number in one way")
        for value, other in alike(texts).items():
            if not {value, other} <= known:
                both = f"{value!a} and {other!a}"
                raise BadInput(f"the {column}s {both} are equal to the eye and differ in bytes; write them in one way")


def _check_sizes(vectors: np.ndarray, rows: np.ndarray) -> None:
    """Refuse numbers that the exact backend refuses: NaN, infinity, and those whose squares leave float32."""
    if not vectors.size:
        return
    step = max(1, BLOCK // vectors.shape[1])
    for start in range(0, len(rows), step):
        part = rows[start : start + step]
        broken = ~(np.abs(vectors[part]) <= LARGEST).all(axis=1)
        if broken.any():
            row = part[broken.argmax()]
            what = f"has a number that is not finite or above {LARGEST:g}"
            raise BadInput(f"the vector of row {row} {what}; embed again, or leave it out")
