"""Every batch has exactly the promised composition, and the epoch the promised length."""

import inspect
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from omlzoo import catalog
from omlzoo.errors import BadInput
from omlzoo.samplers import (
    Balanced,
    CategoryBalanced,
    DistinctCategoryBalanced,
    FullCoverage,
    HardNegatives,
    NearestLabels,
    Share,
)


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


@given(st.integers(2, 6), st.integers(1, 4), st.integers(1, 3), st.integers(0, 99))
@settings(max_examples=50, deadline=None)
def test_distinct_category_balanced_batches(n_categories: int, n_labels: int, n_instances: int, seed: int) -> None:
    labels = np.repeat(np.arange(8 * 5), 4)  # 8 categories of 5 labels of 4 rows
    sampler = DistinctCategoryBalanced(labels, labels // 5, n_categories, n_labels, n_instances, seed)
    batches = list(sampler)
    assert len(batches) == len(sampler) == -(-len(labels) // (n_categories * n_labels * n_instances))
    used: set[int] = set()
    for batch in batches:
        per_label = Counter(labels[batch].tolist())
        per_category = Counter(label // 5 for label in per_label)
        assert set(per_label.values()) == {n_instances}
        assert len(per_category) == n_categories
        assert set(per_category.values()) == {n_labels}
        if len({label // 5 for label in set(range(40)) - used}) < n_categories:
            used = set()
        for category in per_category:
            own = {label for label in per_label if label // 5 == category}
            unused = set(range(5 * category, 5 * category + 5)) - used
            assert len(own & unused) == min(n_labels, len(unused)), "unused labels come first"
        used |= set(per_label)


def test_distinct_categories_are_filled_up_where_they_are_short() -> None:
    labels = np.repeat(np.arange(7), 3)
    categories = np.array(["lonely", "pair", "pair", "big", "big", "big", "big"])[labels]
    sampler = DistinctCategoryBalanced(labels, categories, 2, 3, 2)
    assert sampler.short == 2
    for batch in sampler:
        assert sorted(Counter(labels[batch].tolist()).values()) == [2] * 6


@given(st.lists(st.integers(1, 9), min_size=1, max_size=12), st.integers(1, 12), st.integers(1, 5), st.integers(0, 99))
@settings(max_examples=80, deadline=None)
def test_full_coverage_batches(sizes: list[int], n_labels: int, n_instances: int, seed: int) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    n_labels = min(n_labels, len(sizes))
    sampler = FullCoverage(labels, n_labels, n_instances, seed)
    batches = list(sampler)
    places = [-(-size // n_instances) for size in sizes]
    assert len(batches) == len(sampler) == max(-(-sum(places) // n_labels), max(places))
    for batch in batches:
        counts = Counter(labels[batch].tolist())
        assert len(counts) == n_labels
        assert set(counts.values()) == {n_instances}
    assert {row for batch in batches for row in batch} == set(range(len(labels))), "every row is seen"


def test_nearest_labels_stand_together() -> None:
    labels = np.repeat(np.arange(12), 3)
    angles = torch.tensor([label // 3 * 1.5 + label % 3 * 0.1 for label in labels])  # four clusters of three labels
    sampler = NearestLabels(labels, 3, 2, seed=4)
    random = [sorted(set(labels[batch].tolist())) for batch in sampler]
    assert random == [sorted(set(labels[batch].tolist())) for batch in Balanced(labels, 3, 2, seed=4)]
    sampler.update(torch.stack([angles.cos(), angles.sin()], dim=1))
    batches = list(sampler)
    assert len(batches) == len(sampler) == 6
    for batch in batches:
        counts = Counter(labels[batch].tolist())
        assert set(counts.values()) == {2}
        assert len({label // 3 for label in counts}) == 1, "one cluster"
    with pytest.raises(BadInput, match="shapes"):
        sampler.update(torch.ones(5, 2))


@pytest.mark.parametrize("processes", [1, 2, 3, 5])
def test_shares_of_all_processes_are_the_whole_batches(processes: int) -> None:
    labels = np.repeat(np.arange(10), 4)
    whole = Balanced(labels, 4, 2, seed=1)
    shares = [Share(Balanced(labels, 4, 2, seed=1), rank, processes) for rank in range(processes)]
    for share in shares:
        share.set_epoch(3)
        assert len(share) == len(whole)
    whole.set_epoch(3)
    for batch, parts in zip(whole, zip(*shares, strict=True), strict=True):
        assert [row for part in parts for row in part] == batch
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
    with pytest.raises(BadInput, match="rank is 2"):
        Share(whole, 2, 2)


def test_the_epoch_and_the_seed_decide_and_nothing_else() -> None:
    labels = np.repeat(np.arange(20), 6)
    for make in (
        lambda seed: Balanced(labels, 4, 3, seed),
        lambda seed: CategoryBalanced(labels, labels % 5, 2, 2, 3, seed),
        lambda seed: DistinctCategoryBalanced(labels, labels % 5, 2, 2, 3, seed),
        lambda seed: FullCoverage(labels, 4, 3, seed),
        lambda seed: NearestLabels(labels, 4, 3, seed),
        lambda seed: HardNegatives(labels, 4, 3, seed),
        lambda seed: Share(Balanced(labels, 4, 3, seed), 0, 2),
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


@pytest.mark.parametrize("name", sorted(catalog.names("samplers")))
def test_a_sampler_is_printed_with_its_settings_and_without_its_labels(name: str) -> None:
    kind = catalog.find("samplers", name)
    taken = inspect.signature(kind).parameters
    labels = np.repeat(np.arange(20), 6)
    numbers = {"n_categories": 3, "n_labels": 2, "n_instances": 4, "seed": 5, "rank": 1, "processes": 2}
    numbers = {key: value for key, value in numbers.items() if key in taken}
    others = {"labels": labels, "categories": labels % 5, "sampler": Balanced(labels, 4, 3)}
    sampler = kind(**{key: value for key, value in others.items() if key in taken}, **numbers)
    text = repr(sampler)
    assert "\n" not in text
    assert text.startswith(f"{name}(")
    assert all(f"{key}={value}" in text for key, value in numbers.items())
    assert "labels=<120 rows of 20 labels>" in text
    assert ("categories=<5 categories>" in text) == ("categories" in taken)
    if name == "Share":
        assert repr(sampler.sampler) in text


def test_labels_may_be_of_any_kind() -> None:
    labels = ["shoe", "shoe", "hat", "hat"]
    assert {tuple(sorted(labels[row] for row in batch)) for batch in Balanced(labels, 2, 2)} == {
        ("hat", "hat", "shoe", "shoe")
    }


@pytest.mark.parametrize(
    "labels", [(1, 0, 1, 0), range(4), np.array([1, 0, 1, 0]), torch.tensor([1, 0, 1, 0]), pd.Series([1, 0, 1, 0])]
)
def test_whole_numbers_give_the_same_batches_in_every_list(labels: Any) -> None:
    assert list(Balanced(labels, 2, 2)) == list(Balanced(list(map(int, labels)), 2, 2))


def test_labels_that_an_array_would_merge_stay_apart() -> None:
    for labels in (["a", "a\0"] * 4, [0.5, 2**53, 2**53 + 1, 7] * 2):
        assert len(Balanced(labels, 2, 2).rows.sizes) == len(set(labels))
    for labels, categories in (([1, "1"] * 4, [0] * 8), ([0] * 8, [1, "1"] * 4)):
        with pytest.raises(BadInput, match="mix kinds: 1 .* and '1'"):
            CategoryBalanced(labels, categories, 1, 1, 1)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: Balanced([0, 0, 1, 1], 3, 2), "n_labels is 3; it must be between 1 and the number of labels, 2"),
    (lambda: Balanced([0, 0, 1, 1], 2, 0), "n_instances is 0; it must be at least 1"),
    (lambda: FullCoverage([0, 0, 1, 1], 3, 2), "n_labels is 3; it must be between 1 and the number of labels, 2"),
    (lambda: NearestLabels([0, 0, 1, 1], 3, 2), "n_labels is 3; it must be between 1 and the number of labels, 2"),
    (lambda: DistinctCategoryBalanced([0, 1], ["a", "b"], 3, 1, 1), "n_categories is 3"),
    (lambda: DistinctCategoryBalanced([0, 1], ["a", "b"], 2, 2, 1), "there are only 2 labels"),
    (lambda: Balanced([], 1, 1), "there are no labels"),
    (lambda: Balanced([0, None], 1, 1), "labels: 1 are missing, in row"),
    (lambda: CategoryBalanced([0, 1], ["a", "b"], 3, 1, 1), "n_categories is 3; it must be between 1 and the number of categories, 2"),
    (lambda: CategoryBalanced([0, 1], ["a", "b"], 2, 2, 1), "there are only 2 labels"),
    (lambda: CategoryBalanced([0, 0], ["a", "b"], 1, 1, 1), "label '0' lies in several categories"),
    (lambda: CategoryBalanced([0, 1], ["a", None], 1, 1, 1), "categories: 1 are missing, in row 1"),
    (lambda: CategoryBalanced([0, 1], ["a"], 1, 1, 1), "2 labels and 1 categories"),
])  # fmt: skip
def test_settings_that_cannot_be_met_are_refused(call: object, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        call()  # type: ignore[operator]
