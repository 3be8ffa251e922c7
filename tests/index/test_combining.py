"""Several examples as one query equal a loop over the scores of all rows, with pictures, vectors and texts in one list."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from calibrations import CALIBRATION
from loopback_hub import LoopbackHub
from PIL import Image
from text_entries import publish, with_text

import omlzoo
from omlzoo.cli import main
from omlzoo.errors import BadInput, OmlzooWarning
from omlzoo.index import combining as room
from omlzoo.index.combining import Combination, nearest_to_all, nearest_to_any
from omlzoo.index.index import Index


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    draw = np.random.default_rng(0)
    return (np.repeat(draw.normal(size=(9, 5)), 30, axis=0) + 0.8 * draw.normal(size=(270, 5))).astype(np.float32)


@pytest.fixture(scope="module")
def index(vectors: np.ndarray) -> Index:
    return omlzoo.build_index(vectors, table=pd.DataFrame({"kind": np.arange(270) % 2}))


def scores_of(vectors: np.ndarray, examples: np.ndarray) -> np.ndarray:
    """(P, N) minus the Euclidean distances."""
    return -np.linalg.norm(examples[:, None].astype(float) - vectors[None].astype(float), axis=2)


@pytest.mark.parametrize("first", [1, 100])
@pytest.mark.parametrize("combine", ["any", "all"])
def test_any_and_all_are_the_best_and_the_least_score(
    combine: Combination, first: int, index: Index, vectors: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "FIRST", first)
    for rows in ([0, 40], [10, 100, 269], [5]):  # of one kind, of kinds far apart, of one
        examples = vectors[rows] + np.random.default_rng(1).normal(0, 0.1, (len(rows), 5)).astype(np.float32)
        every = scores_of(vectors, examples)
        wanted = every.max(axis=0) if combine == "any" else every.min(axis=0)
        for where, passing in ((None, np.arange(270)), ({"kind": 1}, np.arange(1, 270, 2))):
            hits = index.search(examples, k=7, combine=combine, where=where)
            best = passing[np.argsort(-wanted[passing])[:7]]
            assert hits.ids.tolist() == [best.tolist()]
            np.testing.assert_allclose(hits.scores[0], wanted[best], rtol=1e-5)
    few = index.search(vectors[:2], k=5, combine=combine, where=[3, 8])
    assert sorted(few.ids[0].tolist()) == [-1, -1, -1, 3, 8]
    assert np.isneginf(few.scores[0, 2:]).all()


def test_average_is_the_search_for_the_mean(index: Index, vectors: np.ndarray) -> None:
    hits = index.search(vectors[[0, 40, 80]], k=6, combine="average")
    wanted = index.search(vectors[[0, 40, 80]].astype(float).mean(axis=0, keepdims=True), k=6)
    assert hits.ids.tolist() == wanted.ids.tolist()
    assert hits.scores == pytest.approx(wanted.scores)
    assert hits.how == "those of 3 examples as one query (average)"
    assert hits.queries["path"].tolist() == ["average of vector 0, vector 1, vector 2"]


def test_negatives_move_each_example_a_quarter_of_the_way(index: Index, vectors: np.ndarray) -> None:
    examples, negatives = vectors[[0, 40]].astype(float), vectors[[100, 200, 260]].astype(float)
    moved = examples + (examples - negatives.mean(axis=0)) / 4
    hits = index.search(vectors[[0, 40]], k=6, negatives=vectors[[100, 200, 260]])
    assert hits.ids.tolist() == index.search(moved.mean(axis=0, keepdims=True), k=6).ids.tolist()
    assert hits.how.endswith("(average), moved away from 3 negatives")
    every = scores_of(vectors, moved).max(axis=0)
    hits = index.search(vectors[[0, 40]], k=6, combine="any", negatives=vectors[[100, 200, 260]])
    assert hits.ids[0].tolist() == np.argsort(-every)[:6].tolist()


def test_by_cosine_each_example_counts_as_a_direction(vectors: np.ndarray) -> None:
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    from omlzoo.embedding.embeddings import Record

    record = Record("m", "x" * 64, 5, {}, True, "fp32", "/nowhere")
    table = pd.DataFrame({"path": [f"{row}.png" for row in range(270)], "error": ""})
    index = omlzoo.build_index(omlzoo.Embeddings(units, table, record))
    hits = index.search([vectors[0] * 50, vectors[40]], k=5, combine="average", negatives=[vectors[9] * 3])
    moved = units[[0, 40]] + (units[[0, 40]] - units[9]) / 4
    mean = moved.mean(axis=0)
    cosines = units @ mean / np.linalg.norm(mean)
    assert hits.ids[0].tolist() == np.argsort(-cosines)[:5].tolist()
    assert hits.scores[0] == pytest.approx(np.sort(cosines)[::-1][:5], abs=1e-6)
    with pytest.raises(BadInput, match="cancel each other"):
        index.search([units[0], -units[0]], combine="average")


def test_the_rows_of_an_approximate_backend_are_scored_for_all(vectors: np.ndarray) -> None:
    index = omlzoo.build_index(vectors, backend="faiss")
    examples = vectors[[10, 100]] + np.array([[0.1], [0.2]], dtype=np.float32)
    every = scores_of(vectors, examples)
    for find, wanted in ((nearest_to_any, every.max(axis=0)), (nearest_to_all, every.min(axis=0))):
        scores, ids = find(index.rows, examples, 5, None, False)
        assert ids[0].tolist() == np.argsort(-wanted)[:5].tolist()
        np.testing.assert_allclose(scores[0], np.sort(wanted)[::-1][:5], rtol=1e-5)


@pytest.fixture
def worded(hub: LoopbackHub, tmp_path: Path, drawn: Path) -> Index:
    """An index of a model that reads texts and compares pictures by distance."""
    text, _ = publish(hub, f"combining/{tmp_path.name}", 16)
    with_text(text, tmp_path / "worded")
    return omlzoo.build_index(omlzoo.embed(str(tmp_path / "worded"), drawn, progress=False))


def test_a_picture_and_words_are_compared_by_cosine(
    worded: Index, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = worded.table().files()
    every = worded.embeddings.vectors / np.linalg.norm(worded.embeddings.vectors, axis=1, keepdims=True)
    red, laces = worded.encoder.encode_texts(["red shoe", "with laces"]).vectors
    hits = worded.search([str(files[3]), "red shoe"], k=5, combine="average", negatives="with laces")
    examples = np.stack([every[3], red])
    mean = (examples + (examples - laces) / 4).mean(axis=0)
    cosines = every @ mean / np.linalg.norm(mean)
    assert hits.ids[0].tolist() == np.argsort(-cosines)[:5].tolist()
    assert hits.scores[0] == pytest.approx(np.sort(cosines)[::-1][:5], abs=1e-5)
    mixed = worded.search([Image.open(files[3]), every[8], "red shoe"], k=1, combine="average")
    assert mixed.how == "those of 3 examples as one query (average)"
    with pytest.raises(BadInput, match="1 of 2 examples are texts, whose scores are lower"):
        worded.search([str(files[3]), "red shoe"], combine="any")
    both = worded.search(["red shoe", "with laces"], k=3, combine="all")
    assert both.ids[0].tolist() == np.argsort(-np.minimum(every @ red, every @ laces))[:3].tolist()
    hits.html(tmp_path / "page.html")
    assert "unlike with laces" in (tmp_path / "page.html").read_text()
    worded.save(tmp_path / "i")
    command = ["search", str(tmp_path / "i"), str(files[3]), "red shoe", "-k", "5", "--combine", "average"]
    assert main([*command, "--negatives", "with laces"]) == 0
    found = [line.split()[-1] for line in capsys.readouterr().out.splitlines()[1:]]
    assert found == hits.table()["path"].tolist()


def test_own_rows_of_all_examples_are_left_out(worded: Index) -> None:
    files = worded.table().files()
    given = [str(files[3]), str(files[9])]
    hits = worded.search(given, k=5, combine="any", exclude_self=True, negatives=[str(files[12])])
    assert not {3, 9, 12} & set(hits.ids[0].tolist())
    assert {3, 9} <= set(worded.search(given, k=5, combine="any").ids[0].tolist())


def test_what_makes_no_sense_is_refused(index: Index, vectors: np.ndarray, tmp_path: Path, worded: Index) -> None:
    for options, message in (
        ({"combine": "sum"}, "combine is 'sum'; it must be one of average, any, all"),
        ({"combine": "any", "rerank": "reciprocal"}, "rerank 'reciprocal' needs one vector"),
        ({"combine": "average", "threshold": "far=0.001"}, "threshold is 'far=0.001', measured between two pictures"),
    ):
        with pytest.raises(BadInput, match=message):
            index.search(vectors[:2], **options)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="there is no example to search for"):
        index.search([], negatives=vectors[:1])
    (tmp_path / "broken.png").write_bytes(b"x")
    said = pytest.warns(OmlzooWarning, match="1 of 2 pictures could not be read")
    with (
        said,
        pytest.raises(BadInput, match="broken.png: .*an example that cannot be read would change what is asked for"),
    ):
        worded.search([str(worded.table().files()[0]), str(tmp_path / "broken.png")], combine="average")


def test_no_calibration_is_of_combined_scores(worded: Index) -> None:
    record = worded.embeddings.record
    calibration = replace(
        CALIBRATION, sha256=record.sha256, preprocess_hash=record.preprocess_hash, normalized=record.normalized
    )
    index = omlzoo.build_index(worded.embeddings, calibration=calibration)
    with pytest.warns(OmlzooWarning, match="scores of combine 'any' are not calibrated, so hits have no probabilities"):
        assert index.search(index.embeddings.vectors[:2], combine="any").probabilities is None


def test_re_ranking_the_average_is_re_ranking_its_list(index: Index, vectors: np.ndarray) -> None:
    hits = index.search(vectors[[0, 4]], k=5, combine="average", rerank="reciprocal")
    wanted = index.search(vectors[[0, 4]].astype(float).mean(axis=0, keepdims=True), k=5, rerank="reciprocal")
    assert hits.ids.tolist() == wanted.ids.tolist()
    assert hits.how.startswith("those of 2 examples as one query (average) and re-ranked by k-reciprocal")
