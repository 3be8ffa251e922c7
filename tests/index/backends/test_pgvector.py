"""What can be wrong with a real Postgres: not there, without the extension, another's table, a lost connection."""

import json
import traceback
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_rows import random_embeddings

import omlzoo
from omlzoo import catalog
from omlzoo.errors import BadInput

ROWS = random_embeddings(40)


def built(database: str, **more: Any) -> Any:
    return omlzoo.build_index(ROWS, backend="pgvector", uri=database, **more)


def statement(database: str, *texts: str) -> list[Any]:
    import psycopg

    with psycopg.connect(database, autocommit=True) as connection:
        return [
            connection.execute(text).fetchall() if text.startswith("SELECT") else connection.execute(text)
            for text in texts
        ]


def test_names_are_quoted_by_the_client(database: str) -> None:
    for collection in ("select", "User", "user"):
        index = built(database, collection=collection)
        assert index.search(ROWS.vectors[:2], k=1).ids.tolist() == [[0], [1]]
    names = {name for (name,) in statement(database, "SELECT relname FROM pg_class WHERE relkind = 'r'")[0]}
    assert {"select", "User", "user"} <= names


def test_a_table_of_somebody_else_is_never_replaced(database: str) -> None:
    statement(database, "CREATE TABLE orders (id int, amount int)", "INSERT INTO orders VALUES (1, 2)")
    with pytest.raises(BadInput, match=r"has the columns \['amount', 'id'\] and is none of ours"):
        built(database, collection="orders", overwrite=True)
    assert statement(database, "SELECT * FROM orders") == [[(1, 2)]]


def test_building_fails_as_a_whole(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    built(database, collection="whole")
    store = catalog.shared("index.backends.pgvector_index", "Postgres")
    copied = store._copy

    def broken(self: Any, numbers: np.ndarray, vectors: np.ndarray) -> None:
        copied(self, numbers[:5], vectors)
        raise KeyboardInterrupt

    monkeypatch.setattr(store, "_copy", broken)
    with pytest.raises(KeyboardInterrupt):
        built(database, collection="whole", overwrite=True)
    assert statement(database, "SELECT count(*) FROM whole") == [[(40,)]]


def test_a_password_is_used_and_never_kept(database: str, tmp_path: Path) -> None:
    address = database.replace("postgres@", "postgres:hidden@")
    index = built(address, collection="secret")
    index.save(tmp_path / "x")
    text = (tmp_path / "x/index.json").read_text()
    assert "hidden" not in text
    assert json.loads(text)["options"]["uri"] == database
    with pytest.raises(BadInput, match="already") as said:
        built(address, collection="secret")
    assert "hidden" not in str(said.value)


@pytest.mark.parametrize("password", ["hid#den", "hid/den", "hid?den", "hid%zzden", "hid@den", "hid:den", "hidden"])
def test_a_password_is_in_no_message_and_no_traceback(password: str) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(BadInput) as said:
        built(f"postgresql://me:{password}@127.0.0.1:1/db")
    text = "".join(traceback.format_exception(said.value))
    lines = [line for line in text.splitlines() if "built(" not in line]
    assert not any(part in "".join(lines) for part in ("hid", "den"))


def test_an_extension_in_a_schema_that_is_not_searched(database: str) -> None:
    statement(database, "CREATE DATABASE hidden_away")
    other = database.replace("/postgres?", "/hidden_away?")
    statement(other, "CREATE SCHEMA away", "CREATE EXTENSION vector SCHEMA away")
    with pytest.raises(BadInput, match="in a schema that is not searched .* ALTER EXTENSION vector SET SCHEMA public"):
        built(other)


def test_a_server_that_is_only_read_is_opened(database: str, tmp_path: Path) -> None:
    built(database, collection="frozen").save(tmp_path / "x")
    frozen = database + "&options=-c%20default_transaction_read_only%3Don"
    opened = omlzoo.open_index(tmp_path / "x", uri=frozen)
    assert opened.search(ROWS.vectors[:2], k=1).ids.tolist() == [[0], [1]]


def test_a_lost_connection_is_made_anew(database: str) -> None:
    index = built(database, collection="lost")
    statement(database, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
    assert index.search(ROWS.vectors[:2], k=1).ids.tolist() == [[0], [1]]


def test_a_server_that_is_not_there_or_lacks_the_extension(database: str) -> None:
    with pytest.raises(BadInput, match=r"Postgres at postgresql://me@127.0.0.1:1/db cannot be reached \(.*refused"):
        built("postgresql://me:pw@127.0.0.1:1/db")
    statement(database, "CREATE ROLE plain LOGIN", "CREATE DATABASE bare OWNER plain")
    bare = database.replace("postgres@/postgres", "plain@/bare")
    with pytest.raises(
        BadInput, match=r"lacks the extension vector \(permission denied.*administrator run CREATE EXTENSION vector"
    ):
        built(bare)


def test_a_dropped_table_is_one_line(database: str) -> None:
    index = built(database, collection="dropped")
    statement(database, "DROP TABLE dropped")
    with pytest.raises(
        BadInput, match=r"did not do what was asked of 'dropped' \(relation \"dropped\" does not exist\)"
    ):
        index.search(ROWS.vectors[:1])


def test_vectors_too_long_for_a_graph_are_searched_flat(database: str) -> None:
    vectors = np.random.default_rng(0).normal(size=(20, 2001)).astype(np.float32)
    make = catalog.find("index.backends", "pgvector")
    with pytest.raises(BadInput, match='have 2001 numbers, and pgvector.s graph takes up to 2000; give kind="flat"'):
        make("euclidean", 2001, uri=database, collection="long").add(vectors, np.arange(20))
    backend = make("euclidean", 2001, uri=database, collection="long", kind="flat")
    backend.add(vectors, np.arange(20))
    assert backend.search(vectors[3:5], 1)[1].tolist() == [[3], [4]]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"uri": "host=a password=b"}, "give postgresql://"),
        ({"uri": "postgresql://a/b?password=c"}, "uri has password behind the"),
        ({"uri": 5}, "uri is no address"),
        ({"kind": "ivf"}, "one of hnsw, flat"),
        ({"neighbours": 1}, "neighbours is 1; it must be from 2 to 100"),
        ({"search_width": 2000}, "search_width is 2000; it must be from 1 to 1000"),
        ({"collection": "a" * 64}, "Postgres keeps 63"),
    ],
)
def test_wrong_options_are_refused_before_anything_is_asked(given: dict[str, Any], said: str) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(BadInput, match=said):
        omlzoo.build_index(ROWS, backend="pgvector", **{"uri": "postgresql://me@127.0.0.1:1/db", **given})
