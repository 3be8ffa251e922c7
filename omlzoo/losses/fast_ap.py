"""FastAP (CVPR 2019, Cakir and others): average precision from soft histograms of distances."""

import torch
from torch import Tensor

from omlzoo.errors import BadInput
from omlzoo.losses._loss import Loss
from omlzoo.ops.distances import cosine
from omlzoo.ops.pairs import Pairs

__all__ = ["FastAPLoss"]


class FastAPLoss(Loss):
    """1 minus a soft average precision, averaged over the anchors that have positives.

    The squared distances of unit vectors, 0 to 4, are counted in histograms with triangles between neighbouring edges.
    With h+ the positives of a bin, H+ and H those of all bins up to it, positives and all, the precision is the sum of
    h+ H+ / H, divided by the number of positives.

    Args:
        bins: Number of bins, 1 or more.
        gather: Compute over the batches of all processes.

    Attributes:
        stats: "precision" (the soft average precision), means and hardest of "positive_cosine" and
            "negative_cosine", "empty_batches".
    """

    choosing = False  # ranks are among all items

    def __init__(self, bins: int = 10, gather: bool = False) -> None:
        super().__init__(gather)
        if not isinstance(bins, int) or isinstance(bins, bool) or bins < 1:
            raise BadInput(f"bins is {bins!r}; it must be a whole number of 1 or more")
        self.bins = bins

    def compute(self, pairs: Pairs) -> Tensor | None:
        anchors = pairs.positive.any(dim=1)
        if not (anchors.any() and pairs.negative.any()):
            return None
        similarity = cosine(pairs.rows, pairs.others)
        squares = 2 - 2 * similarity
        near, every = [], []
        for edge in range(self.bins + 1):
            pulse = torch.relu(1 - (squares - 4 * edge / self.bins).abs() * self.bins / 4)
            near.append(pulse.masked_fill(~pairs.positive, 0).sum(dim=1))
            every.append(pulse.masked_fill(pairs.itself, 0).sum(dim=1))
        found, total = torch.stack(near, dim=1), torch.stack(every, dim=1).cumsum(dim=1)
        product = found * found.cumsum(dim=1)
        some = (product > 0) & (total > 0)
        ratios = (product / total.masked_fill(~some, 1)).masked_fill(~some, 0).sum(dim=1)
        precision = (ratios / pairs.positive.sum(dim=1).clamp(min=1))[anchors].mean()
        self.note(precision=precision, **pairs.summary(similarity, "cosine"))
        return 1 - precision
