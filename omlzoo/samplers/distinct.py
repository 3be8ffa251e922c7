"""Batches of categories x labels x items, in which labels that were not used yet come first."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from omlzoo.samplers._label_sampler import LabelSampler

__all__ = ["DistinctCategoryBalanced"]


class DistinctCategoryBalanced(LabelSampler):
    """Batches of ``n_categories`` categories with ``n_labels`` labels each and ``n_instances`` rows of each label.

    All categories that have unused labels are drawn with the same probability, whatever their size. When fewer than
    ``n_categories`` have any, all labels count as unused again. Of a drawn category the unused labels are taken first,
    then used ones. Of a category with fewer than ``n_labels`` labels all are taken, and the batch is filled with labels
    of further categories. An epoch has ceil(rows / (n_categories x n_labels x n_instances)) batches.

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
        self, labels: Sequence[Any], categories: Sequence[Any], n_categories: int, n_labels: int, n_instances: int,
        seed: int = 0,
    ) -> None:  # fmt: skip
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
        turn, used = [random.permutation(members) for members in self.labels_of], np.zeros(len(sizes), dtype=np.int64)
        open_ = np.arange(len(sizes))  # categories with unused labels
        labels_per_batch = self.n_categories * self.n_labels
        for _ in range(len(self)):
            if len(open_) < self.n_categories:
                turn, used[:] = [random.permutation(members) for members in self.labels_of], 0
                open_ = np.arange(len(sizes))
            first = random.permutation(open_)
            order = first
            if sizes[first[: self.n_categories]].clip(max=self.n_labels).sum() < labels_per_batch:
                order = np.concatenate([first, random.permutation(np.setdiff1d(np.arange(len(sizes)), open_))])
            chosen: list[int] = []
            for category in order:
                take = min(self.n_labels, sizes[category], labels_per_batch - len(chosen))
                chosen += self._take(turn[category], used, category, take, random)
                if len(chosen) == labels_per_batch:
                    break
            if len(chosen) < labels_per_batch:  # all categories were drawn: fill with other labels
                rest = np.setdiff1d(np.arange(sizes.sum()), chosen)
                chosen += random.permutation(rest)[: labels_per_batch - len(chosen)].tolist()
            open_ = open_[used[open_] < sizes[open_]]
            yield draw(np.array(chosen))

    @staticmethod
    def _take(labels: np.ndarray, used: np.ndarray, category: int, take: int, random: np.random.Generator) -> list[int]:
        """The next ``take`` unused labels of a category; where there are fewer, used ones are added."""
        start = int(used[category])
        fresh = labels[start : start + take]
        used[category] = start + len(fresh)
        again = random.permutation(labels[:start])[: take - len(fresh)] if len(fresh) < take else labels[:0]
        return [*fresh.tolist(), *again.tolist()]
