"""A table of pairs says what is right: the report's numbers by it, and one clear line for each thing wrong with it."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import omlzoo
from omlzoo.cli import main
from omlzoo.embedding.embeddings import Embeddings, Record
from omlzoo.errors import BadInput, BadTable, OmlzooWarning
from omlzoo.evaluation.relevance import open_pairs
from omlzoo.models._extractor import Extractor

# One query at 0 and five gallery rows on a line, the nearest first.
PATHS = ["q.png", "a.png", "b.png", "c.png", "d.png", "e.png"]


def made() -> Embeddings:
    frame = pd.DataFrame({"path": PATHS, "label": [0, 1, 2, 3, 4, 5], "is_query": [True] + [False] * 5,
                          "is_gallery": [False] + [True] * 5, "error": ""})  # fmt: skip
    vectors = np.arange(6, dtype=np.float32)[:, None] * np.ones((1, 3), np.float32)
    return Embeddings(vectors, frame, Record("m", "x" * 64, 3, {}, False, "fp32", "/nowhere"))


def pairs(**grades: Any) -> pd.DataFrame:
    return pd.DataFrame([{"query": "q.png", "item": f"{name}.png", "grade": grade} for name, grade in grades.items()])


def test_the_protocols_of_revisited_oxford_and_paris() -> None:
    """Ranked a (junk), b (easy), c (wrong), d (hard), e (easy)."""
    report = omlzoo.evaluate(made(), relevance=pairs(a="junk", b="easy", d="hard", e="easy"), cmc=(1,))
    found = report.metrics["per_relevance"]
    assert list(found) == ["medium", "easy", "hard"]
    medium = (1 + 2 / 3 + 3 / 4) / 3  # b right, c wrong, d right, e right
    easy = (1 + 2 / 3) / 2  # b right, c wrong, e right
    assert report.metrics["ap"] == found["medium"]["ap"] == pytest.approx(medium)
    assert found["easy"]["ap"] == pytest.approx(easy)
    assert found["hard"]["ap"] == pytest.approx(1 / 2)  # c wrong, d right
    assert [found[name]["cmc@1"] for name in found] == [1, 1, 0]
    assert found["hard"]["ap_trapezoid"] == pytest.approx((0 + 1 / 2) / 2)
    assert found["easy"]["ap_trapezoid"] == pytest.approx(((1 + 1) / 2 + (1 / 2 + 2 / 3) / 2) / 2)
    assert "hard: easy rows are left out" in json.loads(report.to_json())["definitions"]["per_relevance"]
    assert report.ranking is not None
    assert report.ranking.first[0, :4].tolist() == [2, 3, 4, 5], "junk is not among the hits"
    assert report.ranking.right is not None
    assert report.ranking.right[0, :4].tolist() == [True, False, True, True]


def test_grades_and_each_as_the_smallest_that_is_right() -> None:
    report = omlzoo.evaluate(made(), relevance=pairs(a=1, b=0, c=3, e="junk"), cmc=(1,), thorough=False)
    found = report.metrics["per_relevance"]
    assert list(found) == ["grade >= 1", "grade >= 3"]
    ideal = 3 / math.log2(2) + 1 / math.log2(3)
    assert report.metrics["ndcg@10"] == pytest.approx((1 / math.log2(2) + 3 / math.log2(4)) / ideal)
    assert found["grade >= 3"]["ndcg@10"] == pytest.approx((3 / math.log2(4)) / 3)
    assert [found[name]["cmc@1"] for name in found] == [1, 0]
    assert report.facts["relevance"] == "the pairs: 4 pairs of 1 queries, 1 grade 0, 1 grade 1, 1 grade 3, 1 junk"
    assert "metrics of pairs" in report.facts


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (pairs(a=1, z=1), "1 values of item are not in the table, or not is_gallery.*the first: 'z.png' in row 1"),
        (pairs(a=1, q=1), "1 values of item are in the table, but not is_gallery among the rows to be measured"),
        (pairs(a=1).assign(query="p.png"), "1 values of query are not in the table, or not is_query"),
        (pd.concat([pairs(a=1, b=1), pairs(a=2)]), "1 pairs stand there twice.*'a.png' in rows 0 and 2; keep one"),
        (pairs(a="good"), "the grade in row 0 is 'good'; it must be a number from 0 upwards, or junk"),
        (pairs(a=-1), "the grade in row 0 is '-1'"),
        (pairs(a="inf"), "the grade in row 0 is 'inf'"),
        (pairs(a="easy", b=2), "the grade in row 1 is '2'; it must be easy, hard or junk"),
        (pairs(a="junk", b=0), "no grade is above 0"),
        (pairs(a=1, b=None), "grade is empty in row 1"),
        (pairs(a=1).drop(columns="grade"), "a table of pairs has the columns query, item, grade; add grade"),
        (pairs(a=1)[:0], "there is no pair"),
    ],
)
def test_a_table_of_pairs_that_breaks_a_rule(table: pd.DataFrame, message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        omlzoo.evaluate(made(), relevance=table)
    assert "\n" not in str(caught.value)


def test_embeddings_without_roles_say_so() -> None:
    rows = made()
    del rows.table["is_query"]
    with pytest.raises(BadInput, match="the embeddings lack the columns is_query"):
        omlzoo.evaluate(rows, relevance=pairs(a=1))


def test_a_picture_with_several_boxes_is_no_single_row() -> None:
    rows = made()
    rows.table.loc[2, "path"] = "a.png"
    with pytest.raises(BadInput, match=r"item 'a.png' in row 0 stands in the table several times"):
        omlzoo.evaluate(rows, relevance=pairs(a=1))


def test_pairs_of_unreadable_pictures_are_left_out_and_counted() -> None:
    rows = made()
    rows.table.loc[1, "error"] = "broken"
    rows.vectors[1] = np.nan
    with pytest.warns(OmlzooWarning, match="1 of 2 pairs are of unreadable pictures"):
        report = omlzoo.evaluate(rows, relevance=pairs(a=1, b=1), thorough=False)
    assert report.metrics["ap"] == 1


def test_files_of_pairs_and_the_command(
    drawn: Path, model: Extractor, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = pd.read_csv(drawn)
    frame = frame[frame["split"] == "validation"]
    same = frame.merge(frame, on="label")[["path_x", "path_y"]].set_axis(["query", "item"], axis=1)
    same.assign(grade=1).to_csv(tmp_path / "pairs.csv", index=False)
    model.save(tmp_path / "model")
    arguments = ["evaluate", str(tmp_path / "model"), str(drawn), "--relevance", str(tmp_path / "pairs.csv")]
    html, file = tmp_path / "r.html", tmp_path / "r.json"
    assert main([*arguments, "--json", str(file), "--html", str(html)]) == 0
    assert "grade >= 1" in capsys.readouterr().out
    by_label = omlzoo.evaluate(model, drawn).metrics
    found = json.loads(file.read_text())["metrics"]
    for name in ("cmc@1", "cmc@5", "precision@10", "map@5", "map@r", "r_precision", "ap", "inp", "ndcg@10"):
        assert found[name] == pytest.approx(by_label[name]), name
    assert "ap_trapezoid" in html.read_text()
    pd.concat([same, same[:1]]).assign(grade=1).to_csv(tmp_path / "pairs.csv", index=False)
    file.unlink()
    assert main([*arguments, "--json", str(file)]) == 2
    assert f"in rows 2 and {len(same) + 2}; keep one" in capsys.readouterr().err
    assert not file.exists()
    (tmp_path / "torn.csv").write_text('query,item,grade\na,"b,1\n')
    with pytest.raises((BadInput, BadTable)):
        open_pairs(tmp_path / "torn.csv")
    with pytest.raises(BadInput, match="there is no such file"):
        open_pairs(tmp_path / "none.csv")


def test_a_file_of_pairs_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"relevance .*pairs.csv: there is no such file; give a csv or parquet file of"):
        open_pairs(tmp_path / "pairs.csv")
