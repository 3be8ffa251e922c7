"""The rows that a user means."""

import numpy as np
import pandas as pd
import pytest

from omlzoo.data.filters import matching, select
from omlzoo.errors import BadInput, OmlzooWarning, UnknownName

FRAME = pd.DataFrame({"path": ["a", "b", "c"], "label": [7, 8, 7], "category": ["boot", "shoe", "shoe"]})


@pytest.mark.parametrize(
    ("where", "wanted"),
    [
        ({"category": "shoe"}, [1, 2]), ({"label": 7}, [0, 2]), ({"label": "7", "category": "shoe"}, [2]),
        ({"category": ["boot"]}, [0]), ({"category": []}, []), ({}, [0, 1, 2]), ([2, 0], [0, 2]), ([], []),
        ([True, False, False], [0]), (np.array([False, True, True]), [1, 2]),
    ],
)  # fmt: skip
def test_by_columns_mask_or_numbers(where: object, wanted: list[int]) -> None:
    assert np.flatnonzero(matching(FRAME, where)).tolist() == wanted  # type: ignore[arg-type]


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(UnknownName, match="the table has no 'categroy'; did you mean category"):
        matching(FRAME, {"categroy": "boot"})
    with pytest.raises(BadInput, match=r"the mask of rows has the shape \(2,\); it must be \(3,\)"):
        matching(FRAME, [True, False])
    for wrong in ([3], [-1], [0.5]):
        with pytest.raises(BadInput, match="integers from 0 to 2"):
            matching(FRAME, wrong)
    with pytest.raises(UnknownName, match="the table has no '5'"):
        matching(FRAME, {5: 1})  # type: ignore[dict-item]


def test_a_value_that_no_row_has_is_said() -> None:
    with pytest.warns(OmlzooWarning, match="no row has category 'boots'; the nearest is 'boot'"):
        assert matching(FRAME, {"category": ["boots", "shoe"]}).tolist() == [False, True, True]
    only = np.array([False, True, True])
    found = select(FRAME, {"category": "boot", "label": 7}, only)  # of rows that may be found
    assert not found.rows.any()
    assert found.notices == ("no row has category 'boot'; it has 'shoe'",)
    together = select(FRAME, {"category": "boot", "label": 8})
    assert together.notices == ("no row has what is asked of category, label together",)
    assert select(FRAME, [0, 1], only).rows.tolist() == [False, True, False]
    assert select(FRAME, np.array([True, True, False]), only).rows.tolist() == [False, True, False]


@pytest.mark.parametrize(("where", "kind"), [("label == 7", "a text"), (lambda row: True, "a function")])
def test_an_expression_and_a_function_are_answered_with_what_is_taken(where: object, kind: str) -> None:
    with pytest.raises(BadInput, match=f"where is {kind}; give {{'column': value}}, or a mask"):
        select(FRAME, where)  # type: ignore[arg-type]
