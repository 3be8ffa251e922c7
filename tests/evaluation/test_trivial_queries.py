"""Queries that cannot fail are counted as a loop over all pairs counts them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import omlzoo
from omlzoo.cli import main
from omlzoo.data import table
from omlzoo.errors import OmlzooWarning
from omlzoo.evaluation.trivial_queries import find_certain, find_copied, find_trivial, select_rows
from omlzoo.models._extractor import Extractor

ROW = st.tuples(st.integers(0, 3), st.booleans(), st.booleans(), st.sampled_from(["", "s", "t"]), st.integers(0, 4))


@settings(deadline=None)
@given(st.lists(ROW, min_size=2, max_size=12))
def test_a_loop_finds_the_same(rows: list[tuple[int, bool, bool, str, int]]) -> None:
    frame = pd.DataFrame(rows, columns=["label", "is_query", "is_gallery", "sequence", "picture"])
    frame["path"] = [f"{row}.png" for row in range(len(frame))]
    if not frame["is_query"].any() or not frame["is_gallery"].any():
        return
    certain, copied = [], []
    for query, (label, asked, _, sequence, picture) in enumerate(rows):
        others = [
            row
            for number, row in enumerate(rows)
            if row[2] and number != query and not (sequence and row[3] == sequence)
        ]
        if asked and others and all(row[0] == label for row in others):
            certain.append(query)
        if asked and any(row[0] == label and row[4] == picture for row in others):
            copied.append(query)
    selection = select_rows(frame)
    found = find_certain(frame, selection)
    assert [row["path"] for each in found for row in each.rows] == [f"{row}.png" for row in certain]
    again = find_copied(frame["path"].tolist(), frame["picture"].to_numpy(), selection)
    assert [row["path"] for each in again for row in each.rows] == [f"{row}.png" for row in copied]


@pytest.fixture
def one_label(tmp_path: Path) -> Path:
    for number in range(4):
        Image.fromarray(np.random.default_rng(number).integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(
            tmp_path / f"{number}.png"
        )
    (tmp_path / "4.png").write_bytes((tmp_path / "0.png").read_bytes())
    pd.DataFrame({
        "path": [f"{number}.png" for number in range(5)], "label": "x", "split": "validation", "is_query": 1, "is_gallery": 1,
    }).to_csv(tmp_path / "t.csv", index=False)  # fmt: skip
    return tmp_path / "t.csv"


def test_one_label_is_said_by_check_evaluate_page_and_json(
    one_label: Path, model: Extractor, capsys: pytest.CaptureFixture[str]
) -> None:
    said = "5 of 5 queries cannot fail: the gallery has no wrong picture for them, as all rows have the label 'x'"
    copied = "2 of 5 queries have a copy of their own picture in the gallery, which any model finds"
    assert main(["check", str(one_label)]) == 0
    printed = capsys.readouterr().err
    assert said in printed
    assert copied in printed
    with pytest.warns(OmlzooWarning, match="5 of 5 queries cannot fail"):
        report = omlzoo.evaluate(model, one_label)
    assert [each.kind for each in report.findings][:2] == ["certain", "copied"]
    assert said in report.to_json()
    report.html(one_label.with_suffix(".html"))
    assert "5 of 5 queries cannot fail" in one_label.with_suffix(".html").read_text()


def test_a_box_makes_another_picture_of_a_copy(one_label: Path) -> None:
    frame = pd.read_csv(one_label).assign(label=["a", "b", "c", "d", "a"], x_1=[0, 0, 0, 0, 4], y_1=0, x_2=16, y_2=16)
    assert find_trivial(table.read(frame, "check", one_label.parent)) == []
    (finding,) = find_trivial(table.read(frame.assign(x_1=0), "check", one_label.parent))
    assert (finding.kind, finding.count) == ("copied", 2)


def test_a_table_without_validation_rows_has_no_queries(one_label: Path) -> None:
    frame = pd.read_csv(one_label)[["path", "label"]].assign(split="train")
    assert find_trivial(table.read(frame, "check", one_label.parent)) == []
