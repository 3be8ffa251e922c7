"""Re-ranking by a network that gets both pictures at once (as STIR does, Shabanov and others, 2023)."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from omlzoo.errors import BadInput

__all__ = ["PairScorer", "PairwiseLoss", "by_pairs"]

Miner = Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]


class PairScorer(nn.Module):
    """Scores pairs of pictures: the higher the score, the more likely they have the same label.

    The two pictures are placed one above the other. A body computes a vector of them, and a small network computes the
    score from the vector.

    Args:
        body: Computes vectors (B, dim) of images (B, 3, 2H, W), such as an extractor for pictures of that shape.
        dim: The dimension of the body's vectors.
        hidden: The number of hidden units of the small network.
    """

    def __init__(self, body: nn.Module, dim: int, hidden: int = 128) -> None:
        super().__init__()
        self.body = body
        self.head = nn.Sequential(nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """The scores (B,) of pairs of pictures, as logits.

        Args:
            left: (B, 3, H, W), the upper pictures.
            right: (B, 3, H, W), the lower pictures.
        """
        logits: Tensor = self.head(self.body(torch.cat([left, right], dim=2)))[:, 0]
        return logits


class PairwiseLoss(nn.Module):
    """Cross entropy of a scorer on the hard pairs of a batch of pictures.

    It is called with pictures where other losses are called with embeddings, so that the same loop can train it: the
    model of the loop is then ``nn.Identity()``, and the scorer's parameters belong to the loss.

    Args:
        scorer: The network to train.
        extractor: Computes embeddings (B, D) of pictures (B, 3, H, W) for the miner; it is not trained.
        miner: Chooses triplets from embeddings and labels. The positive and the negative pair of each are scored.

    Attributes:
        stats: "pairs" (their number), "right" (share of pairs whose logit has the right sign), "empty_batches".
    """

    def __init__(self, scorer: PairScorer, extractor: nn.Module, miner: Miner) -> None:
        super().__init__()
        self.scorer, self.miner = scorer, miner
        self.extractor = (extractor.eval().requires_grad_(False),)  # in a tuple: none of its parameters is the loss's
        self.stats: dict[str, float] = {"pairs": 0.0, "right": 0.0, "empty_batches": 0.0}

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """The loss (); 0 with a gradient of 0 where there is no triplet.

        Args:
            images: (B, 3, H, W), as the extractor takes them.
            labels: (B,), integer.
        """
        with torch.no_grad():
            anchors, positives, negatives = self.miner(self.extractor[0](images), labels)
        if not len(anchors):
            self.stats["empty_batches"] += 1
            return images.sum() * 0 + sum(parameter.sum() * 0 for parameter in self.scorer.parameters())
        logits = self.scorer(images[torch.cat([anchors, anchors])], images[torch.cat([positives, negatives])])
        targets = torch.cat([torch.ones(len(anchors)), torch.zeros(len(anchors))]).to(logits)
        self.stats |= {
            "pairs": float(len(logits)), "right": float(((logits > 0) == (targets > 0)).float().mean()),
        }  # fmt: skip
        return nn.functional.binary_cross_entropy_with_logits(logits.float(), targets.float())


def by_pairs(
    ids: np.ndarray, score: Callable[[np.ndarray, np.ndarray], np.ndarray], *, top: int = 10, pairs: int = 256
) -> np.ndarray:
    """Sort the first ``top`` hits of each query by a score, the highest first; the order of the others is kept.

    Args:
        ids: (Q, k), the hits of each query as gallery rows, in order; -1 where there is none.
        score: Called with the queries (P,) and gallery rows (P,) of some pairs; returns their scores (P,).
        top: The number of hits of each query that are scored and sorted, at least 1.
        pairs: The largest P, the number of pairs that are scored at once.

    Returns:
        (Q, k), the hits in the new order.

    Raises:
        BadInput: ``top`` is below 1, or a score is NaN.
    """
    if top < 1:
        raise BadInput(f"top is {top}; it must be at least 1")
    first = ids[:, :top]
    query, rank = np.nonzero(first >= 0)
    scores = np.full(first.shape, -np.inf)
    for start in range(0, len(query), pairs):
        part = slice(start, start + pairs)
        scores[query[part], rank[part]] = score(query[part], first[query[part], rank[part]])
    if np.isnan(scores).any():
        raise BadInput(
            f"score gave NaN for hits of query {int(np.isnan(scores).any(axis=1).argmax())}; it must rank all"
        )
    order = np.argsort(-scores, axis=1, kind="stable")
    return np.concatenate([np.take_along_axis(first, order, axis=1), ids[:, top:]], axis=1)
