"""Batches of labels that are easily confused (after arXiv 2104.13643): a label and the labels nearest to it."""

from collections.abc import Iterator

import numpy as np
import torch

from omlzoo.ops.pairs import label_means
from omlzoo.ops.unit_rows import normalize
from omlzoo.samplers._embedding_sampler import EmbeddingSampler
from omlzoo.samplers._label_sampler import rounds

__all__ = ["NearestLabels"]

CELLS = 20_000_000  # similarities of labels that are in memory at once


class NearestLabels(EmbeddingSampler):
    """Batches of exactly ``n_labels`` labels with ``n_instances`` rows each: a label and its nearest labels.

    The first label of each batch is drawn in shuffled rounds, so that the numbers of times labels are first differ by
    at most one. Labels are near where the mean directions of their embeddings in the last :meth:`update` have a large
    cosine. Before the first update the batches are those of Balanced. An epoch has
    ceil(rows / (n_labels x n_instances)) batches.

    Args:
        labels: (N,) ids of any kind, one for each row of the data.
        n_labels: P, the number of labels in a batch, at most the number of labels.
        n_instances: K, the number of rows of each label in a batch.
        seed: Seed of the random order; the batches depend on it, the epoch and the embeddings alone.

    Attributes:
        repeating: How many labels have fewer than ``n_instances`` rows.
        neighbours: (L, P - 1), the nearest labels of each label as codes, the nearest first; None before the first
            update. It must be restored for a run to resume with the same batches.
    """

    def __iter__(self) -> Iterator[list[int]]:
        random = self.generator()
        draw = self.rows.shuffled(random)
        if self.neighbours is None:
            for labels in rounds(random, len(self.rows.sizes), self.n_labels, len(self)):
                yield from draw.batches(labels)
            return
        near = self.neighbours.numpy()
        for first in rounds(random, len(self.rows.sizes), 1, len(self)):
            yield from draw.batches(np.concatenate([first, near[first[:, 0]]], axis=1))

    def update(self, embeddings: torch.Tensor) -> None:
        """Find the nearest labels of each label, from whose mean directions the next batches are drawn.

        Args:
            embeddings: (N, D), float, the current embedding of each row, in the order of ``labels``.

        Raises:
            BadInput: A value is not finite, or the number of rows is not that of the labels.
        """
        unit, codes = self.directions(embeddings)
        means = normalize(label_means(unit, codes)[1])
        step = max(1, CELLS // len(means))
        neighbours = []
        for start in range(0, len(means), step):
            similar = means[start : start + step] @ means.T
            similar.diagonal(start).fill_(-torch.inf)
            neighbours.append(similar.topk(self.n_labels - 1, dim=1).indices)
        self.neighbours = torch.cat(neighbours)
