"""Every batch has exactly the promised composition, and the epoch the promised length."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from omlzoo.errors import BadInput
from omlzoo.samplers import Balanced, CategoryBalanced


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(1, 12), st.integers(1, 5), st.integers(0, 99))
@settings(max_examples=80, deadline=None)
def test_balanced_batches(sizes: list[int], n_labels: int, n_instances: int, seed: int) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    n_labels = min(n_labels, len(sizes))
    sampler = Balanced(labels, n_labels, n_instances, seed)
    batches = list(sampler)
    assert len(batches) == len(sampler) == -(-len(labels) // (n_labels * n_instances))
    uses: Counter[int] = Counter()
    for batch in batches:
        counts = Counter(labels[batch].tolist())
        assert len(counts) == n_labels
        assert set(counts.values()) == {n_instances}
        uses.update(counts.keys())
        for label in counts:
            rows = [row for row in batch if labels[row] == label]
            assert len(set(rows)) == min(n_instances, sizes[label]), "rows repeat only where there are too few"
    drawn = len(batches) * n_labels
    if drawn >= len(sizes):
        assert set(uses) == set(range(len(sizes))), "every label is drawn"
        assert max(uses.values()) - min(uses.values()) <= 1, "and as often as any other, give or take one"
    assert sampler.repeating == sum(size < n_instances for size in sizes)


@given(st.integers(2, 6), st.integers(1, 4), st.integers(1, 3), st.integers(0, 99))
@settings(max_examples=50, deadline=None)
def test_category_balanced_batches(n_categories: int, n_labels: int, n_instances: int, seed: int) -> None:
    labels = np.repeat(np.arange(8 * 5), 4)  # 8 categories of 5 labels of 4 rows
    categories = labels // 5
    sampler = CategoryBalanced(labels, categories, n_categories, n_labels, n_instances, seed)
    batches = list(sampler)
    assert len(batches) == len(sampler) == -(-len(labels) // (n_categories * n_labels * n_instances))
    for batch in batches:
        per_label = Counter(labels[batch].tolist())
        per_category = Counter(label // 5 for label in per_label)
        assert set(per_label.values()) == {n_instances}
        assert len(per_category) == n_categories
        assert set(per_category.values()) == {n_labels}
        assert len(set(batch)) == len(batch)


def test_short_categories_are_counted_and_filled_up() -> None:
    labels = np.repeat(np.arange(7), 3)
    categories = np.array(["lonely", "pair", "pair", "big", "big", "big", "big"])[labels]
    sampler = CategoryBalanced(labels, categories, 2, 3, 2)
    assert sampler.short == 2
    for batch in sampler:
        assert sorted(Counter(labels[batch].tolist()).values()) == [2] * 6


def test_the_epoch_and_the_seed_decide_and_nothing_else() -> None:
    labels = np.repeat(np.arange(20), 6)
    for make in (
        lambda seed: Balanced(labels, 4, 3, seed),
        lambda seed: CategoryBalanced(labels, labels % 5, 2, 2, 3, seed),
    ):
        np.random.seed(1)
        first = list(make(0))
        np.random.seed(2)
        again = make(0)
        assert list(again) == first == list(again)
        again.set_epoch(1)
        assert list(again) != first
        again.set_epoch(0)
        assert list(again) == first
        assert list(make(1)) != first


def test_labels_may_be_of_any_kind() -> None:
    labels = ["shoe", "shoe", "hat", "hat"]
    assert {tuple(sorted(labels[row] for row in batch)) for batch in Balanced(labels, 2, 2)} == {
        ("hat", "hat", "shoe", "shoe")
    }


@pytest.mark.parametrize(("call", "message"), [
    (lambda: Balanced([0, 0, 1, 1], 3, 2), "n_labels is 3; it must be between 1 and the number of labels, 2"),
    (lambda: Balanced([0, 0, 1, 1], 2, 0), "n_instances is 0; it must be at least 1"),
    (lambda: Balanced([], 1, 1), "labels are missing"),
    (lambda: Balanced([0, None], 1, 1), "1 of 2 labels are missing"),
    (lambda: CategoryBalanced([0, 1], ["a", "b"], 3, 1, 1), "n_categories is 3; it must be between 1 and the number of categories, 2"),
    (lambda: CategoryBalanced([0, 1], ["a", "b"], 2, 2, 1), "there are only 2 labels"),
    (lambda: CategoryBalanced([0, 0], ["a", "b"], 1, 1, 1), "label '0' lies in several categories"),
    (lambda: CategoryBalanced([0, 1], ["a", None], 1, 1, 1), "1 of 2 categories are missing"),
    (lambda: CategoryBalanced([0, 1], ["a"], 1, 1, 1), "2 labels and 1 categories"),
])  # fmt: skip
def test_settings_that_cannot_be_met_are_refused(call: object, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        call()  # type: ignore[operator]
