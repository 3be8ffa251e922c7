"""Qdrant's server, by a double that remembers what it was asked; and the bound of its local mode."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from drawn_rows import random_embeddings
from qdrant_server import QdrantDouble, qdrant_server

import omlzoo
from omlzoo.errors import BadInput, OmlzooWarning

pytest.importorskip("qdrant_client")


@pytest.fixture
def server() -> Iterator[QdrantDouble]:
    with qdrant_server() as double:
        yield double


@pytest.mark.filterwarnings("ignore:Api key is used with an insecure connection")
def test_the_server_answers_as_exact_search(
    server: QdrantDouble, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omlzoo.index.rows.FEW", 0)
    monkeypatch.setenv("OMLZOO_QDRANT_TOKEN", "its key")
    monkeypatch.setattr("omlzoo.index.backends.qdrant_index.PAGE", 70)
    rows = random_embeddings(200)
    index, exact = omlzoo.build_index(rows, backend="qdrant", url=server.address), omlzoo.build_index(rows)
    for where in (None, np.arange(200) % 4 == 1, np.arange(200) > 20):
        ours, theirs = (each.search(rows.vectors[:5], k=6, where=where) for each in (index, exact))
        assert ours.ids.tolist() == theirs.ids.tolist()
    last = server.asked[-1][3]["searches"][0]
    assert last["filter"]["must_not"] == [{"has_id": list(range(21))}]
    assert last["params"]["hnsw_ef"] == 128
    index.remove(np.arange(200) < 3)
    index.save(tmp_path / "x")
    kept = json.loads((tmp_path / "x/index.json").read_text())["options"]
    assert kept == {"url": server.address}
    opened = omlzoo.open_index(tmp_path / "x", url=server.address)
    assert opened.search(rows.vectors[:4], k=1).ids[3:].tolist() == [[3]]
    assert {key for _, _, key, _ in server.asked} == {"its key"}


def test_a_server_that_is_full_or_down_is_one_line_and_nothing_is_lost(server: QdrantDouble, tmp_path: Path) -> None:
    rows = random_embeddings(50)
    index = omlzoo.build_index(rows.rows(np.arange(50) < 40), backend="qdrant", url=server.address)
    index.save(tmp_path / "x")
    before = (tmp_path / "x/index.json").read_bytes()
    server.broken = (507, "no space left on device")
    for act in (lambda: index.add(rows.rows(np.arange(50) >= 40)), lambda: index.search(rows.vectors[:1])):
        with pytest.raises(
            BadInput, match=r"did not do what was asked of 'omlzoo' .*507.* the folder of the index is as it was"
        ):
            act()
    assert index.size == 40
    assert (tmp_path / "x/index.json").read_bytes() == before
    with pytest.raises(BadInput, match="does not hold the rows of the index"):
        omlzoo.open_index(tmp_path / "x", url=server.address)
    server.broken = None
    assert len(index.add(rows.rows(np.arange(50) >= 40))) == 10
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(BadInput, match="did not do what was asked"):
        omlzoo.build_index(rows, backend="qdrant", url=f"http://127.0.0.1:{port}")


def test_more_rows_than_its_makers_advise_are_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omlzoo.index.backends.qdrant_index.LOCAL", 30)
    rows = random_embeddings(31)
    with pytest.warns(
        OmlzooWarning,
        match="Qdrant's makers advise its local mode, which looks at all rows, for up to 30; there are 31",
    ) as said:
        omlzoo.build_index(rows, backend="qdrant", path=tmp_path / "q")
    assert len(said) == 1


def test_a_folder_that_another_process_has_open_is_refused(tmp_path: Path) -> None:
    fcntl = pytest.importorskip("fcntl")
    (tmp_path / "q").mkdir()
    with (tmp_path / "q" / ".lock").open("w") as lock:  # as the client of another process holds it
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BadInput, match="cannot be opened .* one process opens it at a time"):
            omlzoo.build_index(random_embeddings(9), backend="qdrant", path=tmp_path / "q")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "give one of them"),
        ({"path": "a", "url": "http://b"}, "give one of them"),
        ({"url": "host:6333"}, "begins with http"),
    ],
)
def test_one_place_is_named(given: dict[str, str], said: str) -> None:
    with pytest.raises(BadInput, match=said):
        omlzoo.build_index(random_embeddings(9), backend="qdrant", **given)


def test_a_collection_of_somebody_else_is_never_replaced(tmp_path: Path) -> None:
    from qdrant_client import QdrantClient, models

    client = QdrantClient(path=str(tmp_path / "q"))
    size = models.VectorParams(size=2, distance=models.Distance.DOT)
    for name, config, point in (
        ("orders", size, models.PointStruct(id=1, vector=[1.0, 0.0], payload={"amount": 2})),
        ("texts", {"text": size}, models.PointStruct(id=1, vector={"text": [1.0, 0.0]})),
        ("named", size, models.PointStruct(id="5c56c793-69f3-4fbf-87e6-c4bf54c28c26", vector=[1.0, 0.0])),
    ):
        client.create_collection(name, vectors_config=config)
        client.upsert(name, [point])
    client.close()
    for name, said in (
        ("orders", "'amount', 'row', 'vector'"),
        ("texts", "'row', 'text'"),
        ("named", "'id', 'vector'"),
    ):
        with pytest.raises(BadInput, match=rf"has the columns \[{said}\] and is none of ours"):
            omlzoo.build_index(
                random_embeddings(9), backend="qdrant", path=tmp_path / "q", collection=name, overwrite=True
            )


def test_a_password_in_an_address_is_not_shown() -> None:
    with pytest.raises(BadInput) as said:
        omlzoo.build_index(random_embeddings(9), backend="qdrant", url="http://me:hidden@127.0.0.1:1")
    assert "hidden" not in str(said.value)
    with pytest.raises(BadInput) as said:
        omlzoo.build_index(random_embeddings(9), backend="qdrant", url="ftp://me:hidden@127.0.0.1:1")
    assert "hidden" not in str(said.value)
