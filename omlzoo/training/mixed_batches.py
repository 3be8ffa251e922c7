"""Batches that mix rows drawn by a sampler of labels with rows of all kinds."""

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
from torch.utils.data import Sampler

__all__ = ["MixedBatches"]

STREAM = 5  # of the seed's random numbers


class MixedBatches(Sampler[list[int]]):
    """Batches of row numbers: those of a labelled batch, then ``count`` of all rows in a random order.

    An epoch has every row once among the latter, but for those of an incomplete last batch; the sampler of labels
    begins again where its own epoch is shorter.

    Args:
        rows: Number of all rows, at least 2.
        count: Rows of all kinds in a batch; all of them where there are fewer.
        seed: Seed of the order.
        labelled: Gives batches of rows with a label, whose row numbers are ``places[...]``; None for none.
        places: The row number of each labelled row.
    """

    def __init__(
        self,
        rows: int,
        count: int,
        seed: int,
        labelled: Sampler[list[int]] | None = None,
        places: Sequence[int] = (),
    ) -> None:
        self.rows, self.count, self.seed, self.epoch = rows, min(count, rows), seed, 0
        self.labelled, self.places = labelled, list(places)

    def __len__(self) -> int:
        return self.rows // self.count

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, a number from 0, which decides the order."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[list[int]]:
        order = np.random.default_rng((self.seed, self.epoch, STREAM)).permutation(self.rows).tolist()
        others = self._labelled()
        for number in range(len(self)):
            yield next(others, []) + order[number * self.count : (number + 1) * self.count]

    def _labelled(self) -> Iterator[list[int]]:
        """As many labelled batches as the epoch has, of as many epochs of their sampler as that takes."""
        if self.labelled is not None:
            yield from islice(self._rounds(self.labelled), len(self))

    def _rounds(self, labelled: Sampler[list[int]]) -> Iterator[list[int]]:
        for turn in range(len(self)):  # each has a batch or more
            if hasattr(labelled, "set_epoch"):
                labelled.set_epoch(self.epoch * len(self) + turn)
            for batch in labelled:
                yield [self.places[row] for row in batch]
