"""Columns of every kind are compared with what a value means there."""

import datetime as dt
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from omlzoo.data.column_values import kind_of, rows_with
from omlzoo.errors import BadInput

TIMES = ["2024-01-02", "2024-01-03", "2024-01-02T10:00:00", None]
COLUMNS = {
    "truth": pd.Series([True, False, True]), "gaps": pd.array([True, None, False], dtype="boolean"), "objects": pd.Series([True, None, False], dtype=object),
    "zero_one": pd.Series([1, 0, 1]), "words": pd.Series(["TRUE", "", "1", "false"], dtype="str"), "mixed_words": pd.Series(["true", "boot"], dtype="str"),
    "whole": pd.Series([1, 2**53 + 1, 2**53]), "Int": pd.array([1, None, 3], dtype="Int64"), "bytes": pd.Series([255, 1], dtype="uint8"),
    "fraction": pd.Series([1.0, 2.5, np.nan, 2.0**53]), "single": pd.Series([0.1, 2.0], dtype="float32"), "Float": pd.array([0.5, None], dtype="Float64"),
    "decimal": pd.Series([Decimal("1.50"), None, Decimal("2"), Decimal("0.1")]), "huge": pd.Series([10**30, 10**30 + 1]),
    "text": pd.Series(["1", "1.0", "a ", "a", None, ""], dtype="str"), "kinds": pd.Categorical(["a", "b", None, "a"]),
    "times": pd.to_datetime(pd.Series(TIMES), format="ISO8601"), "zoned": pd.to_datetime(pd.Series(TIMES), format="ISO8601").dt.tz_localize("Europe/Berlin"),
    "written": pd.Series([*TIMES, "2024-01-02 11:00:00+01:00"], dtype="str"), "dates": pd.Series([dt.date(2024, 1, 2), None, dt.date(2024, 1, 3)]),
    "mixed": pd.Series([1, "b", True, None, dt.date(2024, 1, 2), 2.5], dtype=object),
}  # fmt: skip
NINE = dt.timezone(dt.timedelta(hours=9))


@pytest.mark.parametrize(("name", "values", "wanted"), [
    *[("truth", [value], [0, 2]) for value in (True, "true", "TRUE", 1, "1", 1.0, np.True_)],
    ("truth", [True, "false"], [0, 1, 2]), ("gaps", ["False"], [2]), ("gaps", [None], [1]), ("objects", ["true"], [0]), ("objects", [0], [2]),
    ("zero_one", ["true"], [0, 2]), ("zero_one", [False], [1]), ("whole", [True], []), ("words", [True], [0, 2]), ("words", ["true"], [0, 2]), ("words", [0], [3]),
    ("words", [None], [1]), ("mixed_words", [True], []), ("mixed_words", ["true"], [0]),
    ("whole", ["1.0"], [0]), ("whole", [2**53], [2]), ("whole", [float(2**53)], [2]), ("whole", [1.5], []), ("whole", [2**70], []), ("whole", ["1e0"], [0]),
    ("Int", ["1.0"], [0]), ("Int", [3.0, None], [1, 2]), ("bytes", [256], []), ("bytes", [-1], []), ("bytes", ["255"], [0]),
    ("fraction", [1], [0]), ("fraction", ["2.50"], [1]), ("fraction", [None], [2]), ("fraction", [2**53 + 1], []), ("fraction", [2**53], [3]), ("fraction", [10**400], []),
    ("single", [0.1], [0]), ("single", ["0.1"], [0]), ("single", [np.float32(0.1)], [0]), ("Float", ["0.5"], [0]),
    ("decimal", [1.5], [0]), ("decimal", ["1.5"], [0]), ("decimal", [Decimal("2.0")], [2]), ("decimal", ["0.1"], [3]), ("huge", [10**30 + 1], [1]), ("huge", [str(10**30)], [0]),
    ("text", ["1"], [0]), ("text", [1], [0]), ("text", [1.0], [0]), ("text", ["1.0"], [1]), ("text", ["a"], [3]), ("text", ["a "], [2]), ("text", [None], [4, 5]),
    ("text", [""], [4, 5]), ("text", ["\ud800"], []), ("text", ["1", "a", "zz"], [0, 3]), ("kinds", ["a"], [0, 3]), ("kinds", [None], [2]), ("kinds", ["z", "b"], [1]),
    *[("times", [value], [0, 2]) for value in (dt.date(2024, 1, 2), "2024-01-02", np.datetime64("2024-01-02"))],
    *[("times", [value], [0]) for value in (dt.datetime(2024, 1, 2), pd.Timestamp("2024-01-02"), "2024-01-02 00:00")],
    ("times", ["2024-01-02T10:00", dt.date(2024, 1, 3)], [1, 2]), ("times", [None], [3]), ("times", ["2024-01-04", "soon", 5], []),
    ("zoned", [dt.date(2024, 1, 2)], [0, 2]), ("zoned", [dt.datetime(2024, 1, 2, 10)], [2]), ("zoned", ["2024-01-02T09:00:00Z"], [2]),
    ("zoned", [dt.datetime(2024, 1, 2, 18, tzinfo=NINE)], [2]), ("zoned", ["2024-01-02T10:00:00Z"], []),
    ("written", [dt.date(2024, 1, 2)], [0, 2, 4]), ("written", ["2024-01-02 10:00"], [2]), ("written", [dt.datetime(2024, 1, 2, 11)], [4]),
    ("written", ["2024-01-02T10:00:00Z"], [4]), ("dates", [dt.date(2024, 1, 2)], [0]), ("dates", ["2024-01-03"], [2]), ("dates", [dt.datetime(2024, 1, 2)], [0]),
    ("mixed", ["b"], [1]), ("mixed", [2.5], [5]), ("mixed", ["2024-01-02"], [4]), ("mixed", [None], [3]), ("mixed", ["true"], [2]),
])  # fmt: skip
def test_compared_as_the_kind_that_the_column_is(name: str, values: list[Any], wanted: list[int]) -> None:
    column = pd.Series(COLUMNS[name], name="x")
    found = rows_with(column, values, np.ones(len(column), bool))
    assert np.flatnonzero(found.rows).tolist() == wanted
    none = rows_with(column, values, np.zeros(len(column), bool))
    assert np.array_equal(none.rows, found.rows)
    assert not none.present.any()
    alone = [bool(rows_with(column, [value], np.ones(len(column), bool)).rows.any()) for value in values]
    assert found.present.tolist() == alone


def test_names_are_exact() -> None:
    column = pd.Series(["True", "1", "2024-01-02"], name="label", dtype="str")
    for value, rows in (("true", []), ("1", [1]), ("1.0", []), ("2024-01-02T00:00", []), (dt.date(2024, 1, 2), [2])):
        assert np.flatnonzero(rows_with(column, [value], np.ones(3, bool), is_id=True).rows).tolist() == rows


def test_a_time_zone_where_the_column_has_none_is_refused() -> None:
    times = COLUMNS["times"].rename("day")  # type: ignore[union-attr]
    with pytest.raises(BadInput, match="where: day has no time zone and 2024-01-02 00:00:00\\+00:00 has one"):
        rows_with(times, ["2024-01-02T00:00Z"], np.ones(4, bool))


def test_kinds() -> None:
    kinds = [kind_of(pd.Series(COLUMNS[name])) for name in ("objects", "decimal", "dates", "kinds", "mixed", "text")]
    assert kinds == ["truth", "number", "moment", "category", "mixed", "text"]
