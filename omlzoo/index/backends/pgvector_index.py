"""The pgvector backend: rows in a table of Postgres, whose extension vector searches them."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, get_args
from urllib.parse import parse_qs, urlsplit

import numpy as np

from omlzoo import catalog
from omlzoo.errors import BadInput
from omlzoo.index.backends._address import said_without, without_password
from omlzoo.index.backends._ranges import MOST, check_whole
from omlzoo.index.backends._store import Selection, StoredRows, by_query, check_table, checked_name
from omlzoo.ops.similarity import Similarity

__all__ = ["pgvector"]

Kind = Literal["hnsw", "flat"]
WIDEST = 1000  # pgvector's own bound of hnsw.ef_search
LONGEST = 63  # bytes of a name; Postgres would cut the rest off
INDEXED = 2000  # numbers of a vector that pgvector's graph can have
PATIENCE = 10  # seconds to connect in
BROKEN = re.compile(r"%(?![0-9A-Fa-f]{2})")
VERSION = 0, 8  # of the extension, from which on it goes on searching where a filter left too few


class Postgres:
    """A table of Postgres with the number of the row and the vector; all names go through the client's quoting."""

    spare = 1

    def __init__(
        self, uri: str, token: str, collection: str, similarity: Similarity, kind: Kind, neighbours: int,
        build_width: int, search_width: int,
    ) -> None:  # fmt: skip
        self.client = catalog.optional("psycopg", "pgvector")
        self.types = catalog.optional("pgvector.psycopg", "pgvector")
        self.address, self.collection, self.kind = _shown(uri), collection, kind
        self.neighbours, self.build_width, self.search_width = neighbours, build_width, search_width
        self.measure, self.order = ("vector_ip_ops", "<#>") if similarity == "cosine" else ("vector_l2_ops", "<->")
        self.errors: tuple[type[Exception], ...] = (self.client.Error,)
        self._uri, self._token = uri, token
        self._lock = threading.RLock()  # a connection has one transaction at a time
        self._connection: Any = None
        self._width = 0  # of the search, as the connection has it
        with self._transaction():
            pass

    def exists(self) -> bool:
        """Whether there is such a table."""
        return bool(self._columns())

    def create(self, numbers: np.ndarray, vectors: np.ndarray, overwrite: bool) -> None:
        """Make the table with rows (M,) of ``vectors`` (N, dim), and its index: all of it or nothing.

        Args:
            numbers: The rows.
            vectors: All vectors of the index.
            overwrite: Whether one that is there is replaced.

        Raises:
            BadInput: There is one, it is none of ours, or the vectors are too long for a graph.
        """
        dim = vectors.shape[1]
        if self.kind == "hnsw" and dim > INDEXED:
            raise BadInput(
                f'the vectors have {dim} numbers, and pgvector\'s graph takes up to {INDEXED}; give kind="flat", or '
                f"embeddings.truncated({INDEXED})"
            )
        with self._transaction() as ask:
            columns = self._columns()
            check_table(self.address, self.collection, columns, overwrite)
            if columns:
                ask(self._sql("DROP TABLE {table}"))
            ask(self._sql("CREATE TABLE {table} (row bigint PRIMARY KEY, vector vector({dim}) NOT NULL)", dim=dim))
            self._copy(numbers, vectors)
            if self.kind == "hnsw":
                ask("SELECT set_config('maintenance_work_mem', greatest(pg_size_bytes(current_setting("
                    "'maintenance_work_mem')), pg_size_bytes('512MB')) / 1024 || 'kB', true)")  # fmt: skip
                ask(self._sql("CREATE INDEX ON {table} USING hnsw (vector {measure}) WITH (m = {m}, ef_construction = "
                              "{width})", m=self.neighbours, width=self.build_width))  # fmt: skip
        with self._transaction() as ask:
            ask(self._sql("ANALYZE {table}"))

    def insert(self, numbers: np.ndarray, vectors: np.ndarray) -> None:
        """Put rows (M,) of ``vectors`` (N, dim) in, in place of those that have their numbers: all of them or none."""
        with self._transaction():
            self.delete(numbers)
            self._copy(numbers, vectors)

    def delete(self, numbers: np.ndarray) -> None:
        """Delete rows (M,)."""
        with self._transaction() as ask:
            ask(self._sql("DELETE FROM {table} WHERE row = ANY(%s)"), [numbers.tolist()])

    def numbers(self, expected: np.ndarray) -> np.ndarray:
        """The numbers of the rows; what is expected does not matter."""
        with self._transaction() as ask:
            return np.array([row for (row,) in ask(self._sql("SELECT row FROM {table}"))], dtype=np.int64)

    def vectors(self, numbers: np.ndarray) -> dict[int, np.ndarray]:
        """The vectors of those of the rows (M,) that are there."""
        with self._transaction() as ask:
            found = ask(self._sql("SELECT row, vector FROM {table} WHERE row = ANY(%s)"), [numbers.tolist()])
            return {row: np.asarray(vector.to_numpy(), dtype=np.float32) for row, vector in found}

    def nearest(self, queries: np.ndarray, count: int, selection: Selection) -> np.ndarray:
        """Rows (Q, count) near each query; -1 where there are fewer.

        Args:
            queries: (Q, dim) float32.
            count: How many.
            selection: Which may be found. A list of rows is looked up by the primary key where Postgres finds that
                cheaper than the graph, and is then searched exactly; the graph goes on until it has enough.
        """
        where, rows = "", []
        if selection.only is not None:
            where, rows = "WHERE t.row = ANY(%(rows)s)", selection.only.tolist()
        elif len(selection.without):
            where, rows = "WHERE t.row <> ALL(%(rows)s)", selection.without.tolist()
        try:
            return self._nearest(queries, count, where, rows, selection.share)
        except self.client.OperationalError:
            if not self._connection.closed:
                raise
            return self._nearest(queries, count, where, rows, selection.share)  # the server was started anew meanwhile

    def _nearest(self, queries: np.ndarray, count: int, where: str, rows: list[int], share: float) -> np.ndarray:
        wanted = self._sql(
            "SELECT q.place, f.row FROM unnest(%(queries)s::vector[]) WITH ORDINALITY q(v, place) CROSS JOIN LATERAL "
            "(SELECT t.row FROM {table} t {where} ORDER BY t.vector {order} q.v LIMIT %(count)s) f",
            where=where, order=self.order,
        )  # fmt: skip
        width = min(WIDEST, max(count, round(self.search_width / max(share, 1e-3))))
        with self._connected() as connection:  # one statement, hence one way there and back
            if width != self._width:
                connection.execute("SELECT set_config('hnsw.ef_search', %s, false)", [str(width)])
                self._width = width
            found = connection.execute(wanted, {"queries": list(queries), "count": count, "rows": rows}).fetchall()
        pairs = np.array(found, dtype=np.int64).reshape(-1, 2)
        return by_query(pairs[:, 0] - 1, pairs[:, 1], len(queries), count)

    def saved(self) -> None:
        """Nothing: Postgres clears up behind deletions itself."""

    def _copy(self, numbers: np.ndarray, vectors: np.ndarray) -> None:
        wanted = self._sql("COPY {table} (row, vector) FROM STDIN WITH (FORMAT BINARY)")
        with self._connection.cursor() as cursor, cursor.copy(wanted) as copy:
            copy.set_types(["int8", "vector"])
            for number in numbers.tolist():
                copy.write_row((number, np.asarray(vectors[number], dtype=np.float32)))

    def _columns(self) -> set[str]:
        """The columns of the table; none where there is no such table on the search path."""
        with self._transaction() as ask:
            found = ask("SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(quote_ident(%s)) AND attnum > 0 "
                        "AND NOT attisdropped", [self.collection])  # fmt: skip
            return {name for (name,) in found}

    def _sql(self, text: str, **parts: int | str) -> Any:
        """A statement with the table's name quoted by the client, clauses and operators of our own, and numbers."""
        sql = self.client.sql
        names = {
            name: sql.SQL(part) if isinstance(part, str) else sql.Literal(int(part)) for name, part in parts.items()
        }
        return sql.SQL(text).format(table=sql.Identifier(self.collection), measure=sql.SQL(self.measure), **names)

    @contextmanager
    def _transaction(self) -> Iterator[Any]:
        """What executes statements, all of which count or none."""
        with self._connected() as connection, connection.transaction():
            yield connection.execute

    @contextmanager
    def _connected(self) -> Iterator[Any]:
        """The connection, for one thread at a time; one that was lost is made anew first."""
        with self._lock:
            if self._connection is None or self._connection.closed:
                self._connection, self._width = self._connect(), 0
            yield self._connection

    def _connect(self) -> Any:
        try:
            made = self.client.connect(
                self._uri,
                autocommit=True,
                connect_timeout=PATIENCE,
                **({"password": self._token} if self._token else {}),
            )
        except self.client.Error as error:
            said = said_without(error, self._uri, self._token)
            raise BadInput(
                f"Postgres at {self.address} cannot be reached ({said}); see that it runs, and give the password by "
                "token=, PGPASSWORD or ~/.pgpass where it asks for one"
            ) from None  # what the client raised may have the password
        try:
            wanted = "SELECT extversion FROM pg_extension WHERE extname = 'vector'"
            if made.execute(wanted).fetchone() is None:  # a server that is only read has it, and makes none
                made.execute("CREATE EXTENSION IF NOT EXISTS vector")
            (version,) = made.execute(wanted).fetchone()
        except self.client.Error as error:
            made.close()
            raise BadInput(
                f"Postgres at {self.address} lacks the extension vector ({said_without(error, self._uri)}); install "
                "pgvector on the server, and let an administrator run CREATE EXTENSION vector"
            ) from error
        if tuple(int(part) for part in version.split(".")[:2]) < VERSION:
            made.close()
            raise BadInput(
                f"Postgres at {self.address} has pgvector {version}; 0.8 or later is needed, which goes on searching "
                "behind a filter: install it and run ALTER EXTENSION vector UPDATE"
            )
        try:
            self.types.register_vector(made)
        except self.client.Error as error:
            made.close()
            raise BadInput(
                f"Postgres at {self.address} has the extension vector in a schema that is not searched "
                f"({said_without(error, self._uri)}); let an administrator run ALTER EXTENSION vector SET SCHEMA "
                "public, or add its schema to the search_path"
            ) from error
        made.execute("SELECT set_config('hnsw.iterative_scan', 'strict_order', false)")
        return made


