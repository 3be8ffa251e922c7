"""Queries of one kind in a gallery of the others: the roles, the numbers, and what the report says of them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ranking_loop import by_hand

import omlzoo
from omlzoo.cli import main
from omlzoo.embedding.embeddings import Embeddings, Record
from omlzoo.errors import BadInput, OmlzooWarning, UnknownName
from omlzoo.evaluation.cross_domain import say_asked, with_queries
from omlzoo.models._extractor import Extractor

STYLES = ["ink", "photo", "clay"]


def made(labels: int = 8) -> Embeddings:
    """A row of each label in each of three styles, and two of one style in a sequence."""
    draw = np.random.default_rng(0)
    frame = pd.DataFrame([{"path": f"{label}-{style}.png", "label": label, "style": style, "is_query": True,
                           "is_gallery": True, "error": "", "sequence": f"{label}" if style != "photo" else "",
                           "year": 2000 + label} for label in range(labels) for style in STYLES])  # fmt: skip
    vectors = np.repeat(draw.normal(size=(labels, 6)), 3, axis=0) + 0.8 * draw.normal(size=(3 * labels, 6))
    return Embeddings(vectors.astype(np.float32), frame, Record("m", "x" * 64, 6, {}, False, "fp32", "/nowhere"))


def test_the_metrics_are_those_of_a_loop_over_these_queries() -> None:
    rows = made()
    report = omlzoo.evaluate(rows, queries="style=ink", thorough=False)
    style, sequence = rows.table["style"], pd.factorize(rows.table["sequence"].replace("", np.nan))[0]
    queries, gallery = (np.flatnonzero(side).tolist() for side in (style == "ink", style != "ink"))
    wanted = by_hand(rows.vectors, rows.table["label"].tolist(), queries, gallery, sequence.tolist(), 5)
    for name, value in (("cmc@5", wanted["cmc"]), ("precision@5", wanted["precision"]), ("map@5", wanted["map"]),
                        ("map@r", wanted["map@r"]), ("r_precision", wanted["r"])):  # fmt: skip
        assert report.metrics[name] == pytest.approx(value)
    assert 0 < wanted["cmc"] < 1
    assert (report.facts["queries"], report.facts["gallery"]) == (8, 16)
    assert (report.facts["queries are"], report.facts["gallery is"]) == ("style ink", "all other rows")
    said = json.loads(report.to_json())["definitions"]["queries"]
    assert said == "Queries are the rows to be measured with style ink, the gallery is all others; no query is in it."


def test_conditions_are_those_of_a_search() -> None:
    frame = made().table
    assert with_queries(frame, ["style=ink", "style=clay"])["is_query"].sum() == 16
    assert with_queries(frame, {"style": ["ink", "clay"], "year": 2003})["is_query"].sum() == 2
    found = with_queries(frame, ["style=ink", "year=2003"])
    assert found.loc[found["is_query"], "path"].tolist() == ["3-ink.png"]
    assert (found["is_query"] != found["is_gallery"]).all()
    assert with_queries(frame, "sequence=")["is_query"].sum() == 8
    assert say_asked(["style=ink", "style=clay", "sequence="]) == "style ink or clay and sequence empty"
    assert say_asked({"year": 2003}) == "year 2003"


def test_what_cannot_be_asked_is_refused_before_anything_is_computed(drawn: Path, model: Extractor) -> None:
    frame = made().table
    with pytest.raises(BadInput, match="queries is 'ink'; write a column and a value"):
        with_queries(frame, "ink")
    with pytest.raises(BadInput, match="queries has no condition"):
        with_queries(frame, [])
    with pytest.raises(UnknownName, match="did you mean style"):
        with_queries(frame, "stile=ink")
    with (
        pytest.raises(BadInput, match="no row to be measured has style inc"),
        pytest.warns(OmlzooWarning, match="'inc'.*ink"),
    ):
        with_queries(frame, "style=inc")
    with pytest.raises(BadInput, match="all rows to be measured have style ink or photo or clay, so the gallery"):
        with_queries(frame, {"style": STYLES})

    def refuse(*_: object) -> None:
        raise AssertionError

    model.forward = refuse  # type: ignore[assignment]
    with pytest.raises(UnknownName):
        omlzoo.evaluate(model, drawn, queries="stile=ink")


def test_the_command_takes_them(drawn: Path, saved_model: str, tmp_path: Path) -> None:
    frame = pd.read_csv(drawn)
    frame["hand"] = (np.arange(len(frame)) % 5).astype(str)
    frame["path"] = [str(drawn.parent / path) for path in frame["path"]]
    frame.to_csv(tmp_path / "t.csv", index=False)
    arguments = ["evaluate", saved_model, str(tmp_path / "t.csv"), "--json", str(tmp_path / "r.json"), "--no-thorough"]
    assert main([*arguments, "--queries", "hand=0", "--queries", "hand=3"]) == 0
    facts = json.loads((tmp_path / "r.json").read_text())["facts"]
    assert (facts["queries"], facts["gallery"], facts["queries are"]) == (16, 24, "hand 0 or 3")


@pytest.fixture
def saved_model(tmp_path: Path, model: Extractor) -> str:
    model.save(tmp_path / "model")
    return str(tmp_path / "model")


def test_the_other_model_and_baselines_are_measured_on_the_same_queries(drawn: Path, model: Extractor) -> None:
    frame = pd.read_csv(drawn)
    frame = frame[frame["split"] == "validation"].assign(hand=(np.arange(40) % 5).astype(str))
    frame["path"] = [str(drawn.parent / path) for path in frame["path"]]
    with pytest.warns(OmlzooWarning, match="the table does not need this model"):
        report = omlzoo.evaluate(model, frame, queries="hand=0", against=model, baselines=True, thorough=False)
    assert report.comparison["cmc@1"].same == 8
    assert report.before is not None
    assert report.before["queries"] == 8
    assert {name: each["queries"] for name, each in report.baselines.items() if "queries" in each} == {}
    assert 0 <= report.baselines["raw pixels"]["cmc@1"] <= 1
