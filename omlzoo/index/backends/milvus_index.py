"""The Milvus backend: rows in a database, embedded on a local path or a cluster at an address, by the same client."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from omlzoo.errors import BadInput, MissingExtra
from omlzoo.index.backends._rescore import rescored
from omlzoo.ops.direct_scores import Similarity

__all__ = ["milvus"]

ROWS = 1000  # of an insertion


class Database:
    """A collection of Milvus whose key is the row of the index; candidates are scored exactly."""

    approximate = True

    def __init__(
        self,
        similarity: Similarity,
        dim: int,
        uri: str,
        collection: str,
        token: str,
        kind: str,
        settings: Mapping[str, Any],
        overwrite: bool,
    ) -> None:
        self.similarity: Similarity = similarity
        self.dim, self.uri, self.collection, self.kind, self.settings = dim, uri, collection, kind, dict(settings)
        self.overwrite = overwrite
        self.vectors = np.empty((0, dim), dtype=np.float32)
        self.rows = np.empty(0, dtype=np.int64)
        self.client = _connect(uri, token)

    def add(self, vectors: np.ndarray, rows: np.ndarray) -> None:
        """Insert these rows.

        Args:
            vectors: (N, dim) float32, all vectors of the index.
            rows: (M,) numbers of the rows.
        """
        if not len(self.rows):
            self._create()
        for start in range(0, len(rows), ROWS):
            part = rows[start : start + ROWS]
            self.client.upsert(
                self.collection, [{"row": int(row), "vector": vectors[row].astype(np.float32)} for row in part]
            )
        self.client.flush(self.collection)
        self.vectors, self.rows = vectors, np.concatenate([self.rows, rows])

    def remove(self, rows: np.ndarray) -> None:
        """Delete these rows (M,)."""
        for start in range(0, len(rows), ROWS):
            self.client.delete(self.collection, ids=[int(row) for row in rows[start : start + ROWS]])
        self.rows = self.rows[~np.isin(self.rows, rows)]

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
        count = min(len(self.rows), k + (own is not None))
        only: dict[str, Any] = {}
        if allowed is not None and not allowed[self.rows].all():
            among = self.rows[allowed[self.rows]]
            if not len(among):
                return rescored(queries, self.vectors, np.full((len(queries), k), -1), k, self.similarity)
            only = {"filter": f"row in {among.tolist()}"}
        results = self.client.search(
            self.collection, data=list(queries.astype(np.float32)), limit=count, anns_field="vector",
            search_params={"metric_type": _metric(self.similarity), "params": self.settings},
            consistency_level="Strong", **only,
        )  # fmt: skip
        candidates = np.full((len(queries), max(count, k)), -1, dtype=np.int64)
        for query, hits in enumerate(results):
            candidates[query, : len(hits)] = [hit["row"] for hit in hits]
        return rescored(queries, self.vectors, candidates, k, self.similarity, own)

    def save(self, folder: Path) -> None:
        """Write nothing: the database has the rows."""

    def restore(self, folder: Path, vectors: np.ndarray, rows: np.ndarray) -> None:
        """Use the rows that the database has.

        Raises:
            BadInput: They are not the rows (M,) of ``vectors`` (N, dim).
        """
        count = self._count()
        if count != len(rows):
            raise BadInput(
                f"{self.uri} has {'no' if count is None else count} rows in {self.collection!r} and the index "
                f"{len(rows)}; something else changed the database: build the index again with overwrite=True"
            )
        self.vectors, self.rows = vectors, rows

    def _count(self) -> int | None:
        if not self.client.has_collection(self.collection):
            return None
        self.client.load_collection(self.collection)
        answer = self.client.query(self.collection, filter="", output_fields=["count(*)"], consistency_level="Strong")
        return int(answer[0]["count(*)"])

    def _create(self) -> None:
        from pymilvus import DataType

        count = self._count()
        if count is not None and not self.overwrite:
            raise BadInput(
                f"{self.uri} has a collection {self.collection!r} already ({count} rows); give collection= another "
                "name, or overwrite=True to replace it"
            )
        if count is not None:
            self.client.drop_collection(self.collection)
        schema = self.client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("row", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=self.dim)
        index = self.client.prepare_index_params()
        index.add_index("vector", index_type=self.kind, metric_type=_metric(self.similarity), params=self.settings)
        self.client.create_collection(self.collection, schema=schema, index_params=index)


def milvus(
    similarity: Similarity,
    dim: int,
    *,
    uri: str,
    collection: str = "omlzoo",
    token: str = "",
    kind: str = "AUTOINDEX",
    settings: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> Database:
    """Rows in Milvus.

    Args:
        similarity: "cosine" of unit vectors, or "euclidean".
        dim: Dimension of the vectors.
        uri: A path such as "shoes.db", which milvus-lite serves in this process, or "http://host:19530", a cluster.
        collection: Name of the collection; one that exists is not replaced.
        token: "user:password" or a key of the cluster. It is not kept: give it again by OMLZOO_MILVUS_TOKEN.
        kind: Type of Milvus's index: "AUTOINDEX", "FLAT", "HNSW", "IVF_FLAT" and others.
        settings: Settings of that index and of its search, such as {"M": 32, "efConstruction": 128, "ef": 96}.
        overwrite: Whether a collection of that name is replaced.

    Raises:
        BadInput: The database cannot be opened.
        MissingExtra: pymilvus is not installed.
    """
    return Database(similarity, dim, uri, collection, token, kind, settings or {}, overwrite)


def _metric(similarity: Similarity) -> str:
    return "IP" if similarity == "cosine" else "L2"  # unit vectors: the inner product is the cosine


def _connect(uri: str, token: str) -> Any:
    try:
        from pymilvus import MilvusClient
        from pymilvus.exceptions import MilvusException
    except ImportError as error:
        raise MissingExtra("pymilvus", "milvus") from error
    if "://" not in uri:
        Path(uri).parent.mkdir(parents=True, exist_ok=True)
    try:
        return MilvusClient(uri, token=token or os.environ.get("OMLZOO_MILVUS_TOKEN", ""))
    except (MilvusException, ImportError, ValueError) as error:
        raise BadInput(
            f"Milvus at {uri} cannot be opened ({str(error)[:200]}); give a path, or http://host:port"
        ) from error
