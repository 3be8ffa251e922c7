"""What is kept of a column selects the rows that looking through it selects."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from omlzoo.data.column_codes import ColumnCodes
from omlzoo.data.column_values import rows_with
from omlzoo.data.filters import select
from omlzoo.errors import BadInput

COLUMNS: dict[str, Any] = {
    "int": np.array([7, 8, 7, 1, 0, 8]), "some": pd.array([7, None, 8, 1, None, 0], dtype="Int64"),
    "float": [0.5, np.nan, 7.0, -0.0, 0.0, 1.0], "bool": [True, False, True, True, False, True],
    "truth": pd.array([True, None, False, True, None, True], dtype="boolean"),
    "text": pd.Series(["a", "", None, "b", "a", "A"], dtype="str"),
    "truths": pd.Series(["TRUE", "no", "1", "false", "0", "True"], dtype="str"),
    "dates": pd.Series(["2024-01-02", "2024-01-02T10:00", "2024-01-03", "", "2024-01-02", None], dtype="str"),
    "moment": pd.to_datetime(pd.Series(["2024-01-02", "2024-01-02 10:00", None, "2024-01-03", "2024-01-02", None], dtype="object"), format="ISO8601"),
    "kind": pd.Categorical(["x", None, "y", "x", "1", "1"]), "mixed": pd.Series([1, True, "1", None, 1.0, "x"], dtype="object"),
}  # fmt: skip
VALUES = [7, "7", 7.0, True, "true", "1", 1, 0, None, "", np.nan, "a", "A", "x", "2024-01-02", "2024-01-02T10:00", pd.Timestamp("2024-01-03"),
          np.int64(8), 10**30, "nothing"]  # fmt: skip
AMONG = np.array([True, True, False, True, False, True])


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("is_id", [False, True])
def test_as_looking_through_the_column(name: str, is_id: bool) -> None:
    frame = pd.DataFrame({name: COLUMNS[name]})
    codes = ColumnCodes(frame, AMONG)
    every = [[value] for value in VALUES] + [VALUES[:4], VALUES, [], VALUES * 5]  # alone, a few and many
    for values in every + every:  # the second time they are remembered
        wanted, found = rows_with(frame[name], values, AMONG, is_id), codes.rows_with(name, values, is_id)
        assert found.rows.tolist() == wanted.rows.tolist(), values
        assert found.present.tolist() == wanted.present.tolist(), values


@pytest.mark.parametrize("share", [0.01, 0.3, 0.9])
def test_many_values_few_and_most_of_them(share: float) -> None:
    random = np.random.default_rng(0)
    frame = pd.DataFrame({"n": random.integers(0, 300, 2000)})
    codes = ColumnCodes(frame, np.ones(2000, dtype=bool))
    for count in (1, int(300 * share) + 1):
        wanted = random.choice(300, count, replace=False)
        assert codes.rows_with("n", wanted.tolist(), False).rows.tolist() == np.isin(frame["n"], wanted).tolist()


def test_other_rows_and_a_changed_column_are_seen() -> None:
    frame = pd.DataFrame({"n": [1, 1, 2], "error": ["", "", ""]})
    codes = ColumnCodes(frame, np.ones(3, dtype=bool))
    assert codes.rows_with("n", [2], False).present.tolist() == [True]
    assert codes.rows_with("error", ["gone"], False).rows.tolist() == [False, False, False]
    changed = frame.assign(error=["", "", "gone"])
    later = codes.over(changed, np.array([True, True, False]), "error")
    assert later.rows_with("n", [2], False).present.tolist() == [False]
    assert later.rows_with("error", ["gone"], False).rows.tolist() == [False, False, True]
    assert select(changed, {"n": 2}, later.among, later).notices == select(changed, {"n": 2}, later.among).notices


def test_a_time_zone_that_the_column_lacks_is_refused() -> None:
    frame = pd.DataFrame({"moment": COLUMNS["moment"]})
    with pytest.raises(BadInput, match="moment has no time zone"):
        ColumnCodes(frame, AMONG).rows_with("moment", ["2024-01-02T10:00Z"], False)
