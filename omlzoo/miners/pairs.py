"""Miners of pairs, which return indices of anchors and positives and of anchors and negatives."""

import torch
from torch import Tensor

from omlzoo.catalog import described
from omlzoo.errors import BadInput
from omlzoo.ops.distances import cosine
from omlzoo.ops.pairs import detached, pair_up

__all__ = ["MultiSimilarityPairs"]


class MultiSimilarityPairs:
    """The hard pairs of each anchor by the criterion of the multi-similarity loss (arXiv 1904.06627).

    A positive is chosen if its cosine is below that of the most similar negative plus epsilon, a negative if its cosine
    is above that of the least similar positive minus epsilon. An anchor without positives therefore has no negative
    pairs, and an anchor without negatives has no positive pairs. It is made for
    :class:`omlzoo.losses.MultiSimilarityLoss`.

    Args:
        epsilon: A difference of cosines, 0 or more; larger values choose more pairs.
    """

    def __init__(self, epsilon: float = 0.1) -> None:
        if not epsilon >= 0:
            raise BadInput(f"epsilon is {epsilon}; it must be 0 or more")
        self.epsilon = epsilon

    def __repr__(self) -> str:
        return described(self)

    def __call__(
        self,
        embeddings: Tensor,
        labels: Tensor,
        ref_embeddings: Tensor | None = None,
        ref_labels: Tensor | None = None,
        own: int | None = None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Choose pairs.

        Args:
            embeddings: (B, D), float, the anchors.
            labels: (B,), integer.
            ref_embeddings: (M, D), from which positives and negatives are chosen; None chooses them from the batch.
            ref_labels: (M,), integer; given if and only if ``ref_embeddings`` is.
            own: Position of the batch's first row among the references: row i of the batch is reference ``own + i``.
                None if the batch is not among them.

        Returns:
            Indices of anchors and their positives, (P,) each, and of anchors and their negatives, (N,) each. Anchors
            are rows of the batch, positives and negatives rows of the references.
        """
        pairs = pair_up(detached(embeddings), labels, ref_embeddings, ref_labels, own)
        if not (len(pairs.labels) and len(pairs.other_labels)):
            none = torch.empty(0, dtype=torch.long, device=pairs.labels.device)
            return none, none, none, none
        similarity = cosine(pairs.rows, pairs.others)
        lowest = similarity.masked_fill(~pairs.positive, torch.inf).amin(dim=1, keepdim=True)
        highest = similarity.masked_fill(~pairs.negative, -torch.inf).amax(dim=1, keepdim=True)
        positive = pairs.positive & (similarity - self.epsilon < highest)
        negative = pairs.negative & (similarity + self.epsilon > lowest)
        near_anchors, near = positive.nonzero(as_tuple=True)
        far_anchors, far = negative.nonzero(as_tuple=True)
        return near_anchors, near, far_anchors, far
