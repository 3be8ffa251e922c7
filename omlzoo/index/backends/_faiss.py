"""A FAISS index whose candidates are scored exactly, through filters, additions and removals."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from omlzoo import catalog
from omlzoo.errors import BadInput
from omlzoo.index.backends._erased import erased
from omlzoo.index.backends._rescore import rescored
from omlzoo.ops.similarity import Similarity

__all__ = ["Faiss", "faiss_library"]

FILE, KEPT = "backend.faiss", "backend.npz"
GROWN = 2  # times the rows that the codes were learnt from, from which on they are learnt again
WIDER, WIDEST = 4, 100  # how many times as wide a walk is where too few may be found, and from where on it is the last
LEAST, SHARE = 1024, 50  # the widest walk: so many rows, or one of so many where there are more
BLOCK = 1 << 21  # rows that walks bring at a time


class Faiss:
    """A FAISS index of codes and the vectors that its candidates are scored with.

    An index that walks to the nearest rows, and does not look at all, is asked for the nearest of all rows, and those
    that may be found are picked from the answer; where they are too few the walk is wider. So what it misses behind a
    filter is what it misses without one. Rows that are removed stay until they are most of all; what is written is
    without their codes.

    Attributes:
        make: Builds the empty FAISS index for a number of rows.
        spare: Candidates for each hit.
        parameters: Builds the parameters of a search from a selector of rows, the number of candidates, and how many
            times as wide as without a filter it is.
        walks: Whether a search looks at some rows only.
        binary: Whether the codes are the signs of the numbers around their mean.
    """

    approximate = True

    def __init__(
        self,
        similarity: Similarity,
        make: Callable[[int], Any],
        spare: int,
        parameters: Callable[[Any, int, float], Any],
        walks: bool = False,
        binary: bool = False,
    ) -> None:
        self.similarity: Similarity = similarity
        self.make, self.spare, self.parameters, self.walks, self.binary = make, spare, parameters, walks, binary
        self.index: Any = None
        self.rows = np.empty(0, dtype=np.int64)  # of each number in the FAISS index
        self.gone = np.empty(0, dtype=bool)  # and whether it was removed
        self.left: np.ndarray | None = None  # those that were not removed, a bit each; None where none was
        self.in_order = True  # whether each row has its own number
        self.vectors = np.empty((0, 0), dtype=np.float32)
        self.middle: np.ndarray | None = None
        self.learnt = 0  # rows that the codes were learnt from

    def add(self, vectors: np.ndarray, rows: np.ndarray) -> None:
        """Search these rows too.

        Args:
            vectors: (N, dim) float32, all vectors of the index.
            rows: (M,) numbers of the rows.
        """
        old = self.rows[~self.gone]
        if self.index is not None and len(old) + len(rows) > GROWN * self.learnt:
            rows = np.concatenate([old, rows])  # codes that few rows taught may have no place for later ones
            self._forget()
        new = np.ascontiguousarray(vectors[rows], dtype=np.float32)
        if self.binary and self.middle is None:
            self.middle = new.mean(axis=0)
        codes = self._codes(new)
        if self.index is None:
            index, self.learnt = self.make(len(rows)), len(rows)
            index.train(codes)
        else:  # searches of other threads go on in the old one
            index = self._copied()
        if hasattr(index, "invlists"):  # whose numbers do not follow from how many there are
            index.add_with_ids(codes, np.arange(len(self.rows), len(self.rows) + len(rows)))
        else:
            index.add(codes)
        self.index, self.vectors = index, vectors
        self.rows = np.concatenate([self.rows, rows])
        self.gone = np.concatenate([self.gone, np.zeros(len(rows), dtype=bool)])
        self._look()

    def remove(self, rows: np.ndarray) -> None:
        """Remove these rows (M,) from the results. They stay, and a walk passes through them, until they are most of
        all: then a graph is built anew from the others."""
        self.gone = self.gone | np.isin(self.rows, rows)
        if 2 * np.count_nonzero(self.gone) > len(self.gone):
            left = self.rows[~self.gone]
            if hasattr(self.index, "hnsw"):
                self._forget()
                self.add(self.vectors, left)
            else:
                self.index, self.rows, self.gone = erased(self._copied(), self.rows, self.gone)
        self._look()

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
        codes = self._codes(np.ascontiguousarray(queries, dtype=np.float32))
        count = min(len(self.rows), self.spare * (k + (own is not None)))
        if self.walks and (allowed is not None or self.left is not None):
            among = ~self.gone if allowed is None else self._of_rows(allowed) & ~self.gone
            numbers = self._walked(codes, count, among)
        else:
            _, numbers = self.index.search(codes, count, params=self.parameters(self._selector(allowed), count, 1.0))
        candidates = np.where(numbers < 0, -1, self.rows[numbers])
        return rescored(queries, self.vectors, candidates, k, self.similarity, own)

    def save(self, folder: Path) -> None:
        """Write the FAISS index; of rows that were removed, their places and nothing of their vectors."""
        library, index, rows, gone = faiss_library(), self.index, self.rows, self.gone
        if gone.any():
            index, rows, gone = erased(self._copied(), rows, gone)
        write = library.write_index_binary if self.binary else library.write_index
        write(index, str(folder / FILE))
        middle = np.empty(0, dtype=np.float32) if self.middle is None else self.middle
        np.savez(folder / KEPT, rows=rows, gone=gone, middle=middle, learnt=self.learnt)

    def restore(self, folder: Path, vectors: np.ndarray, rows: np.ndarray) -> None:
        """Read what :meth:`save` wrote of the rows (M,) of ``vectors`` (N, dim).

        Raises:
            BadInput: It cannot be read, or is of other rows.
        """
        library = faiss_library()
        try:
            read = library.read_index_binary if self.binary else library.read_index
            self.index = read(str(folder / FILE))
            with np.load(folder / KEPT, allow_pickle=False) as kept:
                self.rows, self.middle = kept["rows"], kept["middle"]
                self.gone = kept["gone"] if "gone" in kept else np.zeros(len(self.rows), dtype=bool)  # earlier versions
                self.learnt = int(kept["learnt"]) if "learnt" in kept else len(self.rows)
        except Exception as error:  # FAISS and numpy raise anything on damaged files
            raise BadInput(f"{folder}: {FILE} cannot be read ({str(error)[:200]}); build the index again") from error
        dim, wanted = self.index.d, -(-vectors.shape[1] // 8) * 8 if self.binary else vectors.shape[1]
        if dim != wanted or (self.binary and len(self.middle) != vectors.shape[1]):
            raise BadInput(f"{folder}: {FILE} has {dim} numbers a row and the index {wanted}; build the index again")
        if not self._fits(len(vectors), rows):
            raise BadInput(f"{folder}: {FILE} has other rows than the embeddings; build the index again")
        self.vectors = vectors
        self._look()

    def _fits(self, count: int, rows: np.ndarray) -> bool:
        """Whether what was read is of the rows (M,) of so many vectors."""
        numbers, gone = self.rows, self.gone
        if numbers.ndim != 1 or gone.shape != numbers.shape or gone.dtype != bool or numbers.dtype != np.int64:
            return False
        there = len(numbers) - (int(gone.sum()) if hasattr(self.index, "invlists") else 0)
        inside = not len(numbers) or bool(numbers.min() >= 0 and numbers.max() < count)
        return self.index.ntotal == there and inside and np.array_equal(np.sort(numbers[~gone]), np.sort(rows))

    def _walked(self, codes: np.ndarray, count: int, among: np.ndarray) -> np.ndarray:
        """Numbers (Q, count) of the nearest that are ``among`` (M,) bool; -1 where the widest walk brought fewer."""
        found = np.full((len(codes), count), -1, dtype=np.int64)
        may, asked = int(np.count_nonzero(among)), np.arange(len(codes))
        enough, widest = min(count, may), min(len(among), max(LEAST, len(among) // SHARE, 2 * count))
        wider, lists = len(among) / max(1, may), hasattr(self.index, "invlists")
        while len(asked) and may:
            width, short = min(widest, round(count * wider + 0.5)), []
            parameters = self.parameters(None, width, wider)
            step = max(1, BLOCK // width)
            for part in (asked[start : start + step] for start in range(0, len(asked), step)):
                _, numbers = self.index.search(codes[part], width, params=parameters)
                good = (numbers >= 0) & among[numbers]
                order = np.argsort(~good, axis=1, kind="stable")[:, :count]  # the nearest come first
                picked = np.where(np.take_along_axis(good, order, 1), np.take_along_axis(numbers, order, 1), -1)
                found[part, : picked.shape[1]] = picked
                short.append(part[good.sum(axis=1) < enough])
            asked = np.concatenate(short)
            if (width == widest and not lists) or wider > WIDEST:
                break
            wider *= WIDER
        return found

    def _selector(self, allowed: np.ndarray | None) -> Any:
        """FAISS's choice of the rows that may be found; None for all."""
        bits = self.left
        if allowed is not None:
            bits = np.packbits(self._of_rows(allowed), bitorder="little")
            bits = bits if self.left is None else bits & self.left
        return None if bits is None else faiss_library().IDSelectorBitmap(bits)

    def _of_rows(self, mask: np.ndarray) -> np.ndarray:
        """A mask of rows (N,) as one of numbers in the FAISS index."""
        return mask[: len(self.rows)] if self.in_order else mask[self.rows]

    def _copied(self) -> Any:
        library = faiss_library()
        return library.clone_binary_index(self.index) if self.binary else library.clone_index(self.index)

    def _forget(self) -> None:
        """Bind attributes anew as they were before the first row."""
        self.index, self.middle, self.left = None, None, None
        self.rows, self.gone = self.rows[:0], self.gone[:0]

    def _look(self) -> None:
        """Look once at what every search asks: whether rows were removed, and whether their numbers are their own."""
        self.left = np.packbits(~self.gone, bitorder="little") if self.gone.any() else None
        self.in_order = bool(np.array_equal(self.rows, np.arange(len(self.rows))))

    def _codes(self, vectors: np.ndarray) -> np.ndarray:
        if not self.binary:
            return vectors
        return np.packbits(vectors > self.middle, axis=1)


def faiss_library() -> Any:
    """The package faiss.

    Raises:
        MissingExtra: It is not installed.
    """
    return catalog.optional("faiss", "faiss")
