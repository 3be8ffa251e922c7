"""The rows that a user means."""

import numpy as np
import pandas as pd
import pytest

from omlzoo.data.filters import matching
from omlzoo.errors import BadInput, UnknownName

FRAME = pd.DataFrame({"path": ["a", "b", "c"], "label": [7, 8, 7], "category": ["boot", "shoe", "shoe"]})


@pytest.mark.parametrize(
    ("where", "wanted"),
    [
        ({"category": "shoe"}, [1, 2]), ({"label": 7}, [0, 2]), ({"label": "7", "category": "shoe"}, [2]),
        ({"category": ["boot", "hat"]}, [0]), ({"category": "hat"}, []), ({}, [0, 1, 2]), ([2, 0], [0, 2]), ([], []),
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
