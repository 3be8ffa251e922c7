"""What commands print: plain columns and one JSON document."""

import json
import os
import subprocess
import sys

import pytest

from omlzoo.cli import main
from omlzoo.cli.output import print_columns, print_json, print_line, print_report
from omlzoo.evaluation.report import Report


def test_columns_are_as_wide_as_their_widest_cell(capsys: pytest.CaptureFixture[str]) -> None:
    print_columns(["a", "long head"], [["longer", "x"], ["b", ""]])
    assert capsys.readouterr().out == "a       long head\nlonger  x\nb\n"


def test_json_is_one_document_without_nan(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"value": float("nan"), "ö": 1})
    assert json.loads(capsys.readouterr().out) == {"value": None, "ö": 1}


def test_metrics_have_the_value_before_where_there_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(Report({"cmc@1": 0.5, "per_label": {}}, {}, {"cmc@1": 0.25}))
    assert capsys.readouterr().out.split() == ["metric", "before", "after", "cmc@1", "0.2500", "0.5000"]


def test_five_numbers_come_first_and_the_flag_for_the_rest_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report({"cmc@1": 0.5, "precision@5": 0.25, "auc": 0.75}, {})
    print_report(report)
    assert capsys.readouterr().out.splitlines()[-1] == "and 2 more metrics: --all"
    print_report(report, everything=True)
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "metric",
        "cmc@1",
        "precision@5",
        "auc",
    ]


STEERING = "\x1b]0;title\x07\x1b[2J\x9b31m\r\u202egpj"


def test_labels_do_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_columns(["label", "next"], [[STEERING + "\n", "x"]])
    print_line(STEERING)
    print_line(STEERING, error=True)
    out, err = capsys.readouterr()
    assert out.count("\n") == 3, "a row is a line"
    assert not set(STEERING) & set("\x1b\x07\x9b\r\u202e") & set(out + err)
    assert "\\u001b]0;title\\u0007" in out


def test_json_holds_such_labels_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"label": STEERING})
    out = capsys.readouterr().out
    assert json.loads(out) == {"label": STEERING}
    assert not set("\x1b\x07\x9b\u202e") & set(out)


def test_an_error_does_not_steer_either(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "\x1b[2Jname"]) == 2
    assert "\x1b" not in capsys.readouterr().err


def test_wide_letters_take_two_columns(capsys: pytest.CaptureFixture[str]) -> None:
    print_columns(["a", "b"], [["靴", "1"], ["e\u0301", "2"], ["xyz", "3"]])
    assert capsys.readouterr().out == "a    b\n靴   1\ne\u0301    2\nxyz  3\n"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_a_terminal_of_any_encoding_is_printed_to(encoding: str) -> None:
    program = "import sys; from omlzoo.cli import main; sys.exit(main(['show', '靴']))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, env={**os.environ, "PYTHONIOENCODING": encoding}
    )
    assert done.returncode == 2
    assert ("靴" if encoding == "utf-8" else "\\u9774") in done.stderr.decode(encoding)
