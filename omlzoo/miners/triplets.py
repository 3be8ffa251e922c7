"""Miners of triplets: all of them, or the hardest of each anchor (arXiv 1703.07737)."""

import torch
from torch import Tensor

from omlzoo.distances import euclidean

__all__ = ["AllTriplets", "HardTriplets"]

Triplets = tuple[Tensor, Tensor, Tensor]


class AllTriplets:
    """Every anchor with every other item of its label and every item of another label."""

    def __call__(self, embeddings: Tensor, labels: Tensor) -> Triplets:
        """Choose B (K - 1) (B - K) triplets where each label has K items.

        Args:
            embeddings: (B, D), float; only the number of rows matters.
            labels: (B,), integer.

        Returns:
            Indices of anchors, positives and negatives into the batch, each (T,).
        """
        anchors, positives, negative = self.pairs(labels)
        places = negative.flatten().nonzero().flatten()  # (T,)
        pairs = torch.repeat_interleave(negative.sum(dim=1), output_size=len(places))
        return anchors.index_select(0, pairs), positives.index_select(0, pairs), places - pairs * len(labels)

    def pairs(self, labels: Tensor) -> Triplets:
        """The same triplets, not written out: anchors (P,), positives (P,) and the mask (P, B) of their negatives."""
        same = labels[:, None] == labels[None, :]
        anchors, positives = (same & ~_diagonal(labels)).nonzero(as_tuple=True)
        return anchors, positives, ~same.index_select(0, anchors)


class HardTriplets:
    """For every anchor its farthest positive and its nearest negative."""

    def __call__(self, embeddings: Tensor, labels: Tensor) -> Triplets:
        """Choose one triplet per anchor that has both a positive and a negative in the batch.

        Args:
            embeddings: (B, D), float.
            labels: (B,), integer.

        Returns:
            Indices of anchors, positives and negatives into the batch, each (T,), T <= B. Of equal distances the
            lower index is taken.
        """
        with torch.no_grad():
            distances = euclidean(embeddings, embeddings)
        same = labels[:, None] == labels[None, :]
        positive = same & ~_diagonal(labels)
        farthest = distances.masked_fill(~positive, -torch.inf).argmax(dim=1)
        nearest = distances.masked_fill(same, torch.inf).argmin(dim=1)
        anchors = (positive.any(dim=1) & ~same.all(dim=1)).nonzero().flatten()
        return anchors, farthest[anchors], nearest[anchors]


def _diagonal(labels: Tensor) -> Tensor:
    return torch.eye(len(labels), dtype=torch.bool, device=labels.device)