def pgvector(
    similarity: Similarity,
    dim: int,
    *,
    uri: str,
    collection: str = "omlzoo",
    token: str = "",
    kind: Kind = "hnsw",
    neighbours: int = 16,
    build_width: int = 64,
    search_width: int = 100,
    overwrite: bool = False,
) -> StoredRows:
    """Rows in Postgres with pgvector 0.8 or later.

    Args:
        similarity: "cosine" of unit vectors, or "euclidean".
        dim: Dimension of the vectors.
        uri: "postgresql://user@host:5432/database"; a socket is "postgresql://user@/database?host=/folder".
        collection: Name of the table; one that exists is not replaced, and one that is not ours never.
        token: The password, which may stand in ``uri`` too. It is not kept: give it again by PGPASSWORD or ~/.pgpass.
        kind: "hnsw", a graph of neighbours, or "flat": all rows are looked at.
        neighbours: Of each row in the graph.
        build_width: Candidates when the graph is built.
        search_width: Candidates when it is searched; more where a filter leaves few rows.
        overwrite: Whether a table of that name is replaced.

    Raises:
        BadInput: The server cannot be reached or lacks the extension, or an option is out of its range.
        MissingExtra: psycopg or the pgvector package is not installed.
    """
    _shown(uri)
    if kind not in get_args(Kind):
        raise BadInput(f"kind is {kind!r}; it is one of {', '.join(get_args(Kind))}")
    if len(checked_name(collection)) > LONGEST:
        raise BadInput(f"collection has {len(collection)} letters; Postgres keeps {LONGEST} of a name")
    for name, value, least, most in (
        ("neighbours", neighbours, 2, 100),
        ("build_width", build_width, 2 * neighbours if isinstance(neighbours, int) else 4, 1000),
        ("search_width", search_width, 1, WIDEST),
    ):  # fmt: skip
        check_whole(-MOST, 10**18, **{name: value})
        if not least <= value <= most:
            raise BadInput(f"{name} is {value}; it must be from {least} to {most}")
    store = Postgres(uri, token, collection, similarity, kind, neighbours, build_width, search_width)
    return StoredRows(store, similarity, dim, overwrite)


def _shown(uri: str) -> str:
    """The address without its password.

    Raises:
        BadInput: It is no address of Postgres, or has a password where it could not be taken out.
    """
    try:
        parts = urlsplit(uri)
        hidden = {"password", "sslpassword"} & set(parse_qs(parts.query))
    except (ValueError, AttributeError, TypeError) as error:
        raise BadInput("uri is no address; give postgresql://user@host:5432/database") from error
    if parts.scheme not in ("postgresql", "postgres"):
        raise BadInput(f"uri begins with {parts.scheme!r}; give postgresql://user@host:5432/database")
    if hidden:
        raise BadInput(f"uri has {', '.join(sorted(hidden))} behind the ?; give it by token=, PGPASSWORD or ~/.pgpass")
    if parts.netloc.count("@") > 1 or ("@" not in parts.netloc and ":" in parts.netloc and "@" in uri):
        raise BadInput("uri has a password with @ / ? or #; write %40, %2F, %3F or %23, or give it by token=")
    if BROKEN.search(parts.netloc):
        raise BadInput("uri has a % before its host that begins no %20 and the like; write %25, or give token=")
    return without_password(uri)
