"""The base of samplers that are told the embeddings of all rows before an epoch, and draw near ones together."""

from collections.abc import Sequence
from typing import Any, ClassVar

import torch

from omlzoo.ops.pairs import check_batch
from omlzoo.ops.unit_rows import normalize
from omlzoo.samplers._label_sampler import LabelSampler

__all__ = ["EmbeddingSampler"]


class EmbeddingSampler(LabelSampler):
    """Batches of ``n_labels`` labels with ``n_instances`` rows each, drawn by what :meth:`update` found.

    Args:
        labels: (N,) ids of any kind, one for each row of the data.
        n_labels: P, the number of labels in a batch, at most the number of labels.
        n_instances: K, the number of rows of each label in a batch.
        seed: Seed of the random order; the batches depend on it, the epoch and the embeddings alone.

    Attributes:
        neighbours: What the last update found; None before the first. It must be restored for a run to resume with the
            same batches.
    """

    from_first: ClassVar[bool] = False  # whether it is told before the first epoch too

    def __init__(self, labels: Sequence[Any], n_labels: int, n_instances: int, seed: int = 0) -> None:
        super().__init__(labels, n_instances, seed)
        self.n_labels = self.checked(n_labels)
        self.neighbours: torch.Tensor | None = None

    def __len__(self) -> int:
        return -(-len(self.rows.order) // (self.n_labels * self.rows.n_instances))

    def update(self, embeddings: torch.Tensor) -> None:
        """Find the neighbours by which the next batches are drawn.

        Args:
            embeddings: (N, D), float, the current embedding of each row, in the order of ``labels``.

        Raises:
            BadInput: A value is not finite, or the number of rows is not that of the labels.
        """
        raise NotImplementedError

    def directions(self, embeddings: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The embeddings (N, D) checked and scaled to L2 norm 1, float32 on the CPU, and codes of their labels (N,)."""
        codes = torch.from_numpy(self.rows.codes)
        check_batch(embeddings, codes)
        return normalize(embeddings.detach().float().cpu()), codes
