"""Queries of any kind become vectors that can be compared with those of the record, or are refused."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from loopback_hub import LoopbackHub
from PIL import Image
from safetensors.torch import save
from text_entries import publish, with_text
from toys import toy, toy_entry

import omlzoo
from omlzoo.checkpoints import manifest
from omlzoo.checkpoints.entry import dump_entry
from omlzoo.embedding.embeddings import Embeddings
from omlzoo.errors import BadInput, OmlzooWarning
from omlzoo.index.queries import QueryEncoder, pictures_in, texts_in
from omlzoo.models._extractor import Extractor

WORDS = ["red shoe with white sole", "blue hat"]


@pytest.fixture
def embeddings(drawn: Path, model: Extractor, tmp_path: Path) -> Embeddings:
    model.save(tmp_path / "model")
    return omlzoo.embed(omlzoo.get_model(str(tmp_path / "model"), normalize=True), drawn, progress=False)


def test_vectors_tensors_and_pictures(embeddings: Embeddings, drawn: Path) -> None:
    encoder = QueryEncoder(embeddings.record)
    wanted = embeddings.vectors[:2]
    for given in (wanted * 3, torch.from_numpy(wanted), [drawn.parent / path for path in embeddings.table["path"][:2]]):
        assert np.allclose(encoder.encode_images(given).vectors, wanted, atol=1e-5)
    assert encoder.model() is encoder.model()
    picture = Image.new("RGB", (40, 40))
    assert pictures_in(picture) == {0: picture}
    assert pictures_in(["a.jpg", picture]) == {1: picture}


def test_other_vectors_are_refused(embeddings: Embeddings) -> None:
    with pytest.raises(BadInput, match=r"vectors have the shape \(3,\)"):
        QueryEncoder(embeddings.record).encode_images(np.zeros(3))


@pytest.mark.parametrize("length", [3e38, 2e19, 1.0, 1e-13, 1e-30])
def test_the_length_of_a_vector_does_not_matter(embeddings: Embeddings, length: float) -> None:
    encoder, unit = QueryEncoder(embeddings.record), embeddings.vectors[:2]
    for given in (
        unit * np.float32(length),
        (unit.astype(float) * length).tolist(),
        unit.astype(float) * length * 1e200,
    ):
        np.testing.assert_allclose(encoder.encode_images(given).vectors, unit, atol=1e-6)
        long = replace(embeddings.rows(np.arange(len(embeddings)) < 2), vectors=np.asarray(given, np.float32))
        if np.isfinite(long.vectors).all():
            np.testing.assert_allclose(encoder.encode_images(long).vectors, unit, atol=1e-6)


def test_vectors_of_every_kind(embeddings: Embeddings) -> None:
    encoder, wanted = QueryEncoder(embeddings.record), embeddings.vectors[:2]
    for given in (wanted.tolist(), list(wanted), [torch.from_numpy(row) for row in wanted], tuple(wanted), wanted.astype(np.float16),
                  torch.from_numpy(wanted).bfloat16(), torch.from_numpy(wanted).double()):  # fmt: skip
        assert np.allclose(encoder.encode_images(given).vectors, wanted, atol=1e-2)
    whole = torch.from_numpy(wanted * 1000).round()
    assert np.allclose(encoder.encode_images(whole.int()).vectors, encoder.encode_images(whole).vectors, atol=1e-7)


@pytest.mark.parametrize(("given", "message"), [
    (np.zeros((2, 2)) * 1j, "complex128"), (torch.zeros(2, 2).to_sparse(), "sparse_coo"), (np.zeros((2, 2), object), "object"),
    (np.zeros((2, 2), bool), "bool"), ([[1.0], [1.0, 2.0]], "of equal length"), ([1.0, 2.0], r"the shape \(2,\)"), ([["a", "b"]], "kind <U1"),
    (np.zeros((2, 2)), "have the shape"),
])  # fmt: skip
def test_what_is_no_vector_is_refused_by_name(embeddings: Embeddings, given: Any, message: str) -> None:
    with pytest.raises(BadInput, match=f"^vectors .*{message}"):
        QueryEncoder(embeddings.record).encode_images(given)


@pytest.mark.parametrize(("value", "fault"), [
    (0.0, "is all zeros, which has no direction"), (np.nan, "holds NaN or infinity"), (-np.inf, "holds NaN or infinity"),
])  # fmt: skip
def test_a_query_that_cannot_be_compared_is_refused_and_a_row_has_an_error(
    embeddings: Embeddings, value: float, fault: str
) -> None:
    encoder, vectors = QueryEncoder(embeddings.record), embeddings.vectors.copy()
    vectors[1] = value
    with pytest.raises(
        BadInput, match=f"vectors: 1 of {len(vectors)} cannot be searched for, the first is row 1: .*{fault}"
    ):
        encoder.encode_images(vectors)
    index = omlzoo.build_index(embeddings)
    found, wanted = (index.search(each, k=2) for each in (replace(embeddings, vectors=vectors), embeddings))
    others = np.arange(len(vectors)) != 1
    assert found.queries["error"].tolist() == ["", f"the vector {fault}", *[""] * (len(vectors) - 2)]
    assert found.ids[1].tolist() == [-1, -1]
    assert np.array_equal(found.ids[others], wanted.ids[others])
    assert np.array_equal(found.scores[others], wanted.scores[others])


def test_by_distance_zeros_are_a_place_and_large_numbers_are_refused(embeddings: Embeddings) -> None:
    encoder, vectors = QueryEncoder(replace(embeddings.record, normalized=False)), embeddings.vectors.copy()
    vectors[0] = 0
    assert np.array_equal(encoder.encode_images(vectors).vectors, vectors)
    vectors[2, 1] = -1e20
    with pytest.raises(BadInput, match="the first is row 2: the vector holds a number of 1e.20; distances need"):
        encoder.encode_images(vectors)


@pytest.fixture
def worded(hub: LoopbackHub, tmp_path: Path, drawn: Path) -> tuple[Embeddings, np.ndarray]:
    """Embeddings, not normalised, of a model with a text tower, and the vectors of two texts."""
    text, _ = publish(hub, f"asking/{tmp_path.name}", 16)
    model = with_text(text, tmp_path / "worded")
    return omlzoo.embed(model, drawn, progress=False), omlzoo.get_text_model(tmp_path / "worded")(WORDS).numpy()


def test_texts_find_the_rows_of_the_highest_cosine(worded: tuple[Embeddings, np.ndarray], tmp_path: Path) -> None:
    embeddings, vectors = worded
    cosines = [[float(row @ text / np.linalg.norm(row)) for row in embeddings.vectors] for text in vectors]
    best = [sorted(range(len(row)), key=lambda i, row=row: -row[i])[:5] for row in cosines]
    omlzoo.build_index(embeddings).save(tmp_path / "i")
    index = omlzoo.open_index(tmp_path / "i")
    assert index.similarity == "euclidean", "pictures are compared otherwise"
    hits = index.search(WORDS, k=5)
    assert hits.ids.tolist() == best
    assert np.allclose(hits.scores, np.take_along_axis(np.array(cosines), np.array(best), 1), atol=1e-6)
    assert np.allclose(hits.distances, np.sqrt(2 - 2 * hits.scores), atol=1e-6)
    assert hits.queries["path"].tolist() == WORDS
    assert index.search(WORDS[0], k=5).ids.tolist() == best[:1], "one text is a query too"
    other = index.search(WORDS, k=3, where={"split": "validation"}, threshold=2.0)
    assert set(embeddings.table["split"].iloc[other.ids.ravel()]) == {"validation"}
    assert other.is_known is not None
    assert not other.is_known.any()
    hits.html(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "query: red shoe with white sole" in page
    assert "the cosine similarity" in page


def test_rows_that_come_and_go_are_compared_by_cosine_too(worded: tuple[Embeddings, np.ndarray]) -> None:
    embeddings, _ = worded
    index = omlzoo.build_index(embeddings.rows(np.arange(len(embeddings)) % 2 == 0))
    index.search(WORDS)
    index.add(embeddings.rows(np.arange(len(embeddings)) % 2 == 1))
    whole = omlzoo.build_index(embeddings).search(WORDS, k=9)
    assert np.allclose(index.search(WORDS, k=9).scores, whole.scores, atol=1e-6)
    best = int(index.search(WORDS[1], k=1).ids[0, 0])
    index.remove(np.array([best]))
    assert index.search(WORDS[1], k=1).ids[0, 0] != best


def test_truncated_vectors_are_compared_with_truncated_texts(worded: tuple[Embeddings, np.ndarray]) -> None:
    embeddings, vectors = worded
    short, rows = vectors[0, :6], embeddings.vectors[:, :6]
    cosines = rows @ short / np.linalg.norm(short) / np.linalg.norm(rows, axis=1)
    hits = omlzoo.build_index(embeddings.truncated(6)).search(WORDS[0], k=1)
    assert hits.ids[0, 0] == cosines.argmax()
    assert hits.scores[0, 0] == pytest.approx(cosines.max(), abs=1e-6)


def test_a_string_is_a_text_where_it_can_be_no_picture(tmp_path: Path) -> None:
    (tmp_path / "photo").write_bytes(b"x")
    assert texts_in("red shoe") == ["red shoe"]
    assert texts_in(("a hat", "b")) == ["a hat", "b"]
    assert texts_in("red shoe " * 60) == ["red shoe " * 60], "longer than a file's name may be"
    assert texts_in("red\0shoe") == ["red\0shoe"]
    for picture in (
        "shoe.jpg",
        "SHOE.PNG",
        "folder/shoe",
        str(tmp_path / "photo"),
        Path("red shoe"),
        np.zeros((1, 3)),
        [],
    ):
        assert texts_in(picture) is None
    assert texts_in("shoe.jpg", text=True) == ["shoe.jpg"]
    assert texts_in("red shoe", text=False) is None
    with pytest.raises(
        BadInput, match=r"'a hat' is no file and 'b.jpg' is one by its name; search for texts and for p"
    ):
        texts_in(["a hat", "b.jpg"])
    with pytest.raises(BadInput, match="text is True, but the queries are ndarray; give a string, or a list of them"):
        texts_in(np.zeros((1, 3)), text=True)


def test_texts_are_refused_where_nothing_reads_them(
    embeddings: Embeddings, worded: tuple[Embeddings, np.ndarray]
) -> None:
    with pytest.raises(BadInput, match=r"'red shoe' names no file, and .* has no text tower that could read it"):
        omlzoo.build_index(embeddings).search("red shoe")
    with pytest.raises(
        BadInput, match="threshold is 'far=1e-3', measured between pictures; for a text give a least sc"
    ):
        omlzoo.build_index(worded[0]).search("red shoe", threshold="far=1e-3")


def test_texts_are_refused_for_weights_that_changed(
    worded: tuple[Embeddings, np.ndarray], tmp_path: Path, drawn: Path
) -> None:
    model = omlzoo.get_model(tmp_path / "worded")
    with torch.no_grad():
        next(model.parameters()).add_(1)
    changed = omlzoo.embed(model, drawn, progress=False)
    with pytest.raises(
        BadInput, match="has the weights state:.* now, the index was made with state:.*; embed the pictures"
    ):
        omlzoo.build_index(changed).search("red shoe")


def test_weights_that_no_entry_pins_are_opened_again_and_compared(
    hub: LoopbackHub, tmp_path: Path, drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Most of the zoo: the entry knows no sha256, so the record has that of the values."""
    content = save({name: value.clone() for name, value in toy("vit_toy").state_dict().items()})
    hub.publish("asking/unpinned", "model.safetensors", content)
    entry = toy_entry("vit_toy", repo="asking/unpinned", file="model.safetensors")
    (tmp_path / "zoo").mkdir()
    (tmp_path / "zoo" / f"{entry.name}.json").write_text(dump_entry(entry))
    monkeypatch.setattr(manifest, "folder", lambda: tmp_path / "zoo")
    manifest.forget()
    try:
        with pytest.warns(OmlzooWarning, match="is unpinned"):
            embeddings = omlzoo.embed(entry.name, drawn, progress=False)
        assert embeddings.record.sha256.startswith("state:")
        omlzoo.build_index(embeddings).save(tmp_path / "i")
        index, file = omlzoo.open_index(tmp_path / "i"), drawn.parent / embeddings.table["path"][0]
        with pytest.warns(OmlzooWarning, match="is unpinned"):
            assert index.search(file).ids[0, 0] == 0
    finally:
        manifest.forget()


