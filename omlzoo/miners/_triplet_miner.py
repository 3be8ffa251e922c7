"""The base of miners of triplets: a checked batch with its references, and a short text of the settings."""

import torch
from torch import Tensor

from omlzoo.catalog import described
from omlzoo.ops.pairs import Pairs, detached, pair_up

__all__ = ["TripletMiner", "Triplets"]

Triplets = tuple[Tensor, Tensor, Tensor]


class TripletMiner:
    """The base class of miners of triplets, which implement :meth:`mine`."""

    def __repr__(self) -> str:
        return described(self)

    def __call__(
        self,
        embeddings: Tensor,
        labels: Tensor,
        ref_embeddings: Tensor | None = None,
        ref_labels: Tensor | None = None,
        own: int | None = None,
    ) -> Triplets:
        """Choose triplets.

        Args:
            embeddings: (B, D), float, the anchors.
            labels: (B,), integer.
            ref_embeddings: (M, D), from which positives and negatives are chosen; None chooses them from the batch.
            ref_labels: (M,), integer; given if and only if ``ref_embeddings`` is.
            own: Position of the batch's first row among the references: row i of the batch is reference ``own + i``.
                None if the batch is not among them.

        Returns:
            Indices of anchors (into the batch), positives and negatives (into the references), each (T,).
        """
        pairs = pair_up(detached(embeddings), labels, ref_embeddings, ref_labels, own)
        if not (len(pairs.labels) and len(pairs.other_labels)):
            none = torch.empty(0, dtype=torch.long, device=pairs.labels.device)
            return none, none, none
        return self.mine(pairs)

    def mine(self, pairs: Pairs) -> Triplets:
        """Indices of anchors, positives and negatives, (T,) each, chosen from the pairs."""
        raise NotImplementedError
