"""An index answers pictures, paths, vectors and Embeddings, remembers its model, and refuses another's vectors."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from toys import toy

import omlzoo
from omlzoo.embedding.embeddings import Embeddings
from omlzoo.errors import BadInput, OmlzooWarning, UnknownName
from omlzoo.models._extractor import Extractor


@pytest.fixture
def saved(tmp_path: Path, model: Extractor) -> Path:
    model.save(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def embeddings(drawn: Path, saved: Path) -> Embeddings:
    return omlzoo.embed(omlzoo.get_model(str(saved)), drawn)


def by_hand(vectors: np.ndarray, query: np.ndarray, k: int) -> list[int]:
    distances = [float(np.linalg.norm(row.astype(float) - query)) for row in vectors]
    return sorted(range(len(vectors)), key=lambda i: (distances[i], i))[:k]


def test_every_kind_of_query_gives_the_same(embeddings: Embeddings, drawn: Path) -> None:
    index = omlzoo.build_index(embeddings)
    files = [drawn.parent / path for path in embeddings.table["path"][:3]]
    wanted = [by_hand(embeddings.vectors, embeddings.vectors[i], 5) for i in range(3)]
    for queries in (
        files,
        [Image.open(file) for file in files],
        embeddings.vectors[:3],
        embeddings.rows(np.arange(160) < 3),
    ):
        hits = index.search(queries, k=5)
        assert hits.ids.tolist() == wanted
        assert hits.scores.shape == (3, 5)
        assert (np.diff(hits.scores) <= 0).all()
    assert index.search(files[0], k=5).ids.tolist() == wanted[:1]
    assert index.similarity == "euclidean"
    assert hits.embeddings is index.embeddings
    assert index.search([Image.open(files[0])], k=2).pictures.keys() == {0}
    assert index.search(files, k=1000).ids.shape == (3, 160)


def test_a_picture_finds_itself_first_unless_told_not_to(embeddings: Embeddings, drawn: Path) -> None:
    index = omlzoo.build_index(embeddings)
    file = drawn.parent / embeddings.table["path"][7]
    assert index.search([file]).ids[0, 0] == 7
    assert index.search([file]).scores[0, 0] == pytest.approx(0, abs=1e-4)
    assert 7 not in index.search([file], k=159, exclude_self=True).ids[0]


def test_hits_are_a_table(embeddings: Embeddings) -> None:
    hits = omlzoo.build_index(embeddings).search(embeddings.vectors[:2], k=3)
    table = hits.table()
    assert len(table) == 6
    assert table["rank"].tolist() == [1, 2, 3] * 2
    assert table["label"].tolist() == [embeddings.table["label"][i] for i in hits.ids.ravel()]
    assert {"query", "rank", "score", "id", "path", "label"} <= set(table.columns)


def test_an_index_is_opened_and_embeds_with_its_own_model(tmp_path: Path, embeddings: Embeddings, drawn: Path) -> None:
    files = [drawn.parent / path for path in embeddings.table["path"][:4]]
    built = omlzoo.build_index(embeddings)
    built.save(tmp_path / "photos.index")
    opened = omlzoo.open_index(tmp_path / "photos.index")
    assert opened.search(files).ids.tolist() == built.search(files).ids.tolist()
    built.save(tmp_path / "photos.index")  # its own kind is replaced
    (tmp_path / "photos.index" / "notes.txt").touch()
    with pytest.raises(BadInput, match="holds notes.txt"):
        built.save(tmp_path / "photos.index")


def test_vectors_of_another_model_are_refused(embeddings: Embeddings, drawn: Path, tmp_path: Path) -> None:
    other = toy("resnet_toy", seed=9)
    other.save(tmp_path / "other")
    theirs = omlzoo.embed(str(tmp_path / "other"), drawn)
    with pytest.raises(BadInput, match="vectors of .* cannot be searched among those of .*: sha256 is"):
        omlzoo.build_index(embeddings).search(theirs)
    resized = omlzoo.embed(omlzoo.get_model(embeddings.record.model, image_size=64), drawn)
    with pytest.raises(BadInput, match="preprocess_hash is"):
        omlzoo.build_index(embeddings).search(resized)
    with pytest.raises(BadInput, match=r"vectors have the shape \(2, 3\); it must be \(queries, 64\)"):
        omlzoo.build_index(embeddings).search(np.zeros((2, 3)))


def test_a_model_that_changed_since_is_refused(
    tmp_path: Path, embeddings: Embeddings, saved: Path, drawn: Path
) -> None:
    omlzoo.build_index(embeddings).save(tmp_path / "i")
    toy("resnet_toy", seed=5).save(saved, overwrite=True)
    with pytest.raises(BadInput, match="has the weights .* now, the index was made with .*; embed the pictures again"):
        omlzoo.open_index(tmp_path / "i").search(drawn.parent / embeddings.table["path"][0])


def test_an_index_of_weights_in_no_file_searches_vectors_only(tmp_path: Path, drawn: Path, model: Extractor) -> None:
    embeddings = omlzoo.embed(model, drawn)
    file = drawn.parent / embeddings.table["path"][0]
    assert omlzoo.build_index(embeddings).search(file).ids[0, 0] == 0, "in the same process the model is at hand"
    omlzoo.build_index(embeddings).save(tmp_path / "i")
    with pytest.raises(BadInput, match="weights that were in no file, so pictures cannot be embedded"):
        omlzoo.open_index(tmp_path / "i").search(file)
    assert omlzoo.open_index(tmp_path / "i").search(embeddings.vectors[:1]).ids[0, 0] == 0


def test_rows_and_queries_without_a_vector(tmp_path: Path, drawn: Path, saved: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"x")
    good = drawn.parent / "images/alphabet0/character00/00.png"
    with pytest.warns(OmlzooWarning, match="1 of 2 pictures"):
        embeddings = omlzoo.embed(str(saved), [tmp_path / "broken.png", good])
    with pytest.warns(OmlzooWarning, match="1 of 2 rows have no vector and are never found"):
        index = omlzoo.build_index(embeddings)
    assert index.search(good).ids.tolist() == [[1]]
    with pytest.warns(OmlzooWarning):
        hits = index.search([tmp_path / "broken.png", good])
    assert hits.ids.tolist() == [[-1], [1]]
    assert hits.scores[0, 0] == -np.inf
    assert len(hits.table()) == 1
    with pytest.warns(OmlzooWarning), pytest.raises(BadInput, match="none of the 1 rows has a vector"):
        omlzoo.build_index(omlzoo.embed(str(saved), [tmp_path / "broken.png"]))


def test_what_is_no_index_is_refused(tmp_path: Path, embeddings: Embeddings) -> None:
    with pytest.raises(BadInput, match="has no index.json"):
        omlzoo.open_index(tmp_path)
    omlzoo.build_index(embeddings).save(tmp_path / "i")
    facts = json.loads((tmp_path / "i/index.json").read_text())
    facts["record"]["sha256"] = "0" * 64
    (tmp_path / "i/index.json").write_text(json.dumps(facts))
    with pytest.raises(BadInput, match="are of different runs"):
        omlzoo.open_index(tmp_path / "i")
    with pytest.raises(UnknownName, match="did you mean exact"):
        omlzoo.build_index(embeddings, backend="exactly")
    with pytest.raises(BadInput, match="k is 0"):
        omlzoo.build_index(embeddings).search(embeddings.vectors[:1], k=0)


def test_the_page_is_one_file_with_its_pictures(tmp_path: Path, embeddings: Embeddings) -> None:
    queries = embeddings.rows(np.arange(160) < 4)
    hits = omlzoo.build_index(embeddings).search(queries, k=5, exclude_self=True)
    hits.html(tmp_path / "gallery.html")
    page = (tmp_path / "gallery.html").read_text()
    assert page.count('<button type="button" class="open"') == 4 * 6
    assert "http:" not in page
    assert "https:" not in page
    right = int((hits.table()["label"].to_numpy() == np.repeat(queries.table["label"], 5).to_numpy()).sum())
    assert page.count("<b>right</b>") == right
    assert page.count("<b>wrong</b>") == 20 - right


def test_normalised_models_are_compared_by_cosine(drawn: Path) -> None:
    index = omlzoo.build_index(omlzoo.embed(toy("resnet_toy", normalize=True), drawn))
    assert index.similarity == "cosine"
    assert index.search(drawn.parent / index.embeddings.table["path"][3], k=2).scores[0, 0] == pytest.approx(
        1, abs=1e-5
    )