def test_threads_that_ask_first_wait_for_the_directions(worded: tuple[Embeddings, np.ndarray]) -> None:
    index = omlzoo.build_index(worded[0])
    wanted = omlzoo.build_index(worded[0]).search(WORDS, k=3).ids.tolist()
    index.encoder.text_model()
    with ThreadPoolExecutor(8) as pool:
        found = [one.result().ids.tolist() for one in [pool.submit(index.search, WORDS, 3) for _ in range(16)]]
    assert found == [wanted] * 16


def test_vectors_of_an_earlier_decoder_are_said_once(embeddings: Embeddings, drawn: Path) -> None:
    files = [drawn.parent / path for path in embeddings.table["path"][:2]]
    encoder = QueryEncoder(replace(embeddings.record, decoder=1))
    with pytest.warns(OmlzooWarning, match="decoder 1 made these vectors and decoder 2 the others") as heard:
        _ = [encoder.encode_images(files) for _ in range(2)]
    assert len([one for one in heard if "decoder" in str(one.message)]) == 1
    with pytest.warns(OmlzooWarning, match="decoded in another way"):
        QueryEncoder(replace(embeddings.record, decoder=1)).encode_images(
            embeddings.rows(np.arange(len(embeddings)) < 2)
        )


def test_queries_are_converted_where_the_pictures_were(embeddings: Embeddings) -> None:
    assert QueryEncoder(replace(embeddings.record, icc="srgb")).pipeline().options.icc == "srgb"
    assert QueryEncoder(embeddings.record).pipeline().options.icc == "ignore"
