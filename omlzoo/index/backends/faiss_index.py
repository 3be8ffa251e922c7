"""FAISS backends: a graph, an inverted file of codes, and smaller forms of the vectors. Their hits are scored exactly.

FAISS proposes candidates, and the float32 vectors of the index decide, so scores and thresholds mean what they mean in
exact search; what an approximate index can do wrong is to miss a row.
"""

from typing import Any

from omlzoo.errors import BadInput
from omlzoo.index.backends._faiss import Faiss, faiss_library
from omlzoo.index.backends._ranges import check_whole
from omlzoo.ops.similarity import Similarity

__all__ = ["faiss", "faiss_binary", "faiss_float16", "faiss_int8", "faiss_ivfpq"]

CODES = 256  # of a product quantiser's byte
LINKS, SPARE = 1024, 10_000  # the most links of a row, and candidates for each hit
IN_BYTES = 2  # candidates for each hit, where bytes have the candidates in nearly the right order


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
        BadInput: A number is out of its range.
        MissingExtra: faiss is not installed.
    """
    check_whole(most=LINKS, neighbours=neighbours)
    check_whole(build_width=build_width, search_width=search_width)
    library = faiss_library()

    def make(rows: int) -> Any:
        # Of unit vectors the order of distances is that of cosines. Bytes take a quarter of the memory and are faster.
        index = library.IndexHNSWSQ(dim, library.ScalarQuantizer.QT_8bit, neighbours)
        index.hnsw.efConstruction = build_width
        return index

    def parameters(selector: Any, count: int, wider: float) -> Any:
        return library.SearchParametersHNSW(efSearch=max(search_width, count), sel=selector)

    return Faiss(similarity, make, IN_BYTES, parameters, walks=True)


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
        BadInput: A number is out of its range, ``code_bytes`` does not divide ``dim``, or rows are too few to learn
            the codes.
        MissingExtra: faiss is not installed.
    """
    check_whole(lists=1 if lists is None else lists, probes=probes, code_bytes=code_bytes)
    check_whole(most=SPARE, spare=spare)
    if dim % code_bytes:
        raise BadInput(f"code_bytes is {code_bytes}; it must divide the length of a vector, {dim}")
    library = faiss_library()

    def make(rows: int) -> Any:
        cells = lists or max(1, min(rows // 40, int(4 * rows**0.5)))
        if rows < max(CODES, cells):
            raise BadInput(
                f"faiss_ivfpq learns its codes from at least {max(CODES, cells)} rows, there are {rows}; use exact"
            )
        return library.index_factory(dim, f"IVF{cells},PQ{code_bytes}np")

    def parameters(selector: Any, count: int, wider: float) -> Any:
        return library.SearchParametersIVF(nprobe=round(probes * wider), sel=selector)  # FAISS takes all lists at most

    return Faiss(similarity, make, spare, parameters, walks=True)


def faiss_float16(similarity: Similarity, dim: int, *, spare: int = 2) -> Faiss:
    """Every row is looked at, with half precision numbers.

    Args:
        similarity: "cosine" of unit vectors, or "euclidean".
        dim: Dimension of the vectors.
        spare: Candidates scored exactly for each hit, at least 1.

    Raises:
        BadInput: ``spare`` is out of its range.
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
        BadInput: ``spare`` is out of its range.
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
        BadInput: ``spare`` is out of its range.
        MissingExtra: faiss is not installed.
    """
    check_whole(most=SPARE, spare=spare)
    library = faiss_library()

    def parameters(selector: Any, count: int, wider: float) -> Any:
        return None if selector is None else library.SearchParameters(sel=selector)

    return Faiss(similarity, lambda rows: library.IndexBinaryFlat(-(-dim // 8) * 8), spare, parameters, binary=True)


def _scalar(similarity: Similarity, dim: int, form: str, spare: int) -> Faiss:
    check_whole(most=SPARE, spare=spare)
    library = faiss_library()

    def parameters(selector: Any, count: int, wider: float) -> Any:
        return None if selector is None else library.SearchParameters(sel=selector)

    kind = getattr(library.ScalarQuantizer, form)
    return Faiss(similarity, lambda rows: library.IndexScalarQuantizer(dim, kind, library.METRIC_L2), spare, parameters)
