"""The Qdrant backend: rows in a server at an address, or on a path in this process for trying out."""

import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from omlzoo import catalog
from omlzoo.errors import BadInput, notice
from omlzoo.index.backends._address import without_password
from omlzoo.index.backends._ranges import check_whole, checked_folder
from omlzoo.index.backends._store import Selection, StoredRows, check_table, checked_name
from omlzoo.ops.similarity import Similarity

__all__ = ["qdrant"]

ROWS = 512  # of an insertion
PAGE = 10_000  # numbers of rows that are asked for at a time
LOCAL = 20_000  # rows that local mode is for, say its makers
PATIENCE = 60  # seconds that a server may take
KEY = "OMLZOO_QDRANT_TOKEN"  # the variable that has the key
LOCAL_LOCK = threading.RLock()  # local mode is for one thread
OPEN: WeakValueDictionary[Path, Any] = WeakValueDictionary()  # a path is opened once in a process


class Qdrant:
    """A collection of Qdrant whose ids are the numbers of the rows; there is no payload."""

    spare = 1

    def __init__(
        self, path: str | None, url: str | None, token: str, collection: str, similarity: Similarity,
        neighbours: int, build_width: int, search_width: int,
    ) -> None:  # fmt: skip
        package = catalog.optional("qdrant_client", "qdrant")
        self.models: Any = package.models
        self.collection, self.local = collection, path is not None
        self.address = str(path) if url is None else without_password(str(url))
        self.distance = "Dot" if similarity == "cosine" else "Euclid"  # unit vectors: the product is the cosine
        self.neighbours, self.build_width, self.search_width = neighbours, build_width, search_width
        known = catalog.optional("qdrant_client.http.exceptions", "qdrant").ApiException
        self.errors: tuple[type[Exception], ...] = (known, ValueError, RuntimeError, KeyError, OSError)
        self.client = _opened(package, Path(path)) if path is not None else _connected(package, str(url), token)

    def exists(self) -> bool:
        """Whether there is such a collection."""
        with self._quiet():
            return bool(self.client.collection_exists(self.collection))

    def create(self, numbers: np.ndarray, vectors: np.ndarray, overwrite: bool) -> None:
        """Make the collection with rows (M,) of ``vectors`` (N, dim).

        Args:
            numbers: The rows.
            vectors: All vectors of the index.
            overwrite: Whether one that is there is replaced.

        Raises:
            BadInput: There is one, or it is none of ours.
        """
        with self._quiet():
            if self.client.collection_exists(self.collection):
                check_table(self.address, self.collection, self._columns(), overwrite, "collection")
                self.client.delete_collection(self.collection)
            self.client.create_collection(
                self.collection,
                vectors_config=self.models.VectorParams(size=vectors.shape[1], distance=self.distance),
                hnsw_config=self.models.HnswConfigDiff(m=self.neighbours, ef_construct=self.build_width),
            )
        self.insert(numbers, vectors)

    def insert(self, numbers: np.ndarray, vectors: np.ndarray) -> None:
        """Put rows (M,) of ``vectors`` (N, dim) in, in place of those that have their numbers."""
        if self.local and len(numbers) and int(numbers[-1]) >= LOCAL:
            notice(
                f"{self.address}: Qdrant's makers advise its local mode, which looks at all rows, for up to {LOCAL:,}; "
                f'there are {int(numbers[-1]) + 1:,}. Run its server and give url=, or take "faiss" or "lancedb"'
            )
        for start in range(0, len(numbers), ROWS):
            part = numbers[start : start + ROWS]
            batch = self.models.Batch(ids=part.tolist(), vectors=vectors[part].astype(np.float32).tolist())
            with self._quiet():
                self.client.upsert(self.collection, batch, wait=True)

    def delete(self, numbers: np.ndarray) -> None:
        """Delete rows (M,)."""
        for start in range(0, len(numbers), PAGE):
            with self._quiet():
                self.client.delete(self.collection, numbers[start : start + PAGE].tolist(), wait=True)

    def numbers(self, expected: np.ndarray) -> np.ndarray:
        """The numbers of the rows; what is expected does not matter."""
        found: list[int] = []
        after: Any = None
        while True:
            with self._quiet():
                page, after = self.client.scroll(
                    self.collection, limit=PAGE, offset=after, with_payload=False, with_vectors=False
                )
            found += [one.id for one in page]
            if after is None:
                return np.array([number for number in found if isinstance(number, int)], dtype=np.int64)

    def vectors(self, numbers: np.ndarray) -> dict[int, np.ndarray]:
        """The vectors of those of the rows (M,) that are there."""
        with self._quiet():
            theirs = self.client.retrieve(self.collection, numbers.tolist(), with_payload=False, with_vectors=True)
        return {one.id: np.asarray(one.vector, dtype=np.float32) for one in theirs}

    def nearest(self, queries: np.ndarray, count: int, selection: Selection) -> np.ndarray:
        """Rows (Q, count) near each query; -1 where there are fewer.

        Args:
            queries: (Q, dim) float32.
            count: How many.
            selection: Which may be found.
        """
        models, chosen = self.models, None
        if selection.only is not None:
            chosen = models.Filter(must=[models.HasIdCondition(has_id=selection.only.tolist())])
        elif len(selection.without):
            chosen = models.Filter(must_not=[models.HasIdCondition(has_id=selection.without.tolist())])
        width = (
            None if self.local else models.SearchParams(hnsw_ef=max(self.search_width, count))
        )  # local mode has no graph
        asked = [
            models.QueryRequest(query=query, limit=count, filter=chosen, params=width) for query in queries.tolist()
        ]
        with self._quiet():
            answers = self.client.query_batch_points(self.collection, requests=asked)
        found = np.full((len(queries), count), -1, dtype=np.int64)
        for place, answer in enumerate(answers):
            found[place, : len(answer.points)] = [hit.id for hit in answer.points]
        return found

    def _columns(self) -> list[str]:
        """What the first point has, as columns: ours are a number and one vector without a name."""
        points, _ = self.client.scroll(self.collection, limit=1, with_payload=True, with_vectors=True)
        found = ["row", "vector"]
        for point in points:
            found = ["row" if isinstance(point.id, int) else "id", *(point.payload or ())]
            found += list(point.vector) if isinstance(point.vector, dict) else ["vector"]
        return found

    def saved(self) -> None:
        """Nothing: Qdrant keeps its own order."""

    @contextmanager
    def _quiet(self) -> Iterator[None]:
        """One thread at a time in local mode, whose warning of many rows is ours to give, once."""
        if not self.local:
            yield
            return
        with LOCAL_LOCK, warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Local mode is not recommended", category=UserWarning)
            yield


