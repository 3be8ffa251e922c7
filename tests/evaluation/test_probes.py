"""Probes of a report: gallery rows answer, query rows are asked, never a row, its picture or its sequence by itself."""

import json
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import omlzoo
from omlzoo.cli import main
from omlzoo.embedding.embeddings import Embeddings, Record
from omlzoo.errors import BadInput, MissingExtra, OmlzooWarning
from omlzoo.evaluation.probes import _parts, check_probe, probe_mean, with_probe
from omlzoo.evaluation.trivial_queries import select_rows
from omlzoo.metrics import intervals, knn_accuracy, linear_probe
from omlzoo.models._extractor import Extractor

ROW = st.tuples(st.integers(0, 2), st.booleans(), st.booleans(), st.integers(0, 6))


@pytest.fixture(scope="module")
def rows(drawn: Path) -> Embeddings:
    """40 validation drawings of 8 characters with noisy vectors, half of them queries and half gallery."""
    frame = pd.read_csv(drawn)
    frame = frame[frame["split"] == "validation"].reset_index(drop=True)
    random = np.random.default_rng(0)
    codes = frame["label"].factorize()[0]
    vectors = random.normal(size=(8, 6))[codes] + random.normal(size=(len(frame), 6))
    frame["is_query"] = np.arange(len(frame)) % 2 == 0
    frame["is_gallery"] = ~frame["is_query"]
    record = Record("m", "x" * 64, 6, {}, False, "fp32", "/nowhere")
    return Embeddings(vectors.astype(np.float32), frame.assign(error=""), record)


def with_columns(rows: Embeddings, **columns: Any) -> Embeddings:
    return replace(rows, table=rows.table.assign(**columns))


def test_gallery_rows_vote_as_in_a_loop(rows: Embeddings) -> None:
    report = omlzoo.evaluate(rows, probe="knn")
    units = rows.vectors / np.linalg.norm(rows.vectors, axis=1, keepdims=True)
    labels, asked = rows.table["label"].tolist(), rows.table["is_query"].tolist()
    right = []
    for query in (row for row in range(40) if asked[row]):
        near = sorted((row for row in range(40) if not asked[row]), key=lambda row: -float(units[row] @ units[query]))
        votes: dict[str, float] = {}
        for row in near[:20]:
            votes[labels[row]] = votes.get(labels[row], 0) + math.exp(float(units[row] @ units[query]) / 0.07)
        right.append(max(votes, key=lambda label: votes[label]) == labels[query])
    assert 0 < sum(right) < len(right)
    assert report.metrics["knn@20"] == pytest.approx(np.mean(right))
    names = [label for label, query in zip(labels, asked, strict=True) if query]
    assert report.intervals["knn@20"] == intervals({"": np.array(right, dtype=float)}, names)[""]
    assert report.metrics["per_category"]["alphabet3"]["knn@20"] == pytest.approx(np.mean(right))
    assert report.facts["probe"] == "knn@20, temperature 0.07, queries asked of the gallery"
    assert {"cmc@1", "map@r"} < set(report.metrics)


@pytest.mark.parametrize("probe", ["knn", "linear"])
def test_the_metric_is_that_of_the_arrays(rows: Embeddings, probe: Any) -> None:
    asked = rows.table["is_query"].to_numpy(bool)
    labels = rows.table["label"].to_numpy()
    measure = {"knn": knn_accuracy, "linear": linear_probe}[probe]
    wanted = measure(rows.vectors[~asked], labels[~asked], rows.vectors[asked], labels[asked])
    report = omlzoo.evaluate(rows, probe=probe, thorough=False)
    assert {name: report.metrics[name] for name in wanted} == pytest.approx(wanted)
    assert set(report.intervals) == set(wanted), "also where nothing else is measured thoroughly"


@settings(deadline=None, max_examples=40)
@given(st.lists(ROW, min_size=2, max_size=14))
def test_no_picture_stands_on_both_sides_and_every_query_is_asked_once(
    table: list[tuple[int, bool, bool, int]],
) -> None:
    frame = pd.DataFrame(table, columns=["label", "is_query", "is_gallery", "group"])
    if not frame["is_query"].any() or not frame["is_gallery"].any():
        return
    groups = frame["group"].to_numpy()
    try:
        parts = _parts(select_rows(frame), groups)
    except BadInput:
        assert len(set(groups[frame["is_gallery"]])) == 1
        return
    assert sorted(np.concatenate([asked for _, asked in parts])) == np.flatnonzero(frame["is_query"]).tolist()
    for fit, asked in parts:
        assert not set(groups[fit]) & set(groups[asked])
        assert frame["is_gallery"][fit].all()
    both = set(groups[frame["is_query"]]) & set(groups[frame["is_gallery"]])
    apart = [asked for _, asked in parts if not set(groups[asked]) & both]
    assert len(parts) - len(apart) == min(5, len(both)), "those that stand in the gallery themselves, in five folds"


