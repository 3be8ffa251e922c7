"""Metrics of re-ranked lists equal a loop over k_reciprocal's own lists, and the report says what they are of."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import omlzoo
from omlzoo.cli import main
from omlzoo.embedding.embeddings import Embeddings, Record
from omlzoo.errors import BadInput, UnknownName
from omlzoo.evaluation.reranking import check_rerank
from omlzoo.models._extractor import Extractor
from omlzoo.rerank import k_reciprocal


def made(sequences: bool = False) -> Embeddings:
    """Eight labels of nine rows, a third of them queries and all of them gallery; their pictures do not exist."""
    draw = np.random.default_rng(0)
    vectors = np.repeat(draw.normal(size=(8, 6)), 9, axis=0) + 0.9 * draw.normal(size=(72, 6))
    frame = pd.DataFrame({
        "path": [f"{row}.png" for row in range(72)], "label": np.repeat([f"l{i}" for i in range(8)], 9),
        "is_query": np.arange(72) % 3 == 0, "is_gallery": True, "error": "",
    })  # fmt: skip
    if sequences:
        frame["sequence"] = [f"s{row // 3}" for row in range(72)]
    return Embeddings(vectors.astype(np.float32), frame, Record("m", "x" * 64, 6, {}, False, "fp32", "/nowhere"))


def test_lists_of_whole_galleries_are_k_reciprocals() -> None:
    given = made()
    plain, report = omlzoo.evaluate(given), omlzoo.evaluate(given, rerank="reciprocal", candidates=71)
    own = np.arange(0, 72, 3)
    _, ids = k_reciprocal(given.vectors[own], given.vectors, 71, own=own)
    labels = given.table["label"].to_numpy()
    first, at_r = [], []
    for query, hits in zip(own, ids, strict=True):
        right = labels[hits] == labels[query]
        first.append(right[0])
        at_r.append(sum(right[: i + 1].mean() for i in range(8) if right[i]) / 8)  # 8 other rows of the label
    assert report.metrics["cmc@1"] == pytest.approx(np.mean(first))
    assert report.metrics["map@r"] == pytest.approx(np.mean(at_r))
    assert report.metrics["map@r"] != plain.metrics["map@r"]
    assert report.ranking is not None
    assert report.ranking.first.tolist() == ids[:, :10].tolist()
    apart = np.linalg.norm(given.vectors[own][:, None] - given.vectors[ids[:, :10]], axis=2)
    np.testing.assert_allclose(-report.ranking.scores, apart, rtol=1e-5)


@pytest.mark.parametrize("sequences", [False, True])
def test_one_candidate_changes_nothing_and_sequences_stay_out(sequences: bool) -> None:
    given = made(sequences)
    plain, report = omlzoo.evaluate(given), omlzoo.evaluate(given, rerank="expansion", candidates=1)
    for name in ("cmc@1", "map@r", "precision@5", "ndcg@10", "r_precision", "eer"):
        assert report.metrics[name] == pytest.approx(plain.metrics[name]), name
    deep = omlzoo.evaluate(given, rerank="expansion", candidates=60)
    if sequences:
        assert deep.ranking is not None
        near = given.table["sequence"].to_numpy()
        assert (near[deep.ranking.first] != near[deep.ranking.queries][:, None]).all()


def test_the_report_says_that_it_is_of_re_ranked_lists_and_how(tmp_path: Path) -> None:
    report, plain = omlzoo.evaluate(made(), rerank="reciprocal", candidates=20), omlzoo.evaluate(made())
    assert report.facts["re-ranked"].startswith("re-ranked by k-reciprocal neighbours (k1 20, k2 6, lambda 0.3) among ")
    assert "metrics of pairs" in report.facts["not re-ranked"]
    assert report.before == plain.metrics
    assert report.comparison["map@r"].difference == pytest.approx(report.metrics["map@r"] - plain.metrics["map@r"])
    assert report.metrics["eer"] == plain.metrics["eer"]
    assert not {"ap", "inp"} & set(report.metrics)
    report.html(tmp_path / "r.html")
    assert "re-ranked by k-reciprocal" in (tmp_path / "r.html").read_text()


def test_what_no_re_ranking_is_is_refused_before_anything_is_computed(tmp_path: Path) -> None:
    check_rerank(None, -1)
    with pytest.raises(UnknownName, match="re-ranking method has no 'reciprocl'"):
        omlzoo.evaluate("no such model", tmp_path / "gone.csv", rerank="reciprocl")
    with pytest.raises(BadInput, match="0 candidates"):
        omlzoo.evaluate("no such model", tmp_path / "gone.csv", rerank="reciprocal", candidates=0)


def test_the_command_measures_both(
    drawn: Path, model: Extractor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model.save(tmp_path / "m")
    assert main(["evaluate", str(tmp_path / "m"), str(drawn), "--rerank", "reciprocal", "--candidates", "15"]) == 0
    header = capsys.readouterr().out.splitlines()[0]
    assert "before" in header
    assert "difference" in header