def qdrant(
    similarity: Similarity,
    dim: int,
    *,
    path: str | None = None,
    url: str | None = None,
    collection: str = "omlzoo",
    token: str = "",
    neighbours: int = 16,
    build_width: int = 100,
    search_width: int = 128,
    overwrite: bool = False,
) -> StoredRows:
    """Rows in Qdrant. A folder of its local mode has pickles, so only open one that you trust.

    Args:
        similarity: "cosine" of unit vectors, or "euclidean".
        dim: Dimension of the vectors.
        path: A folder that this process alone searches; its makers advise this for up to 20,000 rows.
        url: The address of a server, such as "http://host:6333"; either this or ``path``.
        collection: Name of the collection; one that exists is not replaced.
        token: The server's key. It is not kept: give it again by OMLZOO_QDRANT_TOKEN.
        neighbours: Of each row in the server's graph.
        build_width: Candidates when the graph is built.
        search_width: Candidates when it is searched.
        overwrite: Whether a collection of that name is replaced.

    Raises:
        BadInput: The folder is open in another process, there is neither ``path`` nor ``url``, or there are both.
        MissingExtra: qdrant-client is not installed.
    """
    if (path is None) == (url is None):
        raise BadInput(f"path is {path!r} and url is {url!r}; give one of them: a folder, or a server's address")
    if url is not None and not str(url).startswith(("http://", "https://")):
        raise BadInput(f"url is {without_password(str(url))!r}; it begins with http:// or https://")
    if path is not None:
        checked_folder("path", path)
    check_whole(neighbours=neighbours, build_width=build_width, search_width=search_width)
    name = checked_name(collection)
    store = Qdrant(path, url, token, name, similarity, neighbours, build_width, search_width)
    return StoredRows(store, similarity, dim, overwrite)


def _opened(package: Any, path: Path) -> Any:
    path = path.resolve()
    client = OPEN.get(path)
    if client is None:
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message="Local mode is not recommended", category=UserWarning)
                client = package.QdrantClient(path=str(path), force_disable_check_same_thread=True)
        except Exception as error:  # of the lock, of the files, and of the pickles in them
            raise BadInput(
                f"Qdrant's folder {path} cannot be opened ({str(error)[:200]}); one process opens it at a time"
            ) from error
        OPEN[path] = client
    return client


def _connected(package: Any, url: str, token: str) -> Any:
    key = token or os.environ.get(KEY) or None
    return package.QdrantClient(url=url, api_key=key, timeout=PATIENCE, check_compatibility=False)
