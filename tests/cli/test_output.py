"""What commands print: plain columns and one JSON document."""

import json

import pytest

from omlzoo.cli.output import print_columns, print_json, print_metrics


def test_columns_are_as_wide_as_their_widest_cell(capsys: pytest.CaptureFixture[str]) -> None:
    print_columns(["a", "long head"], [["longer", "x"], ["b", ""]])
    assert capsys.readouterr().out == "a       long head\nlonger  x\nb\n"


def test_json_is_one_document_without_nan(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"value": float("nan"), "ö": 1})
    assert json.loads(capsys.readouterr().out) == {"value": None, "ö": 1}


def test_metrics_have_the_value_before_where_there_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    print_metrics({"cmc@1": 0.5, "per_label": {}}, {"cmc@1": 0.25})
    assert capsys.readouterr().out.split() == ["metric", "before", "after", "cmc@1", "0.2500", "0.5000"]
