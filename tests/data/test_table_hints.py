"""Columns that nearly bear a documented name are named, and words for nothing are nothing."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from omlzoo.data import table
from omlzoo.data.faults import Fault
from omlzoo.data.filters import matching
from omlzoo.data.table_hints import alike, emptied, meaning, near_misses, shared_bursts, twice_written
from omlzoo.data.table_rules import COLUMNS
from omlzoo.errors import BadTable


@pytest.mark.parametrize(("column", "meant"), [
    ("Sequence", "sequence"), ("sequences", "sequence"), ("CATEGORY", "category"), ("X_1", "x_1"), ("x1", "x_1"), ("bbox_y_2", "y_2"),
    ("box_x2", "x_2"), ("isQuery", "is_query"), ("is-gallery", "is_gallery"), ("identity", "label"), ("class", "label"), ("catgory", "category"), ("sequnce", "sequence"), ("lable", "label"), ("spilt", "split"), ("labels", "label"),
    ("is_gallry", "is_gallery"), ("xmin", "x_1"), ("bottom", "y_2"), ("burst", "sequence"), ("Query", "is_query"),
])  # fmt: skip
def test_a_near_miss_is_named(column: str, meant: str) -> None:
    (said,) = near_misses(COLUMNS, ["path"], [column], "t.csv")
    assert said == f"t.csv: the column {column!r} is not read; if it is meant, rename it to {meant!r}"


@pytest.mark.parametrize(
    "column",
    [
        "price",
        "colour",
        "x",
        "boxes",
        "labelled_by",
        "split_of",
        "path_length",
        "subcategory",
        "splitting",
        "x_3",
        "note",
        "camera",
    ],
)
def test_other_columns_are_not(column: str) -> None:
    assert near_misses(COLUMNS, ["path"], [column], "t.csv") == []


def test_nothing_is_said_where_the_column_is_there() -> None:
    assert near_misses(COLUMNS, list(COLUMNS), ["Sequence", "class", "X1"], "t.csv") == []


@pytest.mark.parametrize("word", ["nan", "None", "NULL", "NA", "<NA>", "-"])
def test_words_for_nothing_are_empty_and_it_is_said(word: str) -> None:
    text = pd.DataFrame(
        {"label": ["-", "a", "b"], "sequence": [word, "s", word], "category": ["x", "y", "z"]}, dtype="str"
    )
    found, said = emptied(text, "t.csv")
    assert found["sequence"].tolist() == ["", "s", ""]
    assert found["label"].tolist() == ["-", "a", "b"], "a label is what it is"
    assert said == [f"t.csv: 2 values of sequence such as {word!r} are taken for empty ones"]


def test_filters_compare_what_is_meant() -> None:
    frame = pd.DataFrame({"label": ["3", "3.5", "a", None], "price": [2.0, np.nan, 2.5, 3.0], "n": [1, 2, 3, 4]})
    assert matching(frame, {"label": 3.0}).tolist() == [True, False, False, False]
    assert matching(frame, {"label": 3}).tolist() == [True, False, False, False]
    assert matching(frame, {"price": 2}).tolist() == [True, False, False, False]
    assert matching(frame, {"price": None}).tolist() == [False, True, False, False]
    assert matching(frame, {"price": [None, "2.5"]}).tolist() == [False, True, True, False]
    assert matching(frame, {"label": float("nan")}).tolist() == [False, False, False, True]
    assert matching(frame, {"n": 2.0}).tolist() == [False, True, False, False]


def test_one_number_written_in_two_ways_is_a_fault() -> None:
    values = pd.Series(["3", "3.0", "4.0", "a", "-1", "-1.00", "3.5"], dtype="str")
    assert twice_written(values).tolist() == [False, True, False, False, False, True, False]


def test_boxes_under_other_names_are_a_fault() -> None:
    frame = pd.DataFrame({"path": ["a.png"], "X_1": [0], "x2": [8], "bbox_y_1": [0], "Y-2": [8]})
    said = [str(fault) for fault in table.find_faults(frame)]
    assert [text for text in said if "rename it to 'x_1', as all four sides of the box" in text]


@pytest.mark.parametrize("column", ["category", "sequence", "is_query", "is_gallery", "x_1", "y_2"])
def test_every_optional_column_knows_the_words_for_nothing(column: str) -> None:
    found, said = emptied(pd.DataFrame({column: ["NaN", "1", "none"]}, dtype="str"), "t.csv")
    assert found[column].tolist() == ["", "1", ""]
    assert said == [f"t.csv: 2 values of {column} such as 'NaN' are taken for empty ones"]


@pytest.mark.parametrize(("values", "wrong"), [
    (["3.0", "3.00"], ["3.00"]), (["3.00", "3", "3.0"], ["3.00", "3.0"]), (["30", "3.0", "300"], []), (["0", "-0.0"], []),
    (["00012", "012", "12"], []), (["1.5", "1.50"], []), (["1e5", "100000"], []), (["2024-01-01", "2024-01-02"], []),
])  # fmt: skip
def test_numbers_are_told_by_what_they_are(values: list[str], wrong: list[str]) -> None:
    text = pd.Series(values, dtype="str")
    assert text[twice_written(text)].tolist() == wrong


@pytest.mark.parametrize(("first", "second"), [
    ("caf\u00e9", "cafe\u0301"), ("a b", "a\u00a0b"), ("a\u2009b", "a b"), ("x", "x\u200b"), ("x", "\ufeffx"), ("na\u00adme", "name"),
    ("\u1e69", "s\u0323\u0307"), ("a b", "a  b"),
])  # fmt: skip
def test_text_that_is_equal_to_the_eye_is_found(first: str, second: str) -> None:
    for values in ([first, second, "z"], [second, first, "z"]):
        found = alike(pd.Series(values, dtype="str"))
        assert [set(pair) for pair in found.items()] == [{first, second}]


@pytest.mark.parametrize("values", [
    ["A", "\u0410"], ["a", "A"], ["1", "l"], ["a", "\u00e0"], ["\u2764", "\u2764\ufe0f"], ["a\nb", "a b"],
    ["\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u062e"], ["two\nlines"], ["caf\u00e9"], ["cafe\u0301"], ["\u00a0"], ["a  b"],
])  # fmt: skip
def test_text_that_can_be_told_apart_is_not(values: list[str]) -> None:
    assert alike(pd.Series(values, dtype="str")) == {}


@pytest.mark.parametrize("column", ["label", "category", "sequence"])
def test_both_spellings_are_shown(tmp_path: Path, column: str) -> None:
    frame = pd.DataFrame({"path": ["a.png", "b.png"], "label": ["1", "2"], "split": ["train", "train"]})
    for name in frame["path"]:
        (tmp_path / name).touch()
    frame[column] = ["caf\u00e9", "cafe\u0301"]
    with pytest.raises(BadTable) as caught:
        table.read(frame, "train", root=tmp_path)
    (fault,) = caught.value.faults
    assert isinstance(fault, Fault)
    assert (fault.row, fault.column) == (1, column)
    assert fault.remedy == r"('cafe\u0301') is to the eye the same as 'caf\xe9'; write both in one way"


def test_the_nearest_meaning_wins() -> None:
    assert meaning("class", ["label", "path"]) == "label"
    assert meaning("class", ["path"]) is None
    assert meaning("xmin", ["x_1"], synonyms=False) is None


def test_a_burst_on_both_sides_of_the_split_is_said() -> None:
    text = pd.DataFrame(
        {"sequence": ["a", "a", "b", "", ""], "split": ["train", "validation", "train", "train", "validation"]},
        dtype="str",
    )
    assert shared_bursts(text, "t.csv") == [
        "t.csv: 1 sequence has rows in train and in validation, so training sees what is measured; the first: 'a'"
    ]
    assert shared_bursts(text[1:], "t.csv") == []
    assert shared_bursts(text[["split"]], "t.csv") == []
