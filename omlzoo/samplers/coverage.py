"""Batches of P labels with K items each in which every item is seen in every epoch."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from omlzoo.samplers._label_sampler import LabelSampler

__all__ = ["FullCoverage"]


class FullCoverage(LabelSampler):
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
        super().__init__(labels, n_instances, seed)
        self.n_labels = self.checked(n_labels)
        self.places = -(-self.rows.sizes // n_instances)  # of each label

    def __len__(self) -> int:
        return int(max(-(-self.places.sum() // self.n_labels), self.places.max()))

    def __iter__(self) -> Iterator[list[int]]:
        random = self.generator()
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
