"""Faults are a sequence that puts each into words when it is asked for."""

from pathlib import Path

import numpy as np
import pandas as pd

from omlzoo.data.faults import Broken, Fault, Faults, write_faults
from omlzoo.errors import BadTable

TEXT = pd.DataFrame({"path": ["a", "", "c"], "label": ["", "", "3"]}, index=[0, 2, 3], dtype="str")
BROKEN = [
    Broken(("label",), np.array([0, 1]), "is empty"),
    Broken(("path",), np.array([1]), "is missing"),
    Broken(("path", "label"), np.array([2]), "differ", lambda position: f"differ at {position}"),
]


def test_they_come_by_row_and_column_with_those_of_the_whole_table_first() -> None:
    faults = Faults([Fault(None, "split", "train", "no row")], TEXT, 2, BROKEN)
    assert [(fault.row, fault.column, fault.value, fault.remedy) for fault in faults] == [
        (None, "split", "train", "no row"), (2, "label", "", "is empty"), (4, "path", "", "is missing"),
        (4, "label", "", "is empty"), (5, "path, label", "c, 3", "differ at 2"),
    ]  # fmt: skip
    assert len(faults) == 5
    assert faults[-1].row == 5
    assert faults[1:3] == [faults[1], faults[2]]
    assert faults.faulty().tolist() == [True, True, True]
    assert faults == list(faults)
    assert Faults([], TEXT) == []


def test_a_message_has_a_line_for_each_distinct_fault_with_its_rows() -> None:
    text = pd.DataFrame({"split": ["val", "dev", "val", "train", "val", "val", "val", "val"], "path": list("abcdefgh")})
    wrong = Broken(("split",), np.array([0, 1, 2, 4, 5, 6, 7]), "must be train", of_value={"val": "write validation"})
    one = Broken(("path",), np.array([1, 3]), "is bad", lambda position: f"is bad as {position}")
    faults = Faults([Fault(None, "split", "train", "no row")] * 2, text, 2, [wrong, one])
    assert faults.lines() == [
        "column split: 'train': no row",
        "6 rows (2, 4, 6, 7, 8, ...), column split: 'val': write validation",
        "row 3, column split: 'dev': must be train",
        "row 3, column path: 'b': is bad as 1",
        "row 5, column path: 'd': is bad as 3",
    ]
    assert str(BadTable("t", faults)).splitlines() == ["t: 11 faults", *(f"  {line}" for line in faults.lines())]


def test_those_behind_the_first_are_counted_by_rule() -> None:
    faults = Faults([], TEXT, 2, BROKEN)
    assert faults.lines(1) == ["2 rows (2, 4), column label: '': is empty", "and 1 more row, column path: is missing",
                               "and 1 more row, column path, label: differ"]  # fmt: skip
    assert len(faults.lines(3)) == 3


def test_a_long_value_is_cut_in_words_and_whole_in_the_fault() -> None:
    fault = Fault(2, "label", "x" * 10_000, "is long")
    assert str(fault) == f"row 2, column label: '{'x' * 100}' and 9900 more characters: is long"
    assert len(fault.value) == 10_000


def test_a_message_lists_a_thousand_and_the_error_has_all() -> None:
    text = pd.DataFrame({"path": np.char.mod("%d", np.arange(2500))}, dtype="str")
    error = BadTable("t.csv", Faults([], text, 2, [Broken(("path",), np.arange(2500), "is no file")]))
    lines = str(error).splitlines()
    assert lines[0] == "t.csv: 2500 faults"
    assert lines[1000].strip() == "row 1001, column path: '999': is no file"
    assert lines[1001].strip() == "and 1,500 more rows, column path: is no file"
    assert len(lines) == 1002
    assert error.faults[-1] == Fault(2501, "path", "2499", "is no file")


def test_faults_are_written_to_a_csv_that_reads_as_they_are(tmp_path: Path) -> None:
    faults = [Fault(3, "label", 'say "no", twice\nor so', "rule"), Fault(None, "path", "\udcff", "remedy")]
    write_faults(faults, tmp_path / "faults.csv")
    read = pd.read_csv(tmp_path / "faults.csv", dtype=str, keep_default_na=False)
    assert read.to_numpy().tolist() == [
        ["3", "label", 'say "no", twice\nor so', "rule"], ["", "path", "\\xff", "remedy"],
    ]  # fmt: skip
