"""LanceDB: its index from enough rows on, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_rows import random_embeddings

import omlzoo
from omlzoo import catalog
from omlzoo.errors import BadInput

pytest.importorskip("lancedb")


@pytest.mark.parametrize("kind", ["flat", "IVF_FLAT", "IVF_HNSW_SQ"])
@pytest.mark.parametrize("similarity", ["cosine", "euclidean"])
def test_each_kind_finds_what_the_loop_finds(
    kind: str, similarity: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omlzoo.index.backends.lancedb_index.LEAST", 300)
    random = np.random.default_rng(0)
    vectors = random.normal(size=(500, 8)).astype(np.float32)
    if similarity == "cosine":
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    make = catalog.find("index.backends", "lancedb")
    backend = make(similarity, 8, uri=str(tmp_path / "l"), kind=kind, search_width=500)
    backend.add(vectors[:400], np.arange(400))
    backend.add(vectors, np.arange(400, 500))
    backend.save(tmp_path)
    assert {index.columns[0] for index in backend.store.table.list_indices()} == {"row"} | (
        {"vector"} - ({"vector"} if kind == "flat" else set())
    )
    allowed = np.arange(500) % 2 == 0
    for mask in (None, allowed):
        _, ids = backend.search(vectors[:6], 5, None, mask)
        for query, found in enumerate(ids):
            among = [row for row in range(500) if mask is None or mask[row]]
            assert (
                found.tolist()
                == sorted(among, key=lambda row: float(np.linalg.norm(vectors[row] - vectors[query])))[:5]
            )


def test_the_index_is_made_once_there_are_enough_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omlzoo.index.backends.lancedb_index.LEAST", 300)
    rows = random_embeddings(400)
    index = omlzoo.build_index(rows.rows(np.arange(400) < 200), backend="lancedb", uri=tmp_path / "l")
    searcher: Any = index.rows.searcher
    assert not list(searcher.store.table.list_indices())
    index.add(rows.rows(np.arange(400) >= 200))
    index.save(tmp_path / "x")
    assert len(list(searcher.store.table.list_indices())) == 2
    assert omlzoo.open_index(tmp_path / "x").search(rows.vectors[300:302], k=1).ids.tolist() == [[300], [301]]


def test_a_table_of_somebody_else_is_never_replaced(tmp_path: Path) -> None:
    import lancedb

    lancedb.connect(tmp_path / "l").create_table("omlzoo", [{"id": 1, "name": "it's"}])
    with pytest.raises(BadInput, match=r"has the columns \['id', 'name'\] and is none of ours"):
        omlzoo.build_index(random_embeddings(9), backend="lancedb", uri=tmp_path / "l", overwrite=True)
    assert lancedb.connect(tmp_path / "l").open_table("omlzoo").count_rows() == 1


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"uri": "s3://bucket/x"}, "give the path of a folder"),
        ({"uri": "db://theirs"}, "give the path of a folder"),
        ({"kind": "IVF_PQ"}, "one of flat, IVF_FLAT, IVF_HNSW_SQ"),
        ({"probes": 0}, "probes is 0; it must be at least 1"),
        ({}, "backend lancedb needs uri; give --option.uri VALUE"),
    ],
)
def test_wrong_options_are_refused(given: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=said):
        omlzoo.build_index(
            random_embeddings(9), backend="lancedb", **({"uri": tmp_path / "l", **given} if given else {})
        )


def test_a_folder_that_is_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "l").write_text("")
    with pytest.raises(BadInput):
        omlzoo.build_index(random_embeddings(9), backend="lancedb", uri=tmp_path / "l")
