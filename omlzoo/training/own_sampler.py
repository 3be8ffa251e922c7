"""A sampler that users bring: any iterable of row numbers or of batches of them, repeatable by seed and epoch."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch.utils.data import Sampler

from omlzoo.errors import BadInput, notice
from omlzoo.training.own_parts import calling

__all__ = ["OwnSampler", "seeded"]


class OwnSampler(Sampler[list[int]]):
    """Batches of a user's sampler; those of an epoch are decided by seed and epoch.

    Args:
        sampler: Gives batches of row numbers, or row numbers one by one, which are put together to batches.
        rows: The number of training rows, N; row numbers lie from 0 to N - 1.
        size: Pictures of a batch, where the sampler gives them one by one.
        seed: The seed of the run, from which Python's, numpy's and torch's global generators are seeded as batches of
            an epoch are drawn.
        name: What to call it in messages.

    Raises:
        BadInput: It gives no rows, or rows that are not there.
    """

    def __init__(self, sampler: Any, rows: int, size: int, seed: int, name: str) -> None:
        self.sampler, self.rows, self.size, self.seed, self.name = sampler, rows, size, seed, name
        self.epoch = 0
        self.drawn = self._draw()
        if self._draw() != self.drawn:
            notice(
                f"sampler {name} draws other batches each time it is asked, by random numbers of its own: a run that "
                "is resumed will not have the same bytes; give it a set_epoch(epoch) that decides them"
            )

    def __len__(self) -> int:
        return len(self.drawn)

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.drawn)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, a number from 0, and draw its batches.

        Raises:
            BadInput: They are not as many as those of the first epoch.
        """
        if epoch != self.epoch:
            self.epoch = epoch
            count, self.drawn = len(self.drawn), self._draw()
            if len(self.drawn) != count:
                raise BadInput(f"sampler {self.name} gave {count} batches, and {len(self.drawn)} in epoch {epoch}; "
                               "each epoch needs as many, since the learning rate follows them")  # fmt: skip

    def _draw(self) -> list[list[int]]:
        """All batches of the epoch."""
        with calling("sampler", self.name), seeded((self.seed, self.epoch)):
            if hasattr(self.sampler, "set_epoch"):
                self.sampler.set_epoch(self.epoch)
            given = list(self.sampler)
        if given and np.ndim(given[0]) == 0 and not isinstance(given[0], str):
            given = [given[start : start + self.size] for start in range(0, len(given), self.size)]
        with calling("sampler", self.name, "gave what are no batches of row numbers"):
            batches = [[int(row) for row in batch] for batch in given]
        if not batches or not all(batches):
            raise BadInput(f"sampler {self.name} gave {'an empty batch' if batches else 'no batches'}; "
                           "it must give lists of row numbers")  # fmt: skip
        low, high = min(map(min, batches)), max(map(max, batches))
        if low < 0 or high >= self.rows:
            raise BadInput(
                f"sampler {self.name} gave row {low if low < 0 else high}; {self.rows} rows are trained on, numbered "
                "from 0. Give a function that makes the sampler from their labels, such as "
                "lambda labels: Balanced(labels, 8, 4)"
            )
        return batches


@contextmanager
def seeded(seeds: tuple[int, ...]) -> Iterator[None]:
    """A context in which the global generators of Python, numpy and torch begin from the seeds; afterwards they go on.

    Args:
        seeds: Numbers that decide the random numbers.
    """
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    first, second, third = np.random.SeedSequence([abs(each) for each in seeds]).generate_state(3).tolist()
    try:
        random.seed(first)
        np.random.seed(second)
        torch.default_generator.manual_seed(third)
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.set_rng_state(before[2])
