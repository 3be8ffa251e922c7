"""The Milvus backend: rows in a database, embedded on a local path or a cluster at an address, by the same client."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from omlzoo import catalog
from omlzoo.errors import BadInput, notice
from omlzoo.index.backends._rescore import rescored
from omlzoo.ops.similarity import Similarity

__all__ = ["milvus"]

ROWS = 1000  # of an insertion
SAMPLE = 64  # rows whose vectors are compared with those of the database
SAME = 1e-5  # difference of numbers that are the same, in databases with forms of their own
NAME = re.compile(r"[A-Za-z_]\w{0,199}", re.ASCII)


class Database:
    """A collection of Milvus whose key is the row of the index; candidates are scored exactly.

    The collection has the rows of the index and, until the index is saved, those that were removed: whatever the folder
    of the index says is there, and a process that ends without saving has changed nothing that was saved.
    """

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
        self.gone = np.empty(0, dtype=np.int64)  # removed, and still in the collection
        self.client = _connect(uri, token)

    def add(self, vectors: np.ndarray, rows: np.ndarray) -> None:
        """Insert these rows.

        Args:
            vectors: (N, dim) float32, all vectors of the index.
            rows: (M,) numbers of the rows.
        """
        if not len(self.rows):
            self._create()
        self._insert(vectors, rows)
        self.vectors, self.rows = vectors, np.concatenate([self.rows, rows])

    def remove(self, rows: np.ndarray) -> None:
        """Find these rows (M,) no more."""
        self.rows = self.rows[~np.isin(self.rows, rows)]
        self.gone = np.concatenate([self.gone, rows])

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
        elif len(self.gone):
            only = {"filter": f"row not in {self.gone.tolist()}"}
        results = self.client.search(
            self.collection, data=list(queries.astype(np.float32)), limit=count, anns_field="vector",
            search_params={"metric_type": _metric(self.similarity), "params": self.settings},
            consistency_level="Strong", **only,
        )  # fmt: skip
        candidates = np.full((len(queries), max(count, k)), -1, dtype=np.int64)
        for query, hits in enumerate(results):
            candidates[query, : len(hits)] = [hit["row"] for hit in hits]
        candidates[candidates >= len(self.vectors)] = -1  # of an addition that failed half-way
        return rescored(queries, self.vectors, candidates, k, self.similarity, own)

    def save(self, folder: Path) -> None:
        """Delete the rows that were removed; the folder needs nothing."""
        for start in range(0, len(self.gone), ROWS):
            self.client.delete(self.collection, ids=self.gone[start : start + ROWS].tolist())
        self.gone = self.gone[:0]

    def restore(self, folder: Path, vectors: np.ndarray, rows: np.ndarray) -> None:
        """Use the rows of the database; those that it lacks are put back, and strange ones left out, with a notice.

        Raises:
            BadInput: It has no such collection, or another index's, or is damaged; with ``overwrite`` it is made anew.
        """
        try:
            self._take_up(vectors, rows)
        except Exception as error:  # the client raises classes of its own on a database that a kill has damaged
            if self.overwrite:
                self.add(vectors, rows)
                return
            said = str(error).splitlines()[0][:200]
            raise BadInput(
                f"{self.uri} does not hold the rows of the index {folder} in {self.collection!r} ({said}); the index "
                "has its vectors: open_index(..., overwrite=True) puts them there anew"
            ) from error

    def _take_up(self, vectors: np.ndarray, rows: np.ndarray) -> None:
        if not self._exists():
            raise BadInput("there is no such collection")
        sample = rows[np.linspace(0, len(rows) - 1, min(len(rows), SAMPLE)).astype(np.int64)]
        theirs = self.client.get(self.collection, ids=sample.tolist(), output_fields=["row", "vector"])
        there = {int(one["row"]): np.asarray(one["vector"], dtype=np.float32) for one in theirs}
        if not there or any(vector.shape != vectors[row].shape or np.abs(vector - vectors[row]).max() > SAME
                            for row, vector in there.items()):  # fmt: skip
            raise BadInput("it has other vectors")
        self.vectors, self.rows = vectors, rows
        if self._count(f"row < {len(vectors)}") == len(rows) and self._count(f"row >= {len(vectors)}") == 0:
            return
        here = self._numbers(len(vectors))
        missing, self.gone = rows[~np.isin(rows, here)], here[~np.isin(here, rows)]
        notice(
            f"{self.collection!r} has {len(self.gone)} rows that the index has not, which are left out, and lacked "
            f"{len(missing)}, which were put back: a process ended before it saved, or another index saves there too"
        )
        self._insert(vectors, missing)

    def _insert(self, vectors: np.ndarray, rows: np.ndarray) -> None:
        for start in range(0, len(rows), ROWS):
            part = rows[start : start + ROWS]
            self.client.upsert(
                self.collection, [{"row": int(row), "vector": vectors[row].astype(np.float32)} for row in part]
            )
        self.client.flush(self.collection)

    def _exists(self) -> bool:
        if not self.client.has_collection(self.collection):
            return False
        self.client.load_collection(self.collection)
        return True

    def _count(self, where: str = "") -> int:
        answer = self.client.query(
            self.collection, filter=where, output_fields=["count(*)"], consistency_level="Strong"
        )
        return int(answer[0]["count(*)"])

    def _numbers(self, end: int) -> np.ndarray:
        """The numbers of the collection's rows, most of which are below ``end``."""
        found: list[int] = []
        for start in range(0, end, ROWS):
            found += self._page(f"row >= {start} and row < {start + min(ROWS, end - start)}")
        beyond: list[int] = []
        while page := self._page(f"row >= {end} and row not in {beyond}"):
            beyond += page
        return np.array(found + beyond, dtype=np.int64)

    def _page(self, where: str) -> list[int]:
        page = self.client.query(
            self.collection, filter=where, output_fields=["row"], limit=ROWS, consistency_level="Strong"
        )
        return [int(one["row"]) for one in page]

    def _create(self) -> None:
        from pymilvus import DataType

        if self.client.has_collection(self.collection):
            if not self.overwrite:
                raise BadInput(
                    f"{self.uri} has a collection {self.collection!r} already; give "
                    "collection= another name, or overwrite=True to replace it"
                )
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
    if not isinstance(collection, str) or not NAME.fullmatch(collection):
        raise BadInput(f"collection is {collection!r}; it is a name of letters, digits and _")
    return Database(similarity, dim, uri, collection, token, kind, settings or {}, overwrite)


def _metric(similarity: Similarity) -> str:
    return "IP" if similarity == "cosine" else "L2"  # unit vectors: the inner product is the cosine


def _connect(uri: str, token: str) -> Any:
    client = catalog.optional("pymilvus", "milvus").MilvusClient
    if "://" not in uri:
        Path(uri).parent.mkdir(parents=True, exist_ok=True)
    try:
        known = "" if Path(uri).exists() else os.environ.get("OMLZOO_MILVUS_TOKEN", "")  # a file needs none
        return client(uri, token=token or known)
    except Exception as error:  # the client and the database in this process raise classes of their own
        raise BadInput(
            f"Milvus at {uri} cannot be opened ({str(error)[:200]}); give a path, or http://host:port"
        ) from error
