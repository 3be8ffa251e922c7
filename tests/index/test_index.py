"""An index grows, forgets, filters, tells what it misses, and survives on disk, whatever its backend."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import omlzoo
from omlzoo.embedding.embeddings import Embeddings
from omlzoo.errors import BadInput, OmlzooWarning, UnknownName
from omlzoo.index import rows as room
from omlzoo.models._extractor import Extractor


@pytest.fixture(scope="module")
def embeddings(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Embeddings:
    from toys import toy

    folder = tmp_path_factory.mktemp("model")
    toy("resnet_toy").save(folder / "m")
    return omlzoo.embed(omlzoo.get_model(str(folder / "m"), normalize=True), drawn, progress=False)


def options(backend: str, folder: Path) -> dict[str, Any]:
    return {"uri": str(folder / "rows.db"), "kind": "FLAT"} if backend == "milvus" else {}


@pytest.mark.parametrize("backend", ["exact", "faiss", "faiss_int8", "milvus"])
def test_adding_and_removing_equals_building_anew(backend: str, embeddings: Embeddings, tmp_path: Path) -> None:
    first, later = np.arange(160) < 100, np.arange(160) >= 100
    index = omlzoo.build_index(embeddings.rows(first), backend=backend, **options(backend, tmp_path))
    assert index.add(embeddings.rows(later)).tolist() == list(range(100, 160))
    assert index.remove({"path": [*embeddings.table["path"][:10]]}) == 10
    whole = omlzoo.build_index(embeddings.rows(np.arange(160) >= 10))
    queries = embeddings.vectors[:20]
    assert (index.search(queries, k=5).ids == whole.search(queries, k=5).ids + 10).all()
    assert index.size == 150
    index.save(tmp_path / "kept")
    opened = omlzoo.open_index(tmp_path / "kept")
    assert opened.search(queries, k=5).ids.tolist() == index.search(queries, k=5).ids.tolist()
    assert opened.size == 150
    assert (opened.recall is None) == (backend == "exact")
    if opened.recall is not None:
        assert opened.recall == index.recall
        assert opened.recall.value > 0.95
    assert opened.add(embeddings.rows(np.arange(160) < 3)).tolist() == [160, 161, 162]  # once removed, they may return
    with pytest.warns(OmlzooWarning, match="3 of 3 pictures are in the index already"):
        assert opened.add(embeddings.rows(np.arange(160) < 3)).tolist() == []


@pytest.mark.parametrize("few", [0, 20_000])
@pytest.mark.parametrize("backend", ["exact", "faiss"])
def test_a_filter_is_the_search_of_the_rows_that_pass(
    backend: str, few: int, embeddings: Embeddings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "FEW", few)
    index = omlzoo.build_index(embeddings, backend=backend)
    label = embeddings.table["label"].iloc[3]
    hits = index.search(embeddings.vectors[:4], k=9, where={"label": label})
    among = np.flatnonzero(embeddings.table["label"] == label)
    wanted = omlzoo.build_index(embeddings.rows(embeddings.table["label"] == label)).search(embeddings.vectors[:4], k=9)
    assert hits.ids[:, :5].tolist() == among[wanted.ids[:, :5]].tolist()
    assert (hits.ids[:, len(among) :] == -1).all()
    with pytest.warns(OmlzooWarning, match="no row has label 'nobody'; it has "):
        assert (index.search(embeddings.vectors[:1], where={"label": "nobody"}).ids == -1).all()
    with pytest.raises(UnknownName, match="labl"):
        index.search(embeddings.vectors[:1], where={"labl": 1})


def test_recall_is_the_share_of_the_exactly_nearest_that_is_found(embeddings: Embeddings) -> None:
    index = omlzoo.build_index(embeddings)
    whole = index.rows.searcher

    class Forgetful:
        approximate = True

        def search(
            self, vectors: np.ndarray, k: int, own: np.ndarray, allowed: None = None
        ) -> tuple[np.ndarray, np.ndarray]:
            scores, ids = whole.search(vectors, k + 2, own)
            return scores[:, 2:], ids[:, 2:]  # the two nearest are missed

    index.rows = replace(index.rows, searcher=Forgetful())
    assert index.measure_recall(k=5, queries=50).value == pytest.approx(3 / 5, abs=0.02)  # more where scores are equal
    assert index.recall is not None
    assert index.recall.queries == 50


def test_wrong_additions_options_and_removals_are_refused(
    embeddings: Embeddings, model: Extractor, drawn: Path
) -> None:
    index = omlzoo.build_index(embeddings)
    with pytest.raises(BadInput, match="cannot be searched among those of"):
        index.add(omlzoo.embed(model, drawn, progress=False))
    with pytest.raises(BadInput, match="all 160 rows would be removed"):
        index.remove({})
    with pytest.raises(BadInput, match=r"backend exact does not take \['neighbours'\]"):
        omlzoo.build_index(embeddings, neighbours=3)
    with pytest.raises(BadInput, match="backend milvus needs uri; give --option.uri VALUE, in Python uri="):
        omlzoo.build_index(embeddings, backend="milvus")
    assert index.size == 160


def test_what_is_added_must_be_embeddings(embeddings: Embeddings) -> None:
    index = omlzoo.build_index(embeddings)
    with pytest.raises(BadInput, match=r"add takes Embeddings, not list; give omlzoo\.embed\(model, pictures\)"):
        index.add(["a.png"])  # type: ignore[arg-type]
