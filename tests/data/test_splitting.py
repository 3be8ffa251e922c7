"""Groups stay whole, units are counted, and times are read as they are written."""

import numpy as np
import pandas as pd
import pytest

from omlzoo.data.splitting import deal_folds, draw_share, newest, times_of, with_roles
from omlzoo.errors import BadInput

# Six labels of two rows each; labels 0 and 1 belong together, so there are five groups.
UNITS = np.repeat(np.arange(6), 2)
GROUPS = np.array([0, 0, 0, 0, 2, 2, 3, 3, 4, 4, 5, 5])


@pytest.mark.parametrize("seed", range(20))
def test_a_share_of_the_units_is_held_out_and_groups_stay_whole(seed: int) -> None:
    held = draw_share(GROUPS, UNITS, 0.5, seed)
    for group in set(GROUPS.tolist()):
        assert len(set(held[group == GROUPS].tolist())) == 1
    assert len(set(UNITS[held].tolist())) == 3, "half of six, whether the pair is among them or not"
    assert np.array_equal(held, draw_share(GROUPS, UNITS, 0.5, seed))


def test_something_is_held_out_and_something_trains() -> None:
    groups = np.array([0, 0, 1, 1, 1])
    units = np.array([0, 1, 2, 3, 4])
    assert draw_share(groups, units, 0.1, 0).tolist() == [True, True, False, False, False], "the smaller of two"
    held = draw_share(np.array([0, 1]), np.array([0, 1]), 0.9, 0)
    assert held.sum() == 1
    with pytest.raises(BadInput, match="all rows belong together"):
        draw_share(np.zeros(4, int), np.arange(4), 0.5, 0)


def test_folds_have_equally_many_units() -> None:
    fold = deal_folds(GROUPS, UNITS, 3, seed=1)
    for group in set(GROUPS.tolist()):
        assert len(set(fold[group == GROUPS].tolist())) == 1
    assert [len(set(UNITS[fold == each].tolist())) for each in range(3)] == [2, 2, 2]
    with pytest.raises(BadInput, match="folds is 6; it must be from 2 to 5"):
        deal_folds(GROUPS, UNITS, 6, 0)


def test_the_latest_rows_are_held_out_with_what_belongs_to_them() -> None:
    times = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    held, since = newest(np.arange(5), times, 0.4)
    assert (held.tolist(), since) == ([False, False, False, True, True], 4.0)
    held, since = newest(np.array([0, 1, 2, 3, 0]), times, 0.4)
    assert held.tolist() == [True, False, False, True, True], "row 0 is of the group of row 4"
    held, since = newest(np.arange(5), np.array([1.0, 2.0, 2.0, 2.0, 2.0]), 0.2)
    assert held.tolist() == [False, True, True, True, True], "rows of one time are on one side"
    assert newest(np.arange(5), times, 0.2, since=2.5)[0].tolist() == [False, False, True, True, True]
    with pytest.raises(BadInput, match="no row is as late as that"):
        newest(np.arange(5), times, 0.2, since=9)
    with pytest.raises(BadInput, match="no row is left to train"):
        newest(np.arange(5), times, 0.2, since=0)


def test_times_are_dates_or_numbers() -> None:
    days, dated = times_of(pd.Series(["1970-01-02", "1970-01-01T00:00:30Z", "1970-01-01T01:00:00+01:00"]), "taken")
    assert (days.tolist(), dated) == ([86400.0, 30.0, 0.0], True)
    assert times_of(pd.Series(pd.to_datetime(["1970-01-01", "1970-01-03"])), "taken")[0].tolist() == [0.0, 172800.0]
    years, dated = times_of(pd.Series(["2019", "2021"]), "year")
    assert (years.tolist(), dated) == ([2019.0, 2021.0], False)
    with pytest.raises(BadInput, match="taken is 'soon' in row 1; write dates such as 2024-05-01, or numbers"):
        times_of(pd.Series(["2024-05-01", "soon"]), "taken")
    with pytest.raises(BadInput, match="taken is empty in 2 rows, the first number 1"):
        times_of(pd.Series(["2024-05-01", "", None]), "taken")


def test_roles_stand_behind_the_label() -> None:
    frame = pd.DataFrame({"path": ["a", "b"], "label": [1, 2], "is_query": ["x", "y"], "style": ["p", "q"]})
    made = with_roles(frame, np.array([True, False]))
    assert list(made.columns) == ["path", "label", "split", "is_query", "is_gallery", "style"]
    assert made.iloc[0].tolist() == ["a", 1, "validation", "true", "true", "p"]
    assert made.iloc[1].tolist() == ["b", 2, "train", "", "", "q"]
