"""Batches of P labels with K items each (arXiv 1703.07737), drawn over all labels or category by category."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from omlzoo.samplers._label_sampler import LabelSampler, rounds

__all__ = ["Balanced", "CategoryBalanced"]


class Balanced(LabelSampler):
    """Batches of exactly ``n_labels`` labels with ``n_instances`` rows each.

    Labels come in shuffled rounds, so each is used equally often, give or take one. The rows of a label come in turn
    from its own shuffled order; a label with fewer than ``n_instances`` rows repeats some within a batch. An epoch has
    as many batches as it takes to draw the number of rows once: ceil(rows / (n_labels x n_instances)).

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

    def __len__(self) -> int:
        return -(-len(self.rows.order) // (self.n_labels * self.rows.n_instances))

    def __iter__(self) -> Iterator[list[int]]:
        random = self.generator()
        draw = self.rows.shuffled(random)
        for labels in rounds(random, len(self.rows.sizes), self.n_labels, len(self)):
            yield from draw.batches(labels)


class CategoryBalanced(LabelSampler):
    """Batches of ``n_categories`` categories with ``n_labels`` labels each and ``n_instances`` rows of each label.

    Categories are drawn without repetition, with chances in proportion to their number of labels; labels of a category
    come in its own shuffled rounds. A category with fewer than ``n_labels`` labels gives all it has, and the batch is
    filled with labels of further categories, so every batch has n_categories x n_labels x n_instances rows. An epoch
    has ceil(rows / that) batches.

    Args:
        labels: (N,) ids of any kind, one per row.
        categories: (N,) ids of any kind, one per row.
        n_categories: At most the number of categories.
        n_labels: Labels of each category; n_categories x n_labels is at most the number of labels.
        n_instances: Rows of each label; a label with fewer repeats some.
        seed: With the epoch it alone decides the batches.

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
            # The order of keys u^(1/size) is that of drawing without repetition with chances in proportion to size.
            order = np.argsort(-(random.random(len(sizes)) ** (1 / sizes)))
            chosen: list[int] = []
            for category in order:
                take = min(self.n_labels, sizes[category], labels_per_batch - len(chosen))
                positions = (used[category] + np.arange(take)) % sizes[category]
                used[category] += take
                chosen.extend(turn[category][positions].tolist())
                if len(chosen) == labels_per_batch:
                    break
            if len(chosen) < labels_per_batch:  # every category gave its share: fill with labels not yet in the batch
                rest = np.setdiff1d(np.arange(sizes.sum()), chosen)
                chosen.extend(random.permutation(rest)[: labels_per_batch - len(chosen)].tolist())
            yield draw(np.array(chosen))
