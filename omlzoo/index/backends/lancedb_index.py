"""The LanceDB backend: rows in a folder on disk, searched by this process without a server."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from omlzoo import catalog
from omlzoo.errors import BadInput
from omlzoo.index.backends._ranges import check_whole, checked_folder
from omlzoo.index.backends._store import Selection, StoredRows, by_query, check_table, checked_name
from omlzoo.ops.similarity import Similarity

__all__ = ["lancedb"]

Kind = Literal["flat", "IVF_FLAT", "IVF_HNSW_SQ"]
ROWS = 8192  # of a batch that is written
LEAST = 10_000  # rows from which on there is an index: all of fewer are looked at in hundredths of a second
WIDEST = 1000  # candidates that the graph keeps while it searches


class Lance:
    """A table of LanceDB with the number of the row and the vector."""

    def __init__(
        self, uri: str, collection: str, similarity: Similarity, kind: Kind, probes: int, search_width: int
    ) -> None:
        self.address, self.collection, self.kind = uri, collection, kind
        self.probes, self.search_width = probes, search_width
        self.spare = 1 if kind != "IVF_HNSW_SQ" else 4  # its bytes have the candidates in nearly the right order
        self.distance = "dot" if similarity == "cosine" else "l2"  # unit vectors: the product is the cosine
        self.package = catalog.optional("lancedb", "lancedb")
        self.errors: tuple[type[Exception], ...] = (ValueError, RuntimeError, OSError)
        try:
            self.database = self.package.connect(uri)
        except self.errors as error:
            raise BadInput(f"LanceDB cannot open {uri} ({str(error)[:200]}); give uri= a folder") from error
        self.table: Any = None

    def exists(self) -> bool:
        """Whether there is such a table."""
        if not Path(self.address, f"{self.collection}.lance").is_dir():
            return False
        self.table = self.database.open_table(self.collection)
        return True

    def create(self, numbers: np.ndarray, vectors: np.ndarray, overwrite: bool) -> None:
        """Make the table with rows (M,) of ``vectors`` (N, dim), and its index.

        Args:
            numbers: The rows.
            vectors: All vectors of the index.
            overwrite: Whether one that is there is replaced.

        Raises:
            BadInput: There is one, or it is none of ours.
        """
        if self.exists():
            check_table(self.address, self.collection, self.table.schema.names, overwrite)
            self.database.drop_table(self.collection)
        self.table = self.database.create_table(self.collection, _batches(numbers, vectors))
        self._index()

    def insert(self, numbers: np.ndarray, vectors: np.ndarray) -> None:
        """Put rows (M,) of ``vectors`` (N, dim) in, in place of those that have their numbers."""
        merge = self.table.merge_insert("row").when_matched_update_all().when_not_matched_insert_all()
        merge.execute(_batches(numbers, vectors))

    def delete(self, numbers: np.ndarray) -> None:
        """Delete rows (M,)."""
        self.table.delete(self._among(numbers))

    def numbers(self, expected: np.ndarray) -> np.ndarray:
        """The numbers of the rows; what is expected does not matter."""
        found = self.table.search().select(["row"]).limit(None).to_arrow()
        return np.asarray(found["row"].to_numpy(), dtype=np.int64)

    def vectors(self, numbers: np.ndarray) -> dict[int, np.ndarray]:
        """The vectors of those of the rows (M,) that are there."""
        if self.table.schema.names != ["row", "vector"]:
            return {}
        found = self.table.search().where(self._among(numbers)).limit(None).to_arrow()
        theirs = found["vector"].to_pylist()
        return {
            row: np.asarray(vector, dtype=np.float32)
            for row, vector in zip(found["row"].to_pylist(), theirs, strict=True)
        }

    def nearest(self, queries: np.ndarray, count: int, selection: Selection) -> np.ndarray:
        """Rows (Q, count) near each query; -1 where there are fewer.

        Args:
            queries: (Q, dim) float32.
            count: How many.
            selection: Which may be found. Where it is a share of the rows, more of the others are looked at.
        """
        wider = 1 / max(selection.share, 1e-3)
        asked = self.table.search(queries[0] if len(queries) == 1 else queries).distance_type(self.distance)
        asked = asked.limit(count).select(["row", "_distance"])
        asked = asked.minimum_nprobes(round(self.probes * wider**0.5)).maximum_nprobes(
            0
        )  # 0: all, until there are enough
        if self.kind == "IVF_HNSW_SQ":
            asked = asked.ef(min(WIDEST, max(count, round(self.search_width * wider))))
        if selection.only is not None:
            asked = asked.where(self._among(selection.only))
        elif len(selection.without):
            asked = asked.where(~self._among(selection.without))
        found = asked.to_arrow()
        rows = found["row"].to_numpy()
        which = found["query_index"].to_numpy() if "query_index" in found.column_names else np.zeros_like(rows)
        return by_query(which, rows, len(queries), count)

    def saved(self) -> None:
        """Put small files together, and take what was added into the index."""
        self.table.optimize()
        self._index()

    def _index(self) -> None:
        """Make the index where the rows are enough for one and there is none."""
        if self.table.count_rows() < LEAST:
            return
        there = {column for index in self.table.list_indices() for column in index.columns}
        kinds = catalog.optional("lancedb.index", "lancedb")
        if "row" not in there:
            self.table.create_index("row", config=kinds.BTree())
        if "vector" not in there and self.kind != "flat":
            make = kinds.IvfFlat if self.kind == "IVF_FLAT" else kinds.HnswSq
            self.table.create_index("vector", config=make(distance_type=self.distance))

    def _among(self, numbers: np.ndarray) -> Any:
        """The condition that a row is one of these; the client writes it."""
        return catalog.optional("lancedb.expr", "lancedb").col("row").isin(numbers.tolist())


def lancedb(
    similarity: Similarity,
    dim: int,
    *,
    uri: str,
    collection: str = "omlzoo",
    kind: Kind = "IVF_FLAT",
    probes: int = 20,
    search_width: int = 100,
    overwrite: bool = False,
) -> StoredRows:
    """Rows in a folder of LanceDB.

    Args:
        similarity: "cosine" of unit vectors, or "euclidean".
        dim: Dimension of the vectors.
        uri: The folder, such as "shoes.lance". Its makers' cloud and object storage are not spoken to.
        collection: Name of the table in it; one that exists is not replaced.
        kind: From 10,000 rows on: "IVF_FLAT", lists of near rows, fast to build; "IVF_HNSW_SQ", graphs over a byte for
            each number, faster to search, and fifteen times slower to build; "flat" looks at all rows.
        probes: Lists that are looked at; more where a filter leaves few rows.
        search_width: Candidates that the graphs keep while they search.
        overwrite: Whether a table of that name is replaced.

    Raises:
        BadInput: The folder cannot be opened, or an option is out of its range.
        MissingExtra: lancedb is not installed.
    """
    checked_folder("uri", uri)
    if "://" in str(uri):
        raise BadInput(f"uri is {uri!r}; give the path of a folder, for LanceDB is searched on this machine's disk")
    if kind not in get_args(Kind):
        raise BadInput(f"kind is {kind!r}; it is one of {', '.join(get_args(Kind))}")
    check_whole(probes=probes, search_width=search_width)
    store = Lance(str(uri), checked_name(collection), similarity, kind, probes, search_width)
    return StoredRows(store, similarity, dim, overwrite)


def _batches(numbers: np.ndarray, vectors: np.ndarray) -> Any:
    """Rows (M,) of ``vectors`` (N, dim) as Arrow's batches, each made when it is written."""
    import pyarrow as pa

    dim = vectors.shape[1]
    schema = pa.schema([("row", pa.int64()), ("vector", pa.list_(pa.float32(), dim))])

    def made() -> Iterator[Any]:
        for start in range(0, len(numbers), ROWS):
            part = numbers[start : start + ROWS]
            values = pa.array(np.ascontiguousarray(vectors[part], dtype=np.float32).ravel())
            columns = [pa.array(part, pa.int64()), pa.FixedSizeListArray.from_arrays(values, dim)]
            yield pa.record_batch(columns, schema=schema)

    return pa.RecordBatchReader.from_batches(schema, made())
