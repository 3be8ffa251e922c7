"""Distance-weighted sampling of negatives (arXiv 1706.07567)."""

from zlib import crc32

import torch
from torch import Tensor

from omlzoo.errors import BadInput
from omlzoo.miners._triplet_miner import TripletMiner, Triplets
from omlzoo.ops.distances import euclidean
from omlzoo.ops.pairs import Pairs
from omlzoo.ops.unit_rows import normalize

__all__ = ["DistanceWeighted"]


class DistanceWeighted(TripletMiner):
    """For every positive pair one negative, drawn so that all distances are about equally likely.

    A negative at distance d of unit vectors has a weight of one over the density of d on the sphere,
    d^(D-2) (1 - d^2/4)^((D-3)/2), with d at least ``cutoff``; those at ``farthest`` or beyond are never drawn, and an
    anchor without others gives no triplet. The draw depends on ``seed`` and the embeddings alone, so a resumed run
    draws the same. PyTorch Metric Learning draws the positive of each triplet at random too; the paper does not.

    Args:
        cutoff: Distance below which all negatives weigh alike, above 0.
        farthest: Distance from which on negatives are not drawn, above ``cutoff``, at most 2.
        seed: Seed of the draws, from 0 to 2**32 - 1.
    """

    def __init__(self, cutoff: float = 0.5, farthest: float = 1.4, seed: int = 0) -> None:
        if not 0 < cutoff < farthest <= 2:
            raise BadInput(f"cutoff is {cutoff} and farthest {farthest}; give 0 < cutoff < farthest <= 2")
        if not 0 <= seed < 2**32:
            raise BadInput(f"seed is {seed}; it must be 0 or more and below 2**32")
        self.cutoff, self.farthest, self.seed = cutoff, farthest, seed

    def chances(self, pairs: Pairs) -> Tensor:
        """(B, M) float64: with which probability each item is drawn as an anchor's negative; rows sum to 1, or 0."""
        unit = normalize(pairs.rows)
        distances = euclidean(unit, unit if pairs.others is pairs.rows else normalize(pairs.others))
        drawn = pairs.negative & (distances < self.farthest)
        kind = torch.float32 if distances.device.type == "mps" else torch.float64
        near, dim = distances.to(kind).clamp_(min=self.cutoff), pairs.rows.shape[1]
        logs = (2 - dim) * near.log() - (dim - 3) / 2 * (1 - near.square() / 4).log()
        return logs.masked_fill_(~drawn, -torch.inf).softmax(dim=1).masked_fill_(~drawn, 0)

    def mine(self, pairs: Pairs) -> Triplets:
        """Indices of anchors, positives and negatives, (T,) each."""
        sums = self.chances(pairs).cumsum(dim=1)
        anchors, positives = pairs.positive.nonzero(as_tuple=True)
        counts = pairs.positive.sum(dim=1)
        turn = torch.arange(len(anchors), device=counts.device) - (counts.cumsum(0) - counts).index_select(0, anchors)
        most = int(counts.amax())
        draw = torch.rand(len(counts), most, generator=self._generator(pairs.rows), dtype=torch.float64)
        last = sums[:, -1:].contiguous()
        drawn = torch.searchsorted(sums, draw.to(sums) * last, right=True)
        drawn = drawn.minimum(torch.searchsorted(sums, last))  # a product may round to the sum itself
        kept = last[:, 0].index_select(0, anchors) > 0
        return anchors[kept], positives[kept], drawn[anchors[kept], turn[kept]]

    def _generator(self, rows: Tensor) -> torch.Generator:
        shown = rows.float().cpu().contiguous().numpy()
        return torch.Generator().manual_seed(crc32(shown.tobytes(), self.seed))
