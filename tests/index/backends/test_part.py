"""Rows that are searched exactly: a view where most of a range are there, a copy elsewhere, prepared once."""

import numpy as np
import pytest

from omlzoo.index.backends._part import Part

VECTORS = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)


@pytest.mark.parametrize(
    ("rows", "is_view"), [(range(60), True), (range(10, 50), True), ([0, 1, 2, 3, 5], True), (range(0, 60, 3), False)]
)
def test_a_range_with_few_holes_is_a_view(rows: range | list[int], is_view: bool) -> None:
    part = Part(VECTORS, np.array(rows), "euclidean")
    assert np.shares_memory(part.vectors, VECTORS) == is_view
    assert part.rows.tolist() == list(rows)
    assert part.left == len(rows)
    found = part.nearest(VECTORS, 1, None, None)[1][:, 0]
    for row, query in enumerate(VECTORS):
        assert found[row] == min(rows, key=lambda other: float(np.linalg.norm(VECTORS[other] - query)))


@pytest.mark.parametrize("broken", [np.nan, np.inf, 1e20])
def test_holes_that_would_spoil_products_are_left_out_of_a_copy(broken: float) -> None:
    vectors = VECTORS.copy()
    vectors[7] = broken
    part = Part(vectors, np.array([row for row in range(60) if row != 7]), "euclidean")
    assert not np.shares_memory(part.vectors, vectors)
    assert (part.nearest(VECTORS[:5], 60, None, None)[1] != 7).all()


def test_what_was_prepared_serves_those_that_are_left_and_the_first_stays_as_it_was() -> None:
    part = Part(VECTORS, np.arange(60), "cosine")
    queries = VECTORS[:4]
    before = part.nearest(queries, 60, None, None)[1]
    less = part.without(np.array([3, 99])).without(np.array([8]))
    assert less._search is not None
    assert less._search.gallery is part._search.gallery  # type: ignore[union-attr]
    wanted = [[row for row in hits if row not in (3, 8)] for hits in before.tolist()]
    assert [hits[:58] for hits in less.nearest(queries, 60, None, None)[1].tolist()] == wanted
    assert np.array_equal(part.nearest(queries, 60, None, None)[1], before)
    assert less.left == 58
    asked = Part(VECTORS, np.arange(60), "cosine", asked=7.0)
    assert asked.readings == 7
