"""A fault reads as a sentence; the rules themselves are tested through tables in test_table.py."""

from pathlib import Path

import pandas as pd

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
