"""Pairs are found by the place of their query, in any order in which they were listed."""

import numpy as np

from omlzoo.metrics._named_pairs import check_pairs, listed_judgements
from omlzoo.metrics._selection import select


def test_pairs_of_some_queries() -> None:
    selection = select(6, list("abcdef"), [0, 1, 1, 1, 0, 0], [1, 0, 0, 0, 1, 1])
    pairs = check_pairs(selection, [3, 1, 3, 2], [0, 4, 5, 0], [1.0, 2.0, np.nan, 0.0])
    judgements = listed_judgements(selection, *pairs)
    query, row, grade = judgements(0, 2)
    assert (query.tolist(), row.tolist(), grade.tolist()) == ([0, 1], [4, 0], [2.0, 0.0])
    query, row, grade = judgements(2, 3)
    assert (query.tolist(), row.tolist()) == ([0, 0], [0, 5])
    assert np.isnan(grade).tolist() == [False, True]