@pytest.mark.parametrize("probe", ["knn", "linear"])
def test_bursts_do_not_answer_for_themselves(rows: Embeddings, probe: Any) -> None:
    """Vectors that tell bursts apart and nothing else: by itself a burst would be right, without itself it is not."""
    bursts = np.arange(40) // 2
    vectors = np.random.default_rng(0).normal(size=(20, 30)).astype(np.float32)[bursts]
    labels = np.array([f"label {burst % 4}" for burst in bursts])
    table = rows.table.assign(label=labels, is_query=True, is_gallery=True)
    same = replace(rows, vectors=vectors, table=table, record=replace(rows.record, dim=30))
    name = {"knn": "knn@20", "linear": "linear"}[probe]
    leaking = omlzoo.evaluate(same, probe=probe, thorough=False)
    assert leaking.metrics[name] > 0.6
    assert "5 folds by picture, sequences kept whole" in leaking.facts["probe"]
    column = {"knn": "sequence", "linear": "path"}[probe]
    whole = with_columns(same, **{column: [f"{burst}.png" for burst in bursts]})
    assert omlzoo.evaluate(whole, probe=probe, thorough=False).metrics[name] < 0.5


def test_the_command_the_file_and_the_comparison_have_it(
    drawn: Path, model: Extractor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model.save(tmp_path / "model")
    arguments = ["evaluate", str(tmp_path / "model"), str(drawn), "--probe", "knn", "--json", str(tmp_path / "r.json")]
    assert main([*arguments, "--no-thorough"]) == 0
    assert "knn@20" in capsys.readouterr().out
    found = json.loads((tmp_path / "r.json").read_text())
    assert len(found["intervals"]["knn@20"]) == 2
    assert "knn@k" in found["definitions"]
    report = omlzoo.evaluate(model, drawn, probe="knn", against=model, thorough=False)
    assert report.comparison["knn@20"].difference == 0
    assert found["metrics"]["knn@20"] == report.metrics["knn@20"] == report.before["knn@20"]  # type: ignore[index]
    assert main([*arguments[:3], "--probe", "votes"]) == 2


@pytest.mark.filterwarnings("ignore:the table:omlzoo.errors.OmlzooWarning")
def test_baselines_are_probed_too(drawn: Path, model: Extractor) -> None:
    report = omlzoo.evaluate(model, drawn, probe="knn", baselines=True, thorough=False)
    assert all(0 <= values["knn@20"] <= 1 for values in report.baselines.values())
    assert len(report.baselines) == 3
    embeddings = report.embeddings
    assert embeddings is not None
    assert probe_mean(report, embeddings.vectors, "knn") == {"knn@20": report.metrics["knn@20"]}
    bare = replace(report, embeddings=None)
    assert with_probe(bare, "knn") is bare
    assert probe_mean(bare, embeddings.vectors, "knn") == {}


def test_where_no_query_can_be_answered_there_is_no_number(rows: Embeddings) -> None:
    labels = np.where(rows.table["is_query"], "a", "b")
    with pytest.warns(OmlzooWarning, match="20 of 20 queries have no relevant picture"):
        report = omlzoo.evaluate(with_columns(rows, label=labels), probe="knn", thorough=False)
    assert math.isnan(report.metrics["knn@20"])
    assert report.intervals == {}


def test_what_cannot_be_probed_is_refused_at_once(rows: Embeddings, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match='probe is \'votes\'; it must be "knn" or "linear"'):
        omlzoo.evaluate("no such model", "no such table", probe="votes")  # type: ignore[arg-type]
    one = with_columns(rows, path="one.png", is_query=True, is_gallery=True)
    with pytest.raises(BadInput, match="all gallery rows are of one picture or sequence"):
        omlzoo.evaluate(one, probe="knn", thorough=False)
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    check_probe("knn")
    with pytest.raises(MissingExtra, match="calibration"):
        omlzoo.evaluate("no such model", "no such table", probe="linear")
