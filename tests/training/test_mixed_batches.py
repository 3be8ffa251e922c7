"""Batches of labelled rows and of all rows."""

from hypothesis import given
from hypothesis import strategies as st

from omlzoo.samplers import Balanced
from omlzoo.training.mixed_batches import MixedBatches


@given(st.integers(2, 40), st.integers(2, 50), st.integers(0, 3))
def test_every_row_comes_once_but_for_an_incomplete_last_batch(rows: int, count: int, epoch: int) -> None:
    batches = MixedBatches(rows, count, seed=1)
    batches.set_epoch(epoch)
    seen = list(batches)
    assert len(seen) == len(batches) == rows // min(count, rows)
    drawn = [row for batch in seen for row in batch]
    assert len(drawn) == len(set(drawn)) == len(batches) * min(count, rows)
    assert set(drawn) <= set(range(rows))
    assert list(batches) == seen, "an epoch is the same again"


def test_labelled_rows_come_first_and_begin_again() -> None:
    labels = ["a", "a", "b", "b", "c", "c"]
    places = [10, 11, 12, 13, 14, 15]
    batches = MixedBatches(30, 3, 0, Balanced(labels, 2, 2), places)
    batches.set_epoch(2)
    seen = list(batches)
    assert [len(batch) for batch in seen] == [4 + 3] * 10
    assert all(set(batch[:4]) <= set(places) for batch in seen)
    assert all(len({labels[row - 10] for row in batch[:4]}) == 2 for batch in seen)
    assert sorted(row for batch in seen for row in batch[4:]) == list(range(30))
    batches.set_epoch(3)
    assert list(batches) != seen
