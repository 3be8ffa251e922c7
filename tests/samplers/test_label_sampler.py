"""Rows by label, drawn in rounds."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omlzoo.samplers._label_sampler import LabelGroups, rounds, sorting


@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 30), st.integers(0, 99))
@settings(max_examples=100, deadline=None)
def test_rounds_give_distinct_numbers_and_each_alike(count: int, size: int, batches: int, seed: int) -> None:
    size = min(size, count)
    groups = [row for block in rounds(np.random.default_rng(seed), count, size, batches) for row in block]
    assert len(groups) == batches
    assert all(len(set(group.tolist())) == size for group in groups)
    uses = Counter(number for group in groups for number in group.tolist())
    if uses:
        assert max(uses.values()) - min(uses.get(number, 0) for number in range(count)) <= 1


@given(st.lists(st.integers(0, 4), min_size=1, max_size=30), st.integers(0, 99))
@settings(max_examples=50, deadline=None)
def test_a_label_gives_its_rows_in_turn(labels: list[int], seed: int) -> None:
    rows = LabelGroups(labels, 1)
    draw = rows.shuffled(np.random.default_rng(seed))
    code = 0
    size = int(rows.sizes[code])
    drawn = [draw(np.array([code]))[0] for _ in range(2 * size)]
    assert (
        sorted(drawn[:size])
        == sorted(drawn[size:])
        == [i for i, label in enumerate(labels) if label == rows.names[code]]
    )


def test_labels_of_each_category() -> None:
    rows = LabelGroups(["b", "a", "b", "c"], 1)
    named = [[rows.names[code] for code in codes] for codes in rows.by_category(["x", "y", "x", "x"])]
    assert sorted(map(sorted, named)) == [["a"], ["b", "c"]]


@given(st.lists(st.integers(0, 4), min_size=5, max_size=30), st.integers(1, 4), st.integers(0, 99))
@settings(max_examples=50, deadline=None)
def test_many_batches_at_once_are_those_drawn_one_by_one(labels: list[int], n_instances: int, seed: int) -> None:
    rows = LabelGroups(labels, n_instances)
    chosen = np.stack([np.random.default_rng(i).permutation(len(rows.sizes))[:2] for i in range(6)])
    one, many = (rows.shuffled(np.random.default_rng(seed)) for _ in range(2))
    assert many.batches(chosen[:4]) + many.batches(chosen[4:]) == [one(batch) for batch in chosen]


@given(st.lists(st.integers(0, 9), max_size=60), st.integers(0, 99))
@settings(max_examples=100, deadline=None)
def test_sorting_is_stable_or_at_random(codes: list[int], seed: int) -> None:
    values = np.array(codes, dtype=np.int64)
    assert sorting(values).tolist() == sorted(range(len(codes)), key=lambda place: codes[place])
    mixed = sorting(values, np.random.default_rng(seed))
    assert sorted(mixed.tolist()) == list(range(len(codes)))
    assert values[mixed].tolist() == sorted(codes)


@pytest.mark.parametrize("largest", [2, 2**45])  # the second leaves no bits for random numbers beside the places
def test_every_order_of_equal_codes_comes(largest: int) -> None:
    random = np.random.default_rng(0)
    codes = np.array([0, 0, 0, largest])
    seen = Counter(tuple(sorting(codes, random)[:3].tolist()) for _ in range(600))
    assert len(seen) == 6
    assert min(seen.values()) > 60


def test_labels_of_every_kind_are_coded() -> None:
    for labels in ([5, 0, 5, 7], [500, -1, 500, 7], ["b", "a", "b", "c"], [0.5, 0.1, 0.5, 2]):
        rows = LabelGroups(labels, 1)
        assert [rows.names[code] for code in rows.codes] == labels
        assert rows.sizes.sum() == 4
