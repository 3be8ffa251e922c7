"""Triplets that are hard by their angle at the negative (angular loss, arXiv 1708.01682)."""

from math import radians, tan

from omlzoo.errors import BadInput
from omlzoo.miners._triplet_miner import TripletMiner, Triplets
from omlzoo.ops.distances import euclidean
from omlzoo.ops.pairs import Pairs

__all__ = ["AngularPairs"]


class AngularPairs(TripletMiner):
    """Every positive pair with each negative from which it is seen under a large angle.

    Seen from the negative, the angle between the middle of the pair and its end is arctan(d(a, p) / (2 d(n, c))), c the
    middle of a and p. A triplet is chosen where that is above ``angle``: the pair is wide, or the negative is near it.
    The angle does not depend on the scale of the embeddings, which are compared as they are.

    Args:
        angle: In degrees, from 0, which chooses nearly all triplets, to below 90.
    """

    def __init__(self, angle: float = 20.0) -> None:
        if not 0 <= angle < 90:
            raise BadInput(f"angle is {angle}; it must be in degrees, 0 or more and below 90")
        self.angle = angle

    def mine(self, pairs: Pairs) -> Triplets:
        """Indices of anchors, positives and negatives, (T,) each."""
        distances = euclidean(pairs.rows, pairs.others)
        between = distances if pairs.others is pairs.rows else euclidean(pairs.others, pairs.others)
        anchors, positives = pairs.positive.nonzero(as_tuple=True)
        width = distances[anchors, positives][:, None]  # (P, 1)
        to_both = distances.index_select(0, anchors).square() + between.index_select(0, positives).square()
        middle = (to_both / 2 - width.square() / 4).clamp(min=0).sqrt()  # (P, M), by the law of the median
        chosen = pairs.negative.index_select(0, anchors) & (width > 2 * tan(radians(self.angle)) * middle)
        pair, negatives = chosen.nonzero(as_tuple=True)
        return anchors[pair], positives[pair], negatives
