"""An index folder never decides by itself where to connect, and keeps no secrets."""

import json
from pathlib import Path
from typing import Any

import pytest
from drawn_rows import random_embeddings

import omlzoo
from omlzoo.errors import BadInput
from omlzoo.index.addresses import absolute, kept_options, named_options

SERVERS = [
    ("pgvector", "uri", "postgresql://me@127.0.0.1:1/db"),
    ("pgvector", "uri", "postgresql:///db?host=/tmp"),
    ("qdrant", "url", "http://127.0.0.1:1"),
    ("lancedb", "uri", "s3://bucket/rows"),
    ("milvus", "uri", "http://127.0.0.1:1"),
]


@pytest.mark.parametrize(("backend", "option", "address"), SERVERS)
def test_a_strangers_folder_connects_to_nothing(
    backend: str, option: str, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    omlzoo.build_index(random_embeddings(9)).save(tmp_path / "x")
    facts = json.loads((tmp_path / "x/index.json").read_text())
    (tmp_path / "x/index.json").write_text(json.dumps({**facts, "backend": backend, "options": {option: address}}))
    monkeypatch.setattr("omlzoo.catalog.optional", lambda *given: pytest.fail(f"would open {given}"))
    with pytest.raises(
        BadInput, match=rf"names the database .*if you trust it, give open_index\(\.\.\., {option}=\.\.\.\)"
    ):
        omlzoo.open_index(tmp_path / "x")


def test_pickles_of_a_local_folder_are_opened_only_if_named(tmp_path: Path) -> None:
    """Qdrant's local mode unpickles what is in the folder; LanceDB's and Milvus's files run nothing."""
    (tmp_path / "rows").mkdir()
    here = str(tmp_path / "rows")
    with pytest.raises(BadInput, match="OMLZOO_QDRANT_PATH"):
        named_options("qdrant", {"path": here}, {}, tmp_path)
    assert named_options("qdrant", {"path": here}, {"path": here}, tmp_path) == {"path": here}
    for backend in ("lancedb", "milvus"):
        assert named_options(backend, {"uri": here}, {}, tmp_path) == {"uri": here}


def test_a_variable_names_an_address_with_its_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = {"uri": "postgresql://me@host/db", "collection": "shoes"}
    monkeypatch.setenv("OMLZOO_PGVECTOR_URI", "postgresql://me:secret@host/db")
    found = named_options("pgvector", theirs, {}, tmp_path)
    assert found == {"uri": "postgresql://me:secret@host/db", "collection": "shoes"}
    with pytest.raises(BadInput, match="OMLZOO_PGVECTOR_URI"):
        named_options("pgvector", {"uri": "postgresql://me@other/db"}, {}, tmp_path)


def test_of_a_third_partys_backend_a_folder_says_numbers_only(tmp_path: Path) -> None:
    theirs = {"width": 3, "fast": True, "host": "10.0.0.1"}
    with pytest.raises(BadInput, match=r"names the host of its backend theirs '10.0.0.1', .* OMLZOO_THEIRS_HOST"):
        named_options("theirs", theirs, {}, tmp_path)
    assert named_options("theirs", theirs, {"host": "here"}, tmp_path) == {**theirs, "host": "here"}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"uri": "postgresql://me:pa:ss@host:5/db?x=1"}, {"uri": "postgresql://me@host:5/db?x=1"}),
        ({"uri": "postgresql:///db"}, {"uri": "postgresql:///db"}),
        ({"url": "http://host:6333", "token": "key", "overwrite": True}, {"url": "http://host:6333"}),
        ({"uri": "a:b@c.db", "width": 3, "settings": {"M": 8}}, {"uri": "a:b@c.db", "width": 3, "settings": {"M": 8}}),
        ({"uri": "http://[broken"}, {"uri": "http://[broken"}),
    ],
)
def test_secrets_are_not_kept(given: dict[str, Any], kept: dict[str, Any]) -> None:
    assert kept_options(given) == kept


def test_paths_hold_wherever_the_index_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute({"uri": "a.db", "path": Path("q"), "url": "x", "n": 1}) == {
        "uri": str(tmp_path / "a.db"), "path": str(tmp_path / "q"), "url": "x", "n": 1,
    }  # fmt: skip
    assert absolute({"uri": "http://host"}) == {"uri": "http://host"}
