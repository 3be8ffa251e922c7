"""Labels of patches by their nearest patches: equal to a loop, and what is refused."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from omlzoo.errors import BadInput
from omlzoo.metrics import dense_knn


@pytest.mark.parametrize("k", [1, 3])
def test_equals_a_loop_over_patches(k: int) -> None:
    random = np.random.default_rng(0)
    train, asked = random.normal(size=(3, 5, 2, 3)), random.normal(size=(2, 5, 2, 3))
    train_masks, masks = random.integers(0, 4, size=(3, 8, 12)), random.integers(0, 4, size=(2, 8, 12))
    train_masks[0, :4, :4] = 255
    masks[1, 4:, 8:] = 255

    def patches(maps: np.ndarray, labels: np.ndarray) -> list[tuple[np.ndarray, int]]:
        found = []
        for i in range(len(maps)):
            for y in range(2):
                for x in range(3):
                    label = int(labels[i, 4 * y + 2, 4 * x + 2])  # the middle of 4 x 4 pixels
                    if label != 255:
                        vector = maps[i, :, y, x]
                        found.append((vector / np.linalg.norm(vector), label))
        return found

    known, pairs = patches(train, train_masks), []
    for vector, label in patches(asked, masks):
        nearest = sorted(known, key=lambda each: -float(each[0] @ vector))[:k]
        votes: dict[int, float] = {}
        for other, name in nearest:
            votes[name] = votes.get(name, 0.0) + math.exp(float(other @ vector) / 0.07)
        pairs.append((label, max(votes, key=lambda name: votes[name])))
    shares = []
    for label in sorted({name for pair in pairs for name in pair}):
        both = sum(has == given == label for has, given in pairs)
        either = sum(label in pair for pair in pairs)
        shares.append(both / either)
    found = dense_knn(train, train_masks, torch.from_numpy(asked), torch.from_numpy(masks), k=k)
    assert found[f"miou@{k}"] == pytest.approx(sum(shares) / len(shares))
    assert found[f"patches@{k}"] == pytest.approx(sum(has == given for has, given in pairs) / len(pairs))
    assert len(pairs) == 11


def test_a_label_that_only_the_votes_have_counts_as_nothing() -> None:
    train = np.array([[[[1.0, 0.0]], [[0.0, 1.0]]]])  # two patches of one picture, two numbers each
    assert dense_knn(train, np.array([[[0, 1]]]), train, np.array([[[0, 1]]]), k=1) == {"miou@1": 1.0, "patches@1": 1.0}
    found = dense_knn(train, np.array([[[0, 1]]]), 3 * train, np.array([[[0, 0]]]), k=1)
    assert found == {"miou@1": 0.25, "patches@1": 0.5}  # label 0: one of two; label 1: none of one


@pytest.mark.parametrize(("changes", "said"), [
    ({"train": np.zeros((1, 2, 3))}, r"train have the shape \(1, 2, 3\)"),
    ({"masks": np.zeros((2, 2, 2), dtype=int)}, r"maps have the shape .* their masks \(2, 2, 2\)"),
    ({"masks": np.zeros((1, 2, 2))}, "whole numbers"),
    ({"maps": np.ones((1, 3, 2, 2))}, "train has vectors of 2 numbers and maps of 3; take one model"),
    ({"train_masks": np.full((1, 2, 2), 255)}, "no patch of train counts: all labels are 255 or below 0"),
    ({"train_masks": np.full((1, 2, 2), -1)}, "no patch of train counts"),
    ({"maps": np.full((1, 2, 2, 2), np.nan)}, "maps: 4 of 4 rows hold NaN"),
    ({"k": 0}, "k is 0"),
])  # fmt: skip
def test_what_is_refused(changes: dict[str, Any], said: str) -> None:
    right: dict[str, Any] = {
        "train": np.ones((1, 2, 2, 2)), "train_masks": np.zeros((1, 2, 2), dtype=int),
        "maps": np.ones((1, 2, 2, 2)), "masks": np.zeros((1, 2, 2), dtype=int),
    }  # fmt: skip
    with pytest.raises(BadInput, match=said):
        dense_knn(**(right | changes))
