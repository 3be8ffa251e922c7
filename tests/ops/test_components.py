"""Components are those that a walk over the edges finds."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from omlzoo.ops.components import components


@given(st.integers(1, 40), st.integers(0, 60), st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_each_row_has_the_smallest_that_it_reaches(count: int, edges: int, seed: int) -> None:
    left, right = np.random.default_rng(seed).integers(0, count, (2, edges))
    reached = [{row} for row in range(count)]
    for _ in range(count):
        for a, b in zip(left, right, strict=True):
            reached[a] = reached[b] = reached[a] | reached[b]
    assert components(count, left, right).tolist() == [min(rows) for rows in reached]


def test_a_long_chain_is_one() -> None:
    order = np.random.default_rng(0).permutation(5000)
    assert not components(5000, order[:-1], order[1:]).any()
