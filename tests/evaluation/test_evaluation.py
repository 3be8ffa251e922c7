"""A report measures the validation rows, says what it measured, and can be looked at."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import omlzoo
from omlzoo.embedding.embeddings import Embeddings, Record
from omlzoo.errors import BadInput, BadTable, OmlzooWarning
from omlzoo.evaluation.evaluation import evaluate_embeddings
from omlzoo.metrics import retrieval
from omlzoo.models._extractor import Extractor


def test_the_report_is_the_metrics_of_the_validation_rows(drawn: Path, model: Extractor) -> None:
    report = omlzoo.evaluate(model, drawn)
    frame = pd.read_csv(drawn)
    frame = frame[frame["split"] == "validation"]
    vectors = omlzoo.embed(model, frame, root=drawn.parent).vectors
    wanted = retrieval(vectors, frame["label"].tolist(), cmc=(1, 5, 10), precision=(1, 5, 10), map=(5, 10))
    assert {name: report.metrics[name] for name in wanted} == pytest.approx(wanted)
    assert report.facts["queries"] == report.facts["gallery"] == 40
    assert set(report.metrics["per_category"]) == {"alphabet3"}


def test_embeddings_are_measured_as_they_are(drawn: Path, model: Extractor) -> None:
    frame = pd.read_csv(drawn)
    embeddings = omlzoo.embed(model, frame[frame["split"] == "validation"], root=drawn.parent)
    assert omlzoo.evaluate(embeddings).metrics == omlzoo.evaluate(model, drawn).metrics
    with pytest.raises(BadInput, match="the embeddings lack the columns is_gallery, is_query, label"):
        omlzoo.evaluate(omlzoo.embed(model, [drawn.parent / frame["path"][0]]))
    with pytest.raises(BadInput, match="table is missing"):
        omlzoo.evaluate(model)


def test_files_of_a_report(tmp_path: Path, drawn: Path, model: Extractor) -> None:
    report = omlzoo.evaluate(model, drawn)
    report.save(tmp_path / "report.json")
    found = json.loads((tmp_path / "report.json").read_text())
    assert found["metrics"]["cmc@1"] == report.metrics["cmc@1"]
    assert {"facts", "metrics", "before", "errors", "definitions"} < set(found)
    report.html(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    for said in (
        "Queries that went worst",
        "Queries that went best",
        f"{report.metrics['cmc@1']:.4f}",
        "data:image/",
        "cmc@k",
    ):
        assert said in page
    assert "http" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", page), "nothing is loaded from elsewhere"


def test_unreadable_pictures_and_hopeless_queries_are_counted(tmp_path: Path, drawn: Path, model: Extractor) -> None:
    frame = pd.read_csv(drawn)
    frame = frame[frame["split"] == "validation"].head(11).reset_index(drop=True)
    frame["path"] = [str(drawn.parent / path) for path in frame["path"]]
    (tmp_path / "broken.png").write_bytes(b"x")
    frame.loc[0, "path"] = str(tmp_path / "broken.png")
    with pytest.warns(OmlzooWarning) as said:
        report = omlzoo.evaluate(model, frame)
    assert any("1 of 10 queries have no relevant picture" in str(warning.message) for warning in said)
    assert report.metrics["queries_without_relevant"] == 1
    assert report.facts["unreadable pictures"] == 1
    assert list(report.errors) == [str(tmp_path / "broken.png")]


def test_sequences_are_left_out(drawn: Path, model: Extractor) -> None:
    frame = pd.read_csv(drawn)
    frame = frame[frame["split"] == "validation"].assign(sequence=np.arange(40) // 5)  # one label, one sequence
    with pytest.warns(OmlzooWarning, match="40 of 40 queries have no relevant picture"):
        report = omlzoo.evaluate(model, frame, root=drawn.parent)
    assert np.isnan(report.metrics["cmc@1"])
    assert "NaN" not in report.to_json()


def test_a_faulty_table_is_refused_with_all_faults(drawn: Path, model: Extractor) -> None:
    frame = pd.read_csv(drawn).assign(is_query="perhaps", label=None)
    with pytest.raises(BadTable) as caught:
        omlzoo.evaluate(model, frame, root=drawn.parent)
    assert len(caught.value.faults) == 321


STRANGE = [
    "$^$",
    r"$\frac{x$",
    "_a",
    "\u9774",
    "\x00\x1b[31m",
    "x" * 10_000,
    "\u202eabc",
    "</script><b>",
    "=1+1",
]


def made(labels: list[Any], scale: float = 1.0) -> Embeddings:
    """Three rows of each label around random centres; their pictures do not exist."""
    draw = np.random.default_rng(0)
    vectors = np.repeat(draw.normal(size=(len(labels), 8)), 3, axis=0) + 0.5 * draw.normal(size=(3 * len(labels), 8))
    every = [label for label in labels for _ in range(3)]
    frame = pd.DataFrame(
        {"label": pd.Series(every, dtype=object), "is_query": True, "is_gallery": True, "error": "", "category": every}
    )
    record = Record("m", "x" * 64, 8, {}, False, "fp32", "/nowhere")
    return Embeddings(
        (vectors * scale).astype(np.float32), frame.assign(path=[f"{row}.png" for row in range(len(every))]), record
    )


def test_no_label_ends_a_page(tmp_path: Path) -> None:
    report = evaluate_embeddings(made(STRANGE), "table")
    report.html(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<b>" not in page.replace("<b>right</b>", "").replace("<b>wrong</b>", "")
    assert "\\u0000\\u001b[31m" in page
    assert "x" * 78 not in page
    report.save(tmp_path / "report.json")
    found = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert set(found["metrics"]["per_category"]) == set(STRANGE)


@pytest.mark.parametrize("scale", [2.0**-100, 2.0**-40, 2.0**40])
def test_the_scale_of_the_vectors_does_not_matter(scale: float) -> None:
    found, wanted = (evaluate_embeddings(made(list("abcdefghij"), size), "t") for size in (scale, 1.0))
    free = {name: value for name, value in wanted.metrics.items() if not name.startswith(("distance", "per_"))}
    assert {name: found.metrics[name] for name in free} == pytest.approx(free, abs=1e-6, nan_ok=True)
    assert [finding.kind for finding in found.findings] == [finding.kind for finding in wanted.findings]


def test_labels_that_pandas_or_numpy_would_merge() -> None:
    with pytest.raises(BadInput, match=r"labels mix kinds: 1 \(int\) and '1' \(str\)"):
        evaluate_embeddings(made([1, "1", 2]), "t")
    assert evaluate_embeddings(made(["a", "a\0", "b"]), "t").facts["labels"] == 3
