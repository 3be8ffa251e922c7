"""Columns that nearly bear a documented name are named, and words for nothing are nothing."""

import numpy as np
import pandas as pd
import pytest

from omlzoo.data import table
from omlzoo.data.filters import matching
from omlzoo.data.table_hints import emptied, near_misses, twice_written
from omlzoo.data.table_rules import COLUMNS


@pytest.mark.parametrize(("column", "meant"), [
    ("Sequence", "sequence"), ("sequences", "sequence"), ("CATEGORY", "category"), ("X_1", "x_1"), ("x1", "x_1"), ("bbox_y_2", "y_2"),
    ("box_x2", "x_2"), ("isQuery", "is_query"), ("is-gallery", "is_gallery"), ("identity", "label"), ("class", "label"),
])  # fmt: skip
def test_a_near_miss_is_named(column: str, meant: str) -> None:
    (said,) = near_misses(COLUMNS, ["path"], [column], "t.csv")
    assert said == f"t.csv: the column {column!r} is not read; if it is meant, rename it to {meant!r}"


@pytest.mark.parametrize("column", ["price", "colour", "x", "boxes", "labelled_by", "split_of", "path_length"])
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
