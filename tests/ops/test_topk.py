"""The largest numbers of each row are those that sorting finds."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from omlzoo.ops.topk import largest


@given(st.integers(1, 6), st.integers(1, 700), st.integers(1, 12), st.integers(1, 50), st.integers(0, 10_000))
@settings(max_examples=150, deadline=None)
def test_they_are_what_sorting_finds(rows: int, width: int, count: int, kinds: int, seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    whole = torch.randint(-kinds, kinds, (rows, width), generator=draw, dtype=torch.int32)  # many are equal
    for values in (whole, whole.float().masked_fill(whole == -kinds, -torch.inf)):
        found, places = largest(values, min(count, width))
        for row, numbers in enumerate(values.tolist()):
            assert sorted(found[row].tolist(), reverse=True) == sorted(numbers, reverse=True)[: min(count, width)]
            assert [numbers[place] for place in places[row].tolist()] == found[row].tolist()
            assert len(set(places[row].tolist())) == min(count, width), "no place twice"


@pytest.mark.parametrize("width", [160, 161, 175, 4001])
def test_a_last_incomplete_group_is_looked_at(width: int) -> None:
    values = torch.zeros(1, width)
    values[0, -1] = 1
    assert largest(values, 2)[1][0].tolist().count(width - 1) == 1
