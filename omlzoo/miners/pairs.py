"""Miners of pairs: anchors and positives, anchors and negatives as indices."""

import torch
from torch import Tensor

from omlzoo.catalog import described
from omlzoo.errors import BadInput
from omlzoo.ops.distances import cosine
from omlzoo.ops.pairs import pair_up

__all__ = ["MultiSimilarityPairs"]


class MultiSimilarityPairs:
    """Positives below the most similar negative plus epsilon; negatives above the least similar positive minus epsilon.

    The pair miner of arXiv 1904.06627, for :class:`omlzoo.losses.MultiSimilarityLoss`; similarities are cosines. An
    anchor without positives has no negative pairs, and the other way round.

    Args:
        epsilon: 0 or more.
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
        """Choose pairs; the arguments are those of a miner of triplets.

        Returns:
            Indices of anchors and their positives, (P,) each, and of anchors and their negatives, (N,) each.
        """
        pairs = pair_up(embeddings.detach(), labels, ref_embeddings, ref_labels, own)
        similarity = cosine(pairs.rows, pairs.others)
        lowest = similarity.masked_fill(~pairs.positive, torch.inf).amin(dim=1, keepdim=True)
        highest = similarity.masked_fill(~pairs.negative, -torch.inf).amax(dim=1, keepdim=True)
        positive = pairs.positive & (similarity - self.epsilon < highest)
        negative = pairs.negative & (similarity + self.epsilon > lowest)
        near_anchors, near = positive.nonzero(as_tuple=True)
        far_anchors, far = negative.nonzero(as_tuple=True)
        return near_anchors, near, far_anchors, far
