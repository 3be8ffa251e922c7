"""Samplers of users: any iterable, decided by seed and epoch, and refused where rows are not there."""

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from omlzoo.errors import BadInput, OmlzooWarning
from omlzoo.samplers import Balanced
from omlzoo.training.own_sampler import OwnSampler, seeded

LABELS = np.arange(6).repeat(4)


class Shuffled:
    """Row numbers one by one, in an order of a global generator."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw

    def __iter__(self) -> Iterator[int]:
        return iter(self.draw())


@pytest.mark.parametrize("draw", [
    lambda: random.sample(range(24), 24), lambda: np.random.permutation(24), lambda: torch.randperm(24),
], ids=["random", "numpy", "torch"])  # fmt: skip
def test_an_epoch_is_decided_by_its_number_whatever_draws(draw: Any) -> None:
    sampler, again = (OwnSampler(Shuffled(draw), 24, 10, 3, "mine") for _ in range(2))
    assert [len(batch) for batch in sampler] == [10, 10, 4]
    first = list(sampler)
    sampler.set_epoch(1)
    assert list(sampler) != first
    random.random(), np.random.rand(), torch.rand(1)
    again.set_epoch(1)
    assert list(again) == list(sampler)
    sampler.set_epoch(0)
    assert list(sampler) == first
    assert sorted(row for batch in first for row in batch) == list(range(24))


def test_the_global_generators_go_on_as_if_nothing_had_happened() -> None:
    def drawn() -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), float(torch.rand(()))

    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    wanted = drawn()
    random.seed(1), np.random.seed(1), torch.manual_seed(1)
    with seeded((5, 6)):
        inside = drawn()
    assert drawn() == wanted
    with seeded((5, 6)):
        assert drawn() == inside


def test_ours_keeps_its_batches() -> None:
    ours = Balanced(LABELS, 3, 2, seed=7)
    wanted = list(ours)
    assert list(OwnSampler(Balanced(LABELS, 3, 2, seed=7), 24, 6, 0, "mine")) == wanted


def test_a_sampler_with_a_generator_of_its_own_is_said() -> None:
    generator = np.random.default_rng(0)
    with pytest.warns(OmlzooWarning, match="draws other batches each time it is asked.*will not have the same bytes"):
        OwnSampler(Shuffled(lambda: generator.permutation(24)), 24, 6, 0, "mine")


@pytest.mark.parametrize(("sampler", "message"), [
    ([[0, 24]], "gave row 24; 24 rows are trained on, numbered from 0"),
    ([[0, -1]], "gave row -1"),
    ([], "gave no batches"),
    ([[0], []], "gave an empty batch"),
    ([["a", "b"]], "gave what are no batches of row numbers: ValueError"),
])  # fmt: skip
def test_rows_that_are_not_there_are_refused(sampler: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        OwnSampler(sampler, 24, 6, 0, "mine")


def test_epochs_of_other_lengths_are_refused() -> None:
    class Growing:
        epoch = 0

        def set_epoch(self, epoch: int) -> None:
            self.epoch = epoch

        def __iter__(self) -> Iterator[list[int]]:
            return iter([[0, 1]] * (1 + self.epoch))

    sampler = OwnSampler(Growing(), 24, 6, 0, "mine")
    with pytest.raises(BadInput, match="gave 1 batches, and 3 in epoch 2"):
        sampler.set_epoch(2)
