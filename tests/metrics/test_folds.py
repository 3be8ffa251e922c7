"""Parts keep pictures and bursts whole, spread labels and are equally large."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from omlzoo.metrics._folds import deal, join_groups

ROWS = st.lists(st.tuples(st.integers(0, 4), st.integers(-1, 4)), min_size=1, max_size=12)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), min_size=1, max_size=30), st.integers(1, 5))
def test_groups_stay_whole_and_parts_differ_by_one(rows: list[tuple[int, int]], parts: int) -> None:
    codes, groups = np.array(rows).T
    found = deal(codes, groups, parts, seed=0)
    part_of = {group: set(found[groups == group].tolist()) for group in groups.tolist()}
    assert all(len(parts_) == 1 for parts_ in part_of.values())
    sizes = [sum(parts_ == {each} for parts_ in part_of.values()) for each in range(parts)]
    assert max(sizes) - min(sizes) <= 1
    np.testing.assert_array_equal(found, deal(codes, groups, parts, seed=0))


def test_a_label_with_two_pictures_is_in_two_parts() -> None:
    codes = np.repeat(np.arange(6), [2, 3, 5, 7, 2, 4])
    for seed in range(20):
        found = deal(codes, np.arange(len(codes)), 5, seed)
        assert all(len(set(found[codes == label])) == min(5, (codes == label).sum()) for label in range(6))
    assert len({deal(codes, np.arange(len(codes)), 5, seed).tobytes() for seed in range(20)}) == 20


@settings(deadline=None, max_examples=40)
@given(ROWS)
def test_joined_groups_are_what_can_be_reached(rows: list[tuple[int, int]]) -> None:
    groups, others = np.unique([a for a, _ in rows], return_inverse=True)[1], np.array([b for _, b in rows])
    found = join_groups(groups, others)
    for start in range(len(rows)):
        reached, before = {start}, set()
        while reached != before:
            before = set(reached)
            reached |= {
                row
                for row in range(len(rows))
                for known in before
                if groups[row] == groups[known] or others[row] == others[known] >= 0
            }
        assert set(np.flatnonzero(found == found[start]).tolist()) == reached
