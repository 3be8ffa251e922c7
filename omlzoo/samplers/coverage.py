"""Batches of P labels with K items each in which every item is seen in every epoch."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from torch.utils.data import Sampler

from omlzoo.errors import BadInput
from omlzoo.rounds import Rows

__all__ = ["FullCoverage"]


class FullCoverage(Sampler[list[int]]):
    """Batches of exactly ``n_labels`` labels with ``n_instances`` rows each, every row at least once in an epoch.

    A label with m rows needs ceil(m / n_instances) places. An epoch has ceil(places / n_labels) batches, or as many as
    one label has places where those are more. Places that are left over go to random labels; what is missing in a
    label's last place is filled with other rows of it.

    Args:
        labels: (N,) ids of any kind, one per row.
        n_labels: P, at most the number of labels.
        n_instances: K.
        seed: With the epoch, see :meth:`set_epoch`, it alone decides the batches.

    Attributes:
        repeating: How many labels have fewer than ``n_instances`` rows.
    """

    def __init__(self, labels: Sequence[Any], n_labels: int, n_instances: int, seed: int = 0) -> None:
        self.rows = Rows(labels, n_instances)
        count = len(self.rows.sizes)
        if not 1 <= n_labels <= count:
            raise BadInput(f"n_labels is {n_labels}; it must be between 1 and the number of labels, {count}")
        self.n_labels = n_labels
        self.seed = seed
        self.epoch = 0
        self.repeating = int((self.rows.sizes < n_instances).sum())
        self.places = -(-self.rows.sizes // n_instances)  # of each label

    def __len__(self) -> int:
        return int(max(-(-self.places.sum() // self.n_labels), self.places.max()))

    def __iter__(self) -> Iterator[list[int]]:
        random = np.random.default_rng((self.seed, self.epoch))
        draw = self.rows.shuffled(random)
        order = random.permutation(len(self.places))
        # Label after label, its places go to consecutive batches, round and round: no batch has a label twice.
        labels = np.repeat(order, self.places[order])
        batches = np.arange(len(labels)) % len(self)
        by_batch = np.argsort(batches, kind="stable")
        groups = np.split(labels[by_batch], np.cumsum(np.bincount(batches, minlength=len(self)))[:-1])
        for number in random.permutation(len(self)):
            chosen = groups[number]
            if len(chosen) < self.n_labels:
                rest = np.setdiff1d(np.arange(len(self.places)), chosen)
                chosen = np.concatenate([chosen, random.permutation(rest)[: self.n_labels - len(chosen)]])
            yield draw(chosen)

    def set_epoch(self, epoch: int) -> None:
        """Choose the batches of an epoch; the same number gives the same batches."""
        self.epoch = epoch
