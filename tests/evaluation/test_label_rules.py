"""Several labels in a cell, and names above labels: in the report as in a loop, and refused where they make no sense."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

import omlzoo
from omlzoo.cli import main
from omlzoo.embedding.embeddings import Embeddings, Record
from omlzoo.errors import BadInput, OmlzooWarning, UnknownName
from omlzoo.evaluation.label_rules import open_tree
from omlzoo.metrics import hierarchical_precision
from omlzoo.models._extractor import Extractor

CELLS = ["cat|dog", "dog", "cat | dog", "cup", "cup|cat", "dog|hat", "hat", "cat|cat", "cup", "hat|cup"] * 3


def made(labels: list[Any], **columns: Any) -> Embeddings:
    frame = pd.DataFrame({"path": [f"{row}.png" for row in range(len(labels))], "label": labels, "is_query": True,
                          "is_gallery": True, "error": "", **columns})  # fmt: skip
    vectors = np.random.default_rng(1).normal(size=(len(labels), 3)).astype(np.float32)
    return Embeddings(vectors, frame, Record("m", "x" * 64, 3, {}, False, "fp32", "/nowhere"))


def test_rows_that_share_a_label_are_right() -> None:
    rows = made(CELLS)
    sets = [{part.strip() for part in cell.split("|")} for cell in CELLS]
    wanted: dict[str, list[float]] = {"cmc@1": [], "ap": [], "ndcg@10": []}
    for q in range(len(CELLS)):
        ranked = [g for g in range(len(CELLS)) if g != q]
        ranked.sort(key=lambda g: (np.linalg.norm(rows.vectors[g].astype(float) - rows.vectors[q]), g))
        shared = [len(sets[q] & sets[g]) for g in ranked]
        wanted["cmc@1"].append(shared[0] > 0)
        wanted["ap"].append(
            average_precision_score([count > 0 for count in shared], -np.arange(len(shared), dtype=float))
        )
        best = sorted(shared, reverse=True)
        gains = [sum(count / math.log2(2 + i) for i, count in enumerate(each[:10])) for each in (shared, best)]
        wanted["ndcg@10"].append(gains[0] / gains[1])
    report = omlzoo.evaluate(rows, separator="|")
    for name, values in wanted.items():
        assert report.metrics[name] == pytest.approx(np.mean(values)), name
    assert report.facts["relevance"] == "one of the labels that '|' parts is shared"
    assert "several labels" in json.loads(report.to_json())["definitions"]["relevance"]
    assert "auc" not in report.metrics


def test_one_label_each_gives_the_numbers_of_labels_and_says_so() -> None:
    rows = made([f"l{row % 7}" for row in range(30)])
    with pytest.warns(OmlzooWarning, match=r"no label has the separator '\|'"):
        found = omlzoo.evaluate(rows, separator="|").metrics
    wanted = omlzoo.evaluate(rows).metrics
    for name in ("cmc@1", "map@5", "map@r", "ap", "inp", "ndcg@10", "precision@10"):
        assert found[name] == pytest.approx(wanted[name]), name


@pytest.mark.parametrize("hierarchy", ["category", ["category"], {"a": "x", "b": "x", "c": "y", "d": "y"}])
def test_hits_of_a_label_near_by_count_in_part(hierarchy: Any) -> None:
    labels = ["a", "b", "c", "d"] * 5
    rows = made(labels, category=["x", "x", "y", "y"] * 5)
    report = omlzoo.evaluate(rows, hierarchy=hierarchy)
    parents = {"a": "x", "b": "x", "c": "y", "d": "y"}
    wanted = hierarchical_precision(rows.vectors, labels, parents)
    assert {name: report.metrics[name] for name in wanted} == pytest.approx(wanted)
    assert report.metrics["cmc@1"] == omlzoo.evaluate(rows).metrics["cmc@1"], "the others are as ever"
    assert "hp@1" in report.intervals
    assert set(report.metrics["per_category"]["x"]) >= {"hp@1", "hp@5"}
    assert "1809.09852" in json.loads(report.to_json())["definitions"]["hp@k"]


def test_columns_of_several_floors(tmp_path: Path) -> None:
    labels = [f"l{row % 8}" for row in range(32)]
    rows = made(labels, shelf=[str(row % 4) for row in range(32)], aisle=[str(row % 2) for row in range(32)])
    parents = {f"l{n}": f"s{n % 4}" for n in range(8)} | {f"s{n}": f"a{n % 2}" for n in range(4)}
    wanted = hierarchical_precision(rows.vectors, labels, parents, k=(10,))["hp@10"]
    assert omlzoo.evaluate(rows, hierarchy=["shelf", "aisle"], thorough=False).metrics["hp@10"] == pytest.approx(wanted)
    pd.DataFrame(list(parents.items()), columns=["child", "parent"]).to_csv(tmp_path / "tree.csv", index=False)
    report = omlzoo.evaluate(rows, hierarchy=tmp_path / "tree.csv", thorough=False)
    assert report.metrics["hp@10"] == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"separator": ""}, "separator is ''"),
        ({"separator": "-"}, "the label 'b-' of 1.png has an empty one among those that '-' parts"),
        ({"separator": "|", "hierarchy": "category"}, "separator and hierarchy are given together"),
        ({"hierarchy": {"a": "b", "b": "c", "c": "a"}}, "the hierarchy: names go round in a circle: a > b > c > a"),
        ({"hierarchy": {"a": "x"}}, "the hierarchy: 1 labels have no name above them, the first 'b-'"),
        ({"hierarchy": "label"}, "name columns above the label"),
        ({"hierarchy": []}, "name columns above the label"),
        (
            {"hierarchy": pd.DataFrame({"child": ["a", "a"], "parent": ["x", "y"]})},
            "'a' has two parents, 'x' and in row",
        ),
        ({"hierarchy": pd.DataFrame({"child": ["a"]})}, "a hierarchy has the columns child, parent; add parent"),
        ({"hierarchy": pd.DataFrame({"child": ["a"], "parent": [None]})}, "parent is empty in row 0"),
        ({"hierarchy": "category"}, "label 'a' has two values of category, 'x' and 'y'"),
        ({"hierarchy": "floor"}, "floor is empty for 1.png"),
    ],
)
def test_what_makes_no_sense_is_one_line(options: dict[str, Any], message: str) -> None:
    rows = made(["a", "b-", "a"], category=["x", "x", "y"], floor=["1", "", "1"])
    with pytest.raises(BadInput, match=message) as caught:
        omlzoo.evaluate(rows, **options)
    assert "\n" not in str(caught.value)


def test_the_command_takes_them(
    drawn: Path, model: Extractor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model.save(tmp_path / "model")
    frame = pd.read_csv(drawn)
    labels = frame["label"].unique()
    tree = pd.DataFrame({"child": labels, "parent": [f"half{place % 2}" for place in range(len(labels))]})
    tree.to_csv(tmp_path / "tree.csv", index=False)
    arguments = ["evaluate", str(tmp_path / "model"), str(drawn), "--no-thorough"]
    assert main([*arguments, "--hierarchy", str(tmp_path / "tree.csv")]) == 0
    assert "hp@5" in capsys.readouterr().out
    assert main([*arguments, "--hierarchy", "floor"]) == 2
    assert "the table has no 'floor'" in capsys.readouterr().err
    with pytest.raises(UnknownName):
        omlzoo.evaluate(model, drawn, hierarchy="floor")
    tree.assign(parent=tree["child"]).to_csv(tmp_path / "tree.csv", index=False)
    assert main([*arguments, "--hierarchy", str(tmp_path / "tree.csv")]) == 2
    assert "names go round in a circle" in capsys.readouterr().err


def test_a_file_of_names_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"hierarchy .*tree.csv: there is no such file; give a csv or parquet file of"):
        open_tree(str(tmp_path / "tree.csv"))
