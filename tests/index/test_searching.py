"""Hits in another order have the scores and the order of the method, and say that no calibration is of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from calibrations import CALIBRATION

import omlzoo
from omlzoo.cli import main
from omlzoo.errors import BadInput, OmlzooWarning, UnknownName
from omlzoo.index.index import Index
from omlzoo.index.searching import Search
from omlzoo.models._extractor import Extractor
from omlzoo.rerank import expand, k_reciprocal


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    draw = np.random.default_rng(0)
    rows = np.repeat(draw.normal(size=(10, 6)), 15, axis=0) + 0.7 * draw.normal(size=(150, 6))
    return rows.astype(np.float32)


@pytest.fixture(scope="module")
def index(vectors: np.ndarray) -> Index:
    return omlzoo.build_index(vectors, table=pd.DataFrame({"kind": np.arange(150) % 2}))


@pytest.mark.parametrize("candidates", [150, 20, 3])
def test_reciprocal_is_that_of_the_first_hits(index: Index, vectors: np.ndarray, candidates: int) -> None:
    queries = vectors[::10] + np.float32(0.1)
    plain = index.search(queries, k=max(candidates, 5))
    hits = index.search(queries, k=5, rerank="reciprocal", candidates=candidates)
    for number, near in enumerate(plain.ids):
        distances, places = k_reciprocal(queries[number : number + 1], vectors[near], 5)
        assert hits.ids[number].tolist() == near[places[0]].tolist()
        assert hits.scores[number] == pytest.approx(-distances[0], abs=1e-5)
        assert hits.distances[number] == pytest.approx(distances[0], abs=1e-5)
    assert hits.how.endswith(f"among the first {max(candidates, 5)} hits of each query")
    assert (hits.ids != plain.ids[:, :5]).any() or candidates == 3


def test_expansion_is_by_cosine_whatever_the_index_compares_by(index: Index, vectors: np.ndarray) -> None:
    assert index.similarity == "euclidean"
    hits = index.search(vectors[:1], k=4, rerank="expansion", candidates=150)
    moved = expand(vectors[:1], vectors, k=10, alpha=3.0)[0]
    cosines = vectors @ moved / np.linalg.norm(vectors, axis=1)
    assert hits.ids[0].tolist() == np.argsort(-cosines)[:4].tolist()
    assert hits.scores[0] == pytest.approx(np.sort(cosines)[::-1][:4], abs=1e-6)


def test_filters_and_oneself_are_left_out_before(index: Index, vectors: np.ndarray) -> None:
    hits = index.search(vectors[:3], k=9, rerank="reciprocal", where={"kind": 1})
    assert (hits.ids % 2 == 1).all()
    few = index.search(vectors[:2], k=9, rerank="reciprocal", where=[4, 8])
    assert [sorted(row) for row in few.ids.tolist()] == [[-1] * 7 + [4, 8]] * 2
    assert few.ids[:, 2:].max() == -1


def test_the_answer_to_a_query_does_not_depend_on_others(index: Index, vectors: np.ndarray) -> None:
    together = index.search(vectors[:30], rerank="reciprocal")
    for number in (0, 17):
        alone = index.search(vectors[number : number + 1], rerank="reciprocal")
        assert alone.ids[0].tolist() == together.ids[number].tolist()


def test_no_calibration_is_of_re_ranked_scores(drawn: Path, model: Extractor, tmp_path: Path) -> None:
    model.save(tmp_path / "m")
    embeddings = omlzoo.embed(omlzoo.get_model(str(tmp_path / "m"), normalize=True), drawn, progress=False)
    record = embeddings.record
    calibration = replace(CALIBRATION, sha256=record.sha256, preprocess_hash=record.preprocess_hash)
    index = omlzoo.build_index(embeddings, calibration=calibration)
    query = embeddings.vectors[:1]
    assert index.search(query).probabilities is not None
    with pytest.warns(OmlzooWarning, match="scores of rerank 'reciprocal' are not calibrated, so hits have no prob"):
        hits = index.search(query, rerank="reciprocal")
    assert hits.probabilities is None
    assert "probability" not in hits.table()
    with pytest.raises(
        BadInput, match="threshold is 'far=0.001', measured between two pictures, and rerank 'expansion' gives"
    ):
        index.search(query, rerank="expansion", threshold="far=0.001")
    with pytest.warns(OmlzooWarning, match="not calibrated"):
        known = index.search(query, rerank="reciprocal", threshold=-0.5, k=150)
    assert known.accepted is not None
    assert (known.accepted == (known.scores >= -0.5)).all()
    hits.html(tmp_path / "hits.html")
    assert "re-ranked by k-reciprocal neighbours" in (tmp_path / "hits.html").read_text()


@pytest.mark.parametrize(("asked", "message"), [
    (Search(k=0), "k is 0"), (Search(rerank="reciprocal", candidates=0), "0 candidates"),
    (Search(k=2000, rerank="reciprocal"), "2000 candidates would be compared with each other; re-ranking takes 1 to"),
])  # fmt: skip
def test_numbers_out_of_range_are_refused(asked: Search, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        asked.check()


def test_an_unknown_method_is_refused_with_its_neighbours(index: Index, vectors: np.ndarray) -> None:
    with pytest.raises(UnknownName, match="has no 'expanson'; did you mean expansion"):
        index.search(vectors[:1], rerank="expanson")


def test_the_command_re_ranks(
    drawn: Path, model: Extractor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model.save(tmp_path / "m")
    index = omlzoo.build_index(omlzoo.embed(str(tmp_path / "m"), drawn, progress=False))
    index.save(tmp_path / "i")
    query = str(index.table().files()[3])
    assert main(["search", str(tmp_path / "i"), query, "-k", "3", "--rerank", "reciprocal", "--candidates", "40"]) == 0
    found = [line.split()[-1] for line in capsys.readouterr().out.splitlines()[1:]]
    wanted = index.search([query], k=3, rerank="reciprocal", candidates=40).table()["path"]
    assert found == wanted.tolist()
    assert main(["search", str(tmp_path / "i"), query, "--rerank", "best"]) == 2
    assert "re-ranking method has no 'best'" in capsys.readouterr().err
