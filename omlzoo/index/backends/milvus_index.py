"""The Milvus backend: rows in a database, embedded on a local path or a cluster at an address, by the same client."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from omlzoo import catalog
from omlzoo.errors import BadInput
from omlzoo.index.backends._address import said_without, without_password
from omlzoo.index.backends._ranges import checked_folder
from omlzoo.index.backends._store import Selection, StoredRows, check_table, checked_name
from omlzoo.ops.similarity import Similarity

__all__ = ["milvus"]

ROWS = 1000  # of an insertion


class Milvus:
    """A collection of Milvus whose key is the row of the index."""

    spare = 1

    def __init__(
        self, uri: str, token: str, collection: str, similarity: Similarity, kind: str, settings: Mapping[str, Any]
    ) -> None:
        self.address, self.collection, self.kind, self.settings = (
            without_password(uri),
            collection,
            kind,
            dict(settings),
        )
        self.metric = "IP" if similarity == "cosine" else "L2"  # unit vectors: the inner product is the cosine
        self.errors: tuple[type[Exception], ...] = (Exception,)  # the client raises classes of its own where a kill
        self.client = _connect(uri, token)  # has damaged the files of a database in this process

    def exists(self) -> bool:
        """Whether there is such a collection."""
        if not self.client.has_collection(self.collection):
            return False
        self.client.load_collection(self.collection)
        return True

    def create(self, numbers: np.ndarray, vectors: np.ndarray, overwrite: bool) -> None:
        """Make the collection with rows (M,) of ``vectors`` (N, dim).

        Args:
            numbers: The rows.
            vectors: All vectors of the index.
            overwrite: Whether one that is there is replaced.

        Raises:
            BadInput: There is one, or it is none of ours.
        """
        from pymilvus import DataType

        if self.client.has_collection(self.collection):
            fields = [field["name"] for field in self.client.describe_collection(self.collection)["fields"]]
            check_table(self.address, self.collection, fields, overwrite, "collection")
            self.client.drop_collection(self.collection)
        schema = self.client.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("row", DataType.INT64, is_primary=True)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=vectors.shape[1])
        index = self.client.prepare_index_params()
        index.add_index("vector", index_type=self.kind, metric_type=self.metric, params=self.settings)
        self.client.create_collection(self.collection, schema=schema, index_params=index)
        self.insert(numbers, vectors)

    def insert(self, numbers: np.ndarray, vectors: np.ndarray) -> None:
        """Put rows (M,) of ``vectors`` (N, dim) in, in place of those that have their numbers."""
        for start in range(0, len(numbers), ROWS):
            part = numbers[start : start + ROWS]
            self.client.upsert(
                self.collection, [{"row": int(row), "vector": vectors[row].astype(np.float32)} for row in part]
            )
        self.client.flush(self.collection)

    def delete(self, numbers: np.ndarray) -> None:
        """Delete rows (M,)."""
        for start in range(0, len(numbers), ROWS):
            self.client.delete(self.collection, ids=numbers[start : start + ROWS].tolist())

    def numbers(self, expected: np.ndarray) -> np.ndarray:
        """The numbers of the rows; ``expected`` (M,) where there are as many as it has, and none beyond its last."""
        end = int(expected[-1]) + 1
        if self._count(f"row < {end}") == len(expected) and self._count(f"row >= {end}") == 0:
            return expected
        found: list[int] = []
        for start in range(0, end, ROWS):
            found += self._page(f"row >= {start} and row < {start + min(ROWS, end - start)}")
        beyond: list[int] = []
        while page := self._page(f"row >= {end} and row not in {beyond}"):
            beyond += page
        return np.array(found + beyond, dtype=np.int64)

    def vectors(self, numbers: np.ndarray) -> dict[int, np.ndarray]:
        """The vectors of those of the rows (M,) that are there."""
        theirs = self.client.get(self.collection, ids=numbers.tolist(), output_fields=["row", "vector"])
        return {int(one["row"]): np.asarray(one["vector"], dtype=np.float32) for one in theirs}

    def nearest(self, queries: np.ndarray, count: int, selection: Selection) -> np.ndarray:
        """Rows (Q, count) near each query; -1 where there are fewer.

        Args:
            queries: (Q, dim) float32.
            count: How many.
            selection: Which may be found.
        """
        only: dict[str, Any] = {}
        if selection.only is not None:
            only = {"filter": f"row in {selection.only.tolist()}"}
        elif len(selection.without):
            only = {"filter": f"row not in {selection.without.tolist()}"}
        results = self.client.search(
            self.collection, data=list(queries), limit=count, anns_field="vector",
            search_params={"metric_type": self.metric, "params": self.settings}, consistency_level="Strong", **only,
        )  # fmt: skip
        found = np.full((len(queries), count), -1, dtype=np.int64)
        for query, hits in enumerate(results):
            found[query, : len(hits)] = [hit["row"] for hit in hits]
        return found

    def saved(self) -> None:
        """Nothing: Milvus keeps its own order."""

    def _count(self, where: str) -> int:
        answer = self.client.query(
            self.collection, filter=where, output_fields=["count(*)"], consistency_level="Strong"
        )
        return int(answer[0]["count(*)"])

    def _page(self, where: str) -> list[int]:
        page = self.client.query(
            self.collection, filter=where, output_fields=["row"], limit=ROWS, consistency_level="Strong"
        )
        return [int(one["row"]) for one in page]


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
) -> StoredRows:
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
    if not (isinstance(uri, str) and "://" in uri):
        uri = checked_folder("uri", uri)
    store = Milvus(uri, token, checked_name(collection), similarity, kind, settings or {})
    return StoredRows(store, similarity, dim, overwrite)


def _connect(uri: str, token: str) -> Any:
    client = catalog.optional("pymilvus", "milvus").MilvusClient
    if "://" not in uri:
        Path(uri).parent.mkdir(parents=True, exist_ok=True)
    try:
        known = "" if Path(uri).exists() else os.environ.get("OMLZOO_MILVUS_TOKEN", "")  # a file needs none
        return client(uri, token=token or known)
    except Exception as error:  # the client and the database in this process raise classes of their own
        raise BadInput(
            f"Milvus at {without_password(uri)} cannot be opened ({said_without(error, uri, token)}); give a path that "
            "ends in .db, or http://host:port"
        ) from None
