"""Batches of P labels with K items each (arXiv 1703.07737), drawn over all labels or category by category."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from omlzoo.samplers._label_sampler import LabelSampler, rounds

__all__ = ["Balanced", "CategoryBalanced"]


class Balanced(LabelSampler):
    """Batches of exactly ``n_labels`` labels with ``n_instances`` rows each.

    Labels are drawn in shuffled rounds, so that the numbers of times they are used differ by at most one. The rows of a
    label are drawn in turn from a shuffled order of their own; of a label with fewer than ``n_instances`` rows some are
    repeated within a batch. An epoch has ceil(rows / (n_labels x n_instances)) batches, enough to draw as many rows as
    there are.

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

    def __len__(self) -> int:
        return -(-len(self.rows.order) // (self.n_labels * self.rows.n_instances))

    def __iter__(self) -> Iterator[list[int]]:
        random = self.generator()
        draw = self.rows.shuffled(random)
        for labels in rounds(random, len(self.rows.sizes), self.n_labels, len(self)):
            yield from draw.batches(labels)


class CategoryBalanced(LabelSampler):
    """Batches of ``n_categories`` categories with ``n_labels`` labels each and ``n_instances`` rows of each label.

    The categories of a batch are drawn without repetition, with probabilities proportional to their numbers of labels.
    The labels of a category are drawn in shuffled rounds of their own. Of a category with fewer than ``n_labels``
    labels all are used, and the batch is filled with labels of further categories, so that every batch has
    n_categories x n_labels x n_instances rows. An epoch has ceil(rows / (n_categories x n_labels x n_instances))
    batches.

    Args:
        labels: (N,) ids of any kind, one for each row of the data.
        categories: (N,) ids of any kind, one for each row; all rows of a label have the same category.
        n_categories: The number of categories in a batch, at most the number of categories.
        n_labels: The number of labels of each category in a batch; n_categories x n_labels is at most the number of
            labels.
        n_instances: The number of rows of each label in a batch; some rows of labels with fewer rows are repeated.
        seed: Seed of the random order; the batches depend on it and on the epoch (see :meth:`set_epoch`) alone.

    Attributes:
        repeating: How many labels have fewer than ``n_instances`` rows.
        short: How many categories have fewer than ``n_labels`` labels.
    """

    def __init__(
        self,
        labels: Sequence[Any],
        categories: Sequence[Any],
        n_categories: int,
        n_labels: int,
        n_instances: int,
        seed: int = 0,
    ) -> None:
        super().__init__(labels, n_instances, seed)
        self.labels_of = self.by_category(categories, n_categories, n_labels)
        self.n_categories, self.n_labels = n_categories, n_labels
        self.short = sum(len(members) < n_labels for members in self.labels_of)

    def __len__(self) -> int:
        return -(-len(self.rows.order) // (self.n_categories * self.n_labels * self.rows.n_instances))

    def __iter__(self) -> Iterator[list[int]]:
        random = self.generator()
        draw = self.rows.shuffled(random)
        sizes = np.array([len(members) for members in self.labels_of])
        turn = [random.permutation(members) for members in self.labels_of]
        used = np.zeros(len(turn), dtype=np.int64)
        labels_per_batch = self.n_categories * self.n_labels
        for _ in range(len(self)):
            # Sorting by keys u^(1/size) draws without repetition, with probabilities proportional to size.
            order = np.argsort(-(random.random(len(sizes)) ** (1 / sizes)))
            chosen: list[int] = []
            for category in order:
                take = min(self.n_labels, sizes[category], labels_per_batch - len(chosen))
                positions = (used[category] + np.arange(take)) % sizes[category]
                used[category] += take
                chosen.extend(turn[category][positions].tolist())
                if len(chosen) == labels_per_batch:
                    break
            if len(chosen) < labels_per_batch:  # all categories were drawn: fill with other labels
                rest = np.setdiff1d(np.arange(sizes.sum()), chosen)
                chosen.extend(random.permutation(rest)[: labels_per_batch - len(chosen)].tolist())
            yield draw(np.array(chosen))
