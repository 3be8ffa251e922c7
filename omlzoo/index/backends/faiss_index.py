"""FAISS backends: a graph, an inverted file of codes, and smaller forms of the vectors. Their hits are scored exactly.

FAISS proposes candidates, and the float32 vectors of the index decide, so scores and thresholds mean what they mean in
exact search; what an approximate index can do wrong is to miss a row.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from omlzoo import catalog
from omlzoo.errors import BadInput
from omlzoo.index.backends._rescore import rescored
from omlzoo.ops.similarity import Similarity

__all__ = ["faiss", "faiss_binary", "faiss_float16", "faiss_int8", "faiss_ivfpq"]

FILE = "backend.faiss"
CODES = 256  # of a product quantiser's byte
IN_BYTES = 2  # candidates for each hit, where bytes have the candidates in nearly the right order
GROWN = 2  # times the rows that the codes were learnt from, from which on they are learnt again


class Faiss:
    """A FAISS index of codes and the vectors that its candidates are scored with.

    Attributes:
        make: Builds the empty FAISS index for a number of rows.
        spare: Candidates for each hit.
        parameters: Builds the parameters of a search from a selector of rows and the number of candidates.
        binary: Whether the codes are the signs of the numbers around their mean.
    """

    approximate = True

    def __init__(
        self,
        similarity: Similarity,
        make: Callable[[int], Any],
        spare: int,
        parameters: Callable[[Any, int], Any],
        binary: bool = False,
    ) -> None:
        self.similarity: Similarity = similarity
        self.make, self.spare, self.parameters, self.binary = make, spare, parameters, binary
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
            self.index, self.middle, self.rows, self.gone, self.left = None, None, rows[:0], old[:0] > 0, None
        new = np.ascontiguousarray(vectors[rows], dtype=np.float32)
        if self.binary and self.middle is None:
            self.middle = new.mean(axis=0)
        codes = self._codes(new)
        if self.index is None:
            index, self.learnt = self.make(len(rows)), len(rows)
            index.train(codes)
        else:  # searches of other threads go on in the old one
            index = _faiss().clone_binary_index(self.index) if self.binary else _faiss().clone_index(self.index)
        index.add(codes)
        self.index, self.vectors = index, vectors
        self.rows = np.concatenate([self.rows, rows])
        self.gone = np.concatenate([self.gone, np.zeros(len(rows), dtype=bool)])
        self._look()

    def remove(self, rows: np.ndarray) -> None:
        """Remove these rows (M,) from the results: they stay in the graph, and a search passes through them."""
        self.gone = self.gone | np.isin(self.rows, rows)
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
        bits = self.left
        if allowed is not None:
            among = allowed[: len(self.rows)] if self.in_order else allowed[self.rows]
            bits = np.packbits(among, bitorder="little")
            bits = bits if self.left is None else bits & self.left
        selector = None if bits is None else _faiss().IDSelectorBitmap(bits)
        count = min(len(self.rows), self.spare * (k + (own is not None)))
        codes = self._codes(np.ascontiguousarray(queries, dtype=np.float32))
        _, numbers = self.index.search(codes, count, params=self.parameters(selector, count))
        candidates = np.where(numbers < 0, -1, self.rows[numbers])
        return rescored(queries, self.vectors, candidates, k, self.similarity, own)

    def save(self, folder: Path) -> None:
        """Write the FAISS index without the rows that were removed."""
        library, index = _faiss(), self.index
        if self.gone.any():
            kept = Faiss(self.similarity, self.make, self.spare, self.parameters, self.binary)
            kept.add(self.vectors, self.rows[~self.gone])
            index, self.middle, self.learnt = kept.index, kept.middle, kept.learnt
            self.index, self.rows, self.gone = kept.index, kept.rows, kept.gone
            self._look()
        write = library.write_index_binary if self.binary else library.write_index
        write(index, str(folder / FILE))
        middle = np.empty(0, dtype=np.float32) if self.middle is None else self.middle
        np.savez(folder / "backend.npz", rows=self.rows, middle=middle, learnt=self.learnt)

    def restore(self, folder: Path, vectors: np.ndarray, rows: np.ndarray) -> None:
        """Read what :meth:`save` wrote of the rows (M,) of ``vectors`` (N, dim)."""
        library = _faiss()
        try:
            read = library.read_index_binary if self.binary else library.read_index
            self.index = read(str(folder / FILE))
            with np.load(folder / "backend.npz", allow_pickle=False) as kept:
                self.rows, self.middle = kept["rows"], kept["middle"]
                self.learnt = int(kept["learnt"]) if "learnt" in kept else len(self.rows)  # earlier versions
        except Exception as error:  # FAISS and numpy raise anything on damaged files
            raise BadInput(f"{folder}: {FILE} cannot be read ({str(error)[:200]}); build the index again") from error
        dim, wanted = self.index.d, -(-vectors.shape[1] // 8) * 8 if self.binary else vectors.shape[1]
        if dim != wanted or (self.binary and len(self.middle) != vectors.shape[1]):
            raise BadInput(f"{folder}: {FILE} has {dim} numbers a row and the index {wanted}; build the index again")
        if len(self.rows) != self.index.ntotal or not np.array_equal(np.sort(self.rows), np.sort(rows)):
            raise BadInput(f"{folder}: {FILE} has other rows than the embeddings; build the index again")
        self.vectors, self.gone = vectors, np.zeros(len(self.rows), dtype=bool)
        self._look()

    def _look(self) -> None:
        """Look once at what every search asks: whether rows were removed, and whether their numbers are their own."""
        self.left = np.packbits(~self.gone, bitorder="little") if self.gone.any() else None
        self.in_order = bool(np.array_equal(self.rows, np.arange(len(self.rows))))

    def _codes(self, vectors: np.ndarray) -> np.ndarray:
        if not self.binary:
            return vectors
        return np.packbits(vectors > self.middle, axis=1)


def faiss(
    similarity: Similarity, dim: int, *, neighbours: int = 32, build_width: int = 128, search_width: int = 64
) -> Faiss:
    """A graph of near neighbours (HNSW, arXiv 1603.09320) over a byte for each number of the vectors.

    Args:
        similarity: "cosine" of unit vectors, or "euclidean".
        dim: Dimension of the vectors.
        neighbours: Links of a row. More links take more memory and raise the recall.
        build_width: Candidates that are looked at when a row is linked.
        search_width: Candidates that are looked at in a search. More candidates take more time and raise the recall.

    Raises:
        BadInput: A number is below 1.
        MissingExtra: faiss is not installed.
    """
    _positive(neighbours=neighbours, build_width=build_width, search_width=search_width)
    library = _faiss()

    def make(rows: int) -> Any:
        # Of unit vectors the order of distances is that of cosines. Bytes take a quarter of the memory and are faster.
        index = library.IndexHNSWSQ(dim, library.ScalarQuantizer.QT_8bit, neighbours)
        index.hnsw.efConstruction = build_width
        return index

    def parameters(selector: Any, count: int) -> Any:
        return library.SearchParametersHNSW(efSearch=max(search_width, count), sel=selector)

    return Faiss(similarity, make, IN_BYTES, parameters)


def faiss_ivfpq(
    similarity: Similarity,
    dim: int,
    *,
    lists: int | None = None,
    probes: int = 32,
    code_bytes: int = 48,
    spare: int = 10,
) -> Faiss:
    """Lists of product-quantised vectors (arXiv 1702.08734), the smallest FAISS index.

    Args:
        similarity: "cosine" of unit vectors, or "euclidean".
        dim: Dimension of the vectors; a multiple of ``code_bytes``.
        lists: Cells of the coarse quantiser; a 40th of the rows by default, at most 4 times their square root.
        probes: Lists that a search looks into.
        code_bytes: Bytes of a row's code.
        spare: Candidates scored exactly for each hit.

    Raises:
        BadInput: A number is below 1, ``code_bytes`` does not divide ``dim``, or rows are too few to learn the codes.
        MissingExtra: faiss is not installed.
    """
    _positive(lists=lists or 1, probes=probes, code_bytes=code_bytes, spare=spare)
    if dim % code_bytes:
        raise BadInput(f"code_bytes is {code_bytes}; it must divide the length of a vector, {dim}")
    library = _faiss()

    def make(rows: int) -> Any:
        cells = lists or max(1, min(rows // 40, int(4 * rows**0.5)))
        if rows < max(CODES, cells):
            raise BadInput(
                f"faiss_ivfpq learns its codes from at least {max(CODES, cells)} rows, there are {rows}; use exact"
            )
        return library.index_factory(dim, f"IVF{cells},PQ{code_bytes}np")

    def parameters(selector: Any, count: int) -> Any:
        return library.SearchParametersIVF(nprobe=probes, sel=selector)

    return Faiss(similarity, make, spare, parameters)


def faiss_float16(similarity: Similarity, dim: int, *, spare: int = 2) -> Faiss:
    """Every row is looked at, with half precision numbers.

    Args:
        similarity: "cosine" of unit vectors, or "euclidean".
        dim: Dimension of the vectors.
        spare: Candidates scored exactly for each hit, at least 1.

    Raises:
        BadInput: ``spare`` is below 1.
        MissingExtra: faiss is not installed.
    """
    return _scalar(similarity, dim, "QT_fp16", spare)


def faiss_int8(similarity: Similarity, dim: int, *, spare: int = 4) -> Faiss:
    """Every row is looked at, with a byte for each number.

    Args:
        similarity: "cosine" of unit vectors, or "euclidean".
        dim: Dimension of the vectors.
        spare: Candidates scored exactly for each hit, at least 1.

    Raises:
        BadInput: ``spare`` is below 1.
        MissingExtra: faiss is not installed.
    """
    return _scalar(similarity, dim, "QT_8bit", spare)


def faiss_binary(similarity: Similarity, dim: int, *, spare: int = 20) -> Faiss:
    """Every row is looked at, with a bit for each number.

    Args:
        similarity: "cosine" of unit vectors, or "euclidean".
        dim: Dimension of the vectors.
        spare: Candidates scored exactly for each hit, at least 1.

    Raises:
        BadInput: ``spare`` is below 1.
        MissingExtra: faiss is not installed.
    """
    _positive(spare=spare)
    library = _faiss()

    def parameters(selector: Any, count: int) -> Any:
        return None if selector is None else library.SearchParameters(sel=selector)

    return Faiss(similarity, lambda rows: library.IndexBinaryFlat(-(-dim // 8) * 8), spare, parameters, binary=True)


def _scalar(similarity: Similarity, dim: int, form: str, spare: int) -> Faiss:
    _positive(spare=spare)
    library = _faiss()

    def parameters(selector: Any, count: int) -> Any:
        return None if selector is None else library.SearchParameters(sel=selector)

    kind = getattr(library.ScalarQuantizer, form)
    return Faiss(similarity, lambda rows: library.IndexScalarQuantizer(dim, kind, library.METRIC_L2), spare, parameters)


def _positive(**values: int) -> None:
    for name, value in values.items():
        if value < 1:
            raise BadInput(f"{name} is {value}; it must be at least 1")


def _faiss() -> Any:
    return catalog.optional("faiss", "faiss")
