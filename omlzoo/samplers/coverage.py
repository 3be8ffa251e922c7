"""Batches of P labels with K items each, in which every item occurs in every epoch."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from omlzoo.samplers._label_sampler import LabelSampler

__all__ = ["FullCoverage"]


class FullCoverage(LabelSampler):
    """Batches of exactly ``n_labels`` labels with ``n_instances`` rows each, every row at least once in an epoch.

    A label with m rows must be in ceil(m / n_instances) batches. An epoch has ceil(sum of these numbers / n_labels)
    batches, or as many as the largest label must be in, if those are more. Places that are left over go to random
    labels. Where the number of rows of a label is not a multiple of ``n_instances``, some of its rows occur twice.

    Args:
        labels: (N,) ids of any kind, one for each row of the data.
        n_labels: P, the number of labels in a batch, at most the number of labels.
        n_instances: K, the number of rows of each label in a batch.
        seed: Seed of the random order; the batches depend on it and on the epoch (see :meth:`set_epoch`) alone.

    Attributes:
        repeating: How many labels have fewer than ``n_instances`` rows.
    """

    def __init__(self, labels: Sequence[Any], n_labels: int, n_instances: int, seed: int = 0) -> None:
        super().__init__(labels, n_instances, seed)
        self.n_labels = self.checked(n_labels)
        self.places = -(-self.rows.sizes // n_instances)  # (L,), the number of batches that each label must be in

    def __len__(self) -> int:
        return int(max(-(-self.places.sum() // self.n_labels), self.places.max()))

    def __iter__(self) -> Iterator[list[int]]:
        random = self.generator()
        draw = self.rows.shuffled(random)
        order = random.permutation(len(self.places))
        # The labels take places in consecutive batches, one label after the other, so no batch has a label twice.
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
