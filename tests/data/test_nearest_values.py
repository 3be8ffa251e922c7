"""A value that no row has is said with the nearest."""

import datetime as dt
from typing import Any

import pandas as pd
import pytest

from omlzoo.data.nearest_values import said_of_absent

PRICE = pd.Series([3.0, 2.0, None, 7.5], name="price")
KIND = pd.Series(["boot", "Sandal", "shoe", "hat", None, "boots"], name="kind", dtype="str")
DAY = pd.Series(pd.to_datetime(["2024-01-02", "2024-03-01 10:00", None], format="ISO8601"), name="day")


@pytest.mark.parametrize(("column", "value", "said"), [
    (PRICE, 2.5, "price 2.5; the nearest are 2 and 3"), (PRICE, "2.5", "price '2.5'; the nearest are 2 and 3"), (PRICE, 9, "price 9; the nearest is 7.5"),
    (PRICE, -1, "price -1; the nearest is 2"), (PRICE, "dear", "price 'dear', which is no number; it has 2 to 7.5"),
    (KIND, "bot", "kind 'bot'; the nearest are 'boot' and 'boots'"), (KIND, "sandal", "kind 'sandal'; the nearest is 'Sandal'"),
    (KIND, "zzz", "kind 'zzz'; it has 'Sandal', 'boot', 'boots' and 2 more"), (KIND, "x" * 300, f"kind '{'x' * 40}...'; it has 'Sandal', 'boot', 'boots' and 2 more"),
    (DAY, dt.date(2024, 2, 1), "day 2024-02-01; the nearest are 2024-01-02 and 2024-03-01 10:00:00"), (DAY, "soon", "day 'soon', which is no date; it has 2024-01-02 to 2024-03-01 10:00:00"),
    (DAY.dt.tz_localize("Europe/Berlin"), "2025-01-01", "day '2025-01-01'; the nearest is 2024-03-01 10:00:00+01:00"),
    (pd.Series([True, True], name="q"), "yes", "q 'yes'; it has True"), (pd.Series([None, None], name="n", dtype="str"), "a", "n 'a', whose values are all empty"),
    (PRICE.dropna(), None, "price without a value"), (pd.Series(pd.Categorical(["a", "b"]), name="c"), "z", "c 'z'; it has 'a', 'b'"),
])  # fmt: skip
def test_the_nearest_is_said(column: pd.Series, value: Any, said: str) -> None:
    assert said_of_absent(column, [value]) == [f"no row has {said}"]


def test_of_many_values_the_first_are_said_and_many_texts_take_no_time() -> None:
    said = said_of_absent(KIND, [f"no {number}" for number in range(2000)])
    assert len(said) == 4
    assert said[-1] == "nor has any row 1,997 more of the values of kind"
    many = pd.Series([f"item {number}" for number in range(50_000)], name="path", dtype="str")
    assert said_of_absent(many, ["itam 777"])[0].startswith("no row has path 'itam 777'; the nearest are 'item ")
