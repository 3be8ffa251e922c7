"""A fault reads as a sentence; the rules themselves are tested through tables in test_table.py."""

from pathlib import Path

import pandas as pd
import pytest

from omlzoo.data.faults import Fault
from omlzoo.data.table_rules import Lint


def test_a_fault_says_where_what_and_how() -> None:
    assert (
        str(Fault(3, "split", "val", "must be train or validation"))
        == "row 3, column split: 'val': must be train or validation"
    )
    assert str(Fault(None, "label", "", "the column is missing")) == "column label: '': the column is missing"


def test_rows_are_counted_from_the_first_row_of_the_form() -> None:
    text = pd.DataFrame({"path": ["", "x"]})
    assert [fault.row for fault in Lint(text, Path("/nowhere"), "t", 2).faults("embed")] == [2, 3]
    assert [fault.row for fault in Lint(text, Path("/nowhere"), "t", 0).faults("embed")] == [0, 1]


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("split", "val", "must be train or validation; write validation"), ("split", " Test", "write validation"),
        ("split", "training", "write train"), ("split", "held out", "must be train or validation"),
        ("is_query", "Yes", "must be true or false, 1 or 0; write true"), ("is_query", "no", "write false"),
    ],
)  # fmt: skip
def test_a_word_for_an_allowed_value_is_answered_with_it(column: str, value: str, said: str, tmp_path: Path) -> None:
    row = {"path": "a", "label": "1", "split": "validation", "is_query": "true", "is_gallery": "true", column: value}
    (tmp_path / "a").touch()
    found = [
        fault for fault in Lint(pd.DataFrame([row] * 2), tmp_path, "t", 2).faults("check") if fault.column == column
    ]
    assert [fault.remedy.endswith(said) for fault in found] == [True, True]
