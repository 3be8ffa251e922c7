"""Hard negatives are those of a loop over the whole table, margins and ranks included, and stand beside their anchor."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch

from omlzoo.errors import BadInput, OmlzooWarning
from omlzoo.samplers import Balanced, HardNegatives
from omlzoo.training.acts import check_settings
from omlzoo.training.recipe import Recipe

LABELS = np.array([0, 1, 0, 2, 1, 0, 3, 1, 1, 2, 4, 4, 5, 5, 5, 2])
SETTINGS: list[dict[str, Any]] = [
    {}, {"range_max": 4}, {"range_min": 2, "range_max": 5}, {"absolute_margin": 0.1}, {"relative_margin": 0.3},
    {"range_min": 1, "range_max": 9, "absolute_margin": 0.05, "relative_margin": 0.1},
]  # fmt: skip


def rows(seed: int, labels: np.ndarray = LABELS) -> torch.Tensor:
    """Vectors (N, 4), near each other within a label."""
    draw = torch.Generator().manual_seed(seed)
    centers = torch.randn(int(labels.max()) + 1, 4, generator=draw)
    return centers[torch.from_numpy(labels)] + 0.4 * torch.randn(len(labels), 4, generator=draw)


def by_hand(vectors: torch.Tensor, range_min: int = 0, range_max: int = 30, absolute_margin: float | None = None,
            relative_margin: float | None = None) -> list[list[int]]:  # fmt: skip
    """The hard negatives of each row, as sentence-transformers' mine_hard_negatives chooses them."""
    found = []
    for a in range(len(LABELS)):
        to = [float(torch.cosine_similarity(vectors[a], v, dim=0)) for v in vectors]
        positives = [to[i] for i in range(len(LABELS)) if i != a and LABELS[i] == LABELS[a]]
        least = min(positives, default=-np.inf)
        others = sorted((i for i in range(len(LABELS)) if LABELS[i] != LABELS[a]), key=lambda i: -to[i])[:range_max]
        if absolute_margin is not None:
            others = [i for i in others if to[i] + absolute_margin <= least]
        if relative_margin is not None:
            others = [i for i in others if to[i] <= least * (1 - relative_margin)]
        found.append(others[range_min:])
    return found


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.filterwarnings("ignore:.*rows have no hard negative")
def test_the_negatives_of_each_row_are_those_of_the_loop(settings: dict[str, Any]) -> None:
    for seed in range(3):
        sampler = HardNegatives(LABELS, 4, 2, **settings)
        sampler.update(5 * rows(seed))
        mined = [[row for row in each if row >= 0] for each in sampler.neighbours.tolist()]
        assert mined == by_hand(rows(seed), **settings)
        assert sampler.neighbours.shape[1] == sampler.range_max - sampler.range_min


def test_an_anchor_stands_with_its_negatives() -> None:
    labels = np.repeat(np.arange(30), 5)
    sampler = HardNegatives(labels, 8, 3, seed=2, negatives=3, range_max=20)
    assert list(sampler) == list(Balanced(labels, 8, 3, seed=2)), "before the first update"
    sampler.update(rows(1, labels))
    batches, hard = list(sampler), 0
    assert len(batches) == len(sampler) == 7
    for batch in batches:
        groups = np.array(batch).reshape(8, 3)
        assert Counter(labels[batch].tolist()) == dict.fromkeys(labels[groups[:, 0]].tolist(), 3)
        assert all(len(set(group)) == 3 for group in groups.tolist())
        mined = set(sampler.neighbours[groups[0, 0]].tolist())
        assert set(groups[1:4, 0].tolist()) <= mined, "the first anchor brings three of its negatives"
        hard += 1
    assert hard == 7
    sampler.set_epoch(1)
    assert list(sampler) != batches
    sampler.set_epoch(0)
    assert list(sampler) == batches


def test_labels_of_few_rows_repeat_them() -> None:
    labels = np.array([0, 0, 1, 2, 2, 2])
    sampler = HardNegatives(labels, 3, 2)
    sampler.update(rows(0, labels))
    for batch in sampler:
        assert Counter(labels[batch].tolist()) == {0: 2, 1: 2, 2: 2}


def test_rows_without_a_negative_are_counted_once_and_their_batches_are_full() -> None:
    sampler = HardNegatives(LABELS, 4, 2, relative_margin=1.0)
    vectors = rows(0).abs()  # no cosine is below 0
    with pytest.warns(OmlzooWarning, match="16 of 16 rows have no hard negative within range_min 0, range_max 30"):
        sampler.update(vectors)
    sampler.update(vectors)  # is not said again
    assert all(len(set(LABELS[batch].tolist())) == 4 for batch in sampler)
    vectors[3] = 0  # a picture that cannot be read
    plain = HardNegatives(LABELS, 4, 2)
    with pytest.warns(OmlzooWarning, match="1 of 16 rows"):
        plain.update(vectors)
    assert not (plain.neighbours == 3).any()
    assert (plain.neighbours[3] == -1).all()
    with pytest.raises(BadInput, match="shapes"):
        plain.update(torch.ones(5, 2))


@pytest.mark.parametrize(("settings", "message"), [
    ({"negatives": 0}, "negatives 0, range_min 0, range_max 30: give negatives of 1 or more"),
    ({"range_min": 30}, "0 <= range_min < range_max"), ({"range_max": 2.5}, "range_max is 2.5; it must be a whole number"),
    ({"absolute_margin": -1}, "absolute_margin is -1; it must be from 0 to 1, or None"),
    ({"relative_margin": "far"}, "relative_margin is 'far'"), ({"n_labels": 9}, "n_labels is 9; it must be between"),
])  # fmt: skip
def test_settings_are_checked(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        HardNegatives(**{"labels": LABELS, "n_labels": 4, "n_instances": 2, **settings})


def test_only_acts_that_tell_it_the_vectors_take_it() -> None:
    check_settings(Recipe(sampler="HardNegatives"), "finetune")
    for act, sampler in (("pretrain", "HardNegatives"), ("distil", "HardNegatives"), ("distil", "NearestLabels")):
        with pytest.raises(BadInput, match=f"sampler is {sampler}, which is told the vectors .*; {act} takes Balanced"):
            check_settings(Recipe(sampler=sampler), act)  # type: ignore[arg-type]
