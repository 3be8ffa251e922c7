"""Contrastive clustering (ORE, arXiv 2103.02603): items near the mean of their label, and far from other means."""

import torch
from torch import Tensor

from omlzoo.catalog import described
from omlzoo.errors import BadInput
from omlzoo.losses._loss import Loss, positive_number
from omlzoo.ops.distances import euclidean
from omlzoo.ops.pairs import Pairs, check_codes, label_means

__all__ = ["ContrastiveClustering"]


class ContrastiveClustering(Loss):
    """Mean over items and known labels of d(item, mean) for its own label, max(0, margin - d(item, mean)) for others.

    d is the Euclidean distance. The loss keeps the means: the first batch with a label sets its mean, later batches
    move it. In eval mode the means of known labels do not move.

    Args:
        dim: D, the dimension of the embeddings.
        n_labels: The number of labels; labels are 0 to n_labels - 1.
        margin: The distance from which on the means of other labels do not contribute, above 0.
        momentum: Share of the old mean that is kept when a label comes again, in [0, 1).
        gather: Compute over the batches of all processes.

    Attributes:
        means: (n_labels, D), the mean of each label; part of the state dict.
        seen: (n_labels,) bool, whether a label has a mean yet.
        stats: "known_labels" (how many labels have a mean), "own_distance" and "other_distance" (mean distances to the
            mean of the own label and to others), "empty_batches".
    """

    references = False
    means: Tensor
    seen: Tensor

    def __init__(
        self, dim: int, n_labels: int, margin: float = 10.0, momentum: float = 0.99, gather: bool = False
    ) -> None:
        super().__init__(gather)
        if dim < 1 or n_labels < 1 or not 0 <= momentum < 1:
            raise BadInput(f"dim {dim} and n_labels {n_labels} must be 1 or more, momentum {momentum} in [0, 1)")
        self.margin, self.momentum = positive_number("margin", margin), momentum
        self.register_buffer("means", torch.zeros(n_labels, dim))
        self.register_buffer("seen", torch.zeros(n_labels, dtype=torch.bool))

    def __repr__(self) -> str:
        n_labels, dim = self.means.shape
        return described(self, dim=str(dim), n_labels=str(n_labels))

    def compute(self, pairs: Pairs) -> Tensor | None:
        codes = check_codes(pairs.labels, len(self.means))
        if not len(codes):
            return None
        self._learn(pairs.rows.detach(), codes)
        known = self.seen.nonzero().flatten()
        distances = euclidean(pairs.rows, self.means[known].to(pairs.rows.dtype))  # (B, known)
        own = codes[:, None] == known[None, :]
        values = torch.where(own, distances, torch.relu(self.margin - distances))
        with torch.no_grad():
            near, far = (distances * own).sum() / own.sum(), (distances * ~own).sum() / (~own).sum()
        self.note(known_labels=len(known), own_distance=near, other_distance=far)
        return values.mean()

    @torch.no_grad()
    def _learn(self, rows: Tensor, codes: Tensor) -> None:
        labels, means, _, _ = label_means(rows, codes)
        fresh = means.to(self.means.dtype)
        old = self.seen[labels][:, None]
        if self.training:
            fresh = torch.where(old, self.momentum * self.means[labels] + (1 - self.momentum) * fresh, fresh)
        else:
            fresh = torch.where(old, self.means[labels], fresh)
        self.means[labels] = fresh
        self.seen[labels] = True
