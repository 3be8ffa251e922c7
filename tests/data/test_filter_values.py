"""What a value of a filter stands for."""

import datetime as dt
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from omlzoo.data.filter_values import as_day, as_moment, as_number, as_text, as_truth, is_missing, values_of
from omlzoo.errors import BadInput


@pytest.mark.parametrize(("value", "meant"), [
    (1, 1), ("1", 1), (" 01 ", 1), ("+1.0", 1), ("1e2", 100), (1.5, 1.5), ("-.5", Decimal("-0.5")), (np.float32(0.1), 0.1), (np.int8(3), 3),
    (2**70, 2**70), (Decimal("2.0"), 2), (True, None), (np.True_, None), ("1_000", None), ("a", None), ("nan", None), ("inf", None), (None, None),
    ("1e1000000000", None), ("9" * 500, None), (b"1", None), (Decimal("NaN"), None),
])  # fmt: skip
def test_numbers(value: Any, meant: Any) -> None:
    found = as_number(value)
    assert found == meant
    assert type(found) is type(meant)


@pytest.mark.parametrize(
    "value", [True, np.True_, "true", "TRUE", " True ", 1, 1.0, "1", "1.0", np.int64(1), np.float32(1)]
)
def test_truth_values_are_spelled_as_in_a_table(value: Any) -> None:
    assert as_truth(value) is True


def test_what_is_no_truth_value() -> None:
    assert [as_truth(value) for value in (False, "FALSE", 0, "0.0")] == [False] * 4
    assert [as_truth(value) for value in ("yes", 2, None, "", -1)] == [None] * 5


DAY, MOMENT = pd.Timestamp("2024-01-02"), pd.Timestamp("2024-01-02 10:30")


@pytest.mark.parametrize("value", [dt.date(2024, 1, 2), "2024-01-02", np.datetime64("2024-01-02")])
def test_days(value: Any) -> None:
    assert (as_day(value), as_moment(value)) == (DAY, None)


@pytest.mark.parametrize("value", [
    dt.datetime(2024, 1, 2, 10, 30), MOMENT, "2024-01-02 10:30", "2024-01-02T10:30:00.000", np.datetime64("2024-01-02T10:30"),
])  # fmt: skip
def test_moments(value: Any) -> None:
    assert (as_day(value), as_moment(value)) == (None, MOMENT)


def test_what_is_no_time_and_what_has_a_zone() -> None:
    for value in ("2024-02-30", "2024", "2024-1-2", 20240102, None, "2024-01-02 25:00"):
        assert (as_day(value), as_moment(value)) == (None, None)
    assert as_moment("2024-01-02T12:30+02:00") == pd.Timestamp("2024-01-02 10:30", tz="UTC")


def test_missing_and_text() -> None:
    assert all(is_missing(value) for value in (None, float("nan"), pd.NA, pd.NaT, "", np.datetime64("NaT")))
    assert not any(is_missing(value) for value in (0, False, " ", "nan", []))
    assert [as_text(value) for value in (1.0, np.float32(2), 1.5, "1.0", True)] == ["1", "2", "1.5", "1.0", "True"]


@pytest.mark.parametrize(("required", "values"), [
    ("a", ["a"]), (1, [1]), (None, [None]), (pd.NA, [pd.NA]), (["a", None], ["a", None]), (("a",), ["a"]), ({"a"}, ["a"]), (np.array([1, 2]), [1, 2]),
    (range(2), [0, 1]), (pd.Series(["a"], index=[7]), ["a"]), (np.array(5), [5]), (torch.tensor(3), [3]), (torch.tensor([3, 4]), [3, 4]),
    (dt.date(2024, 1, 2), [dt.date(2024, 1, 2)]), (Path("a/b.png"), ["a/b.png"]), ([], []), ((x for x in "ab"), ["a", "b"]),
], ids=range(17))  # fmt: skip
def test_one_value_or_several(required: Any, values: list[Any]) -> None:
    assert values_of("n", required) == values


@pytest.mark.parametrize("wrong", [{"a": 1}, [[1]], slice(1, 2), len, [{"a": 1}]])
def test_what_is_no_value_is_refused(wrong: Any) -> None:
    with pytest.raises(BadInput, match=r"^where: n is .*; give a value, such as a text, a number or a date, or a list"):
        values_of("n", wrong)
