"""Re-ranking by a network that sees both pictures at once (as STIR does, Shabanov and others, 2023)."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from omlzoo.errors import BadInput

__all__ = ["PairScorer", "PairwiseLoss", "by_pairs"]

Miner = Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]


class PairScorer(nn.Module):
    """Two pictures, one above the other, through a body and a small network, to one number: higher is rather one label.

    Args:
        body: Images (B, 3, 2H, W) to vectors (B, dim), such as an extractor that takes pictures of that shape.
        dim: Of its vectors.
        hidden: Width of the network.
    """

    def __init__(self, body: nn.Module, dim: int, hidden: int = 128) -> None:
        super().__init__()
        self.body = body
        self.head = nn.Sequential(nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        """Logits (B,) of pictures (B, 3, H, W) and (B, 3, H, W)."""
        logits: Tensor = self.head(self.body(torch.cat([left, right], dim=2)))[:, 0]
        return logits


class PairwiseLoss(nn.Module):
    """Cross entropy of a scorer on the hard pairs of a batch of pictures.

    It takes pictures where other losses take embeddings, so that the same loop trains it: the loop's model is
    ``nn.Identity()``, and the scorer's parameters are the loss's own.

    Args:
        scorer: Is trained.
        extractor: Pictures (B, 3, H, W) to embeddings (B, D), not trained; the miner looks at them.
        miner: Embeddings and labels to triplets; of each both pairs are scored.

    Attributes:
        stats: "pairs", "right" (the share on the right side of 0), "empty_batches".
    """

    def __init__(self, scorer: PairScorer, extractor: nn.Module, miner: Miner) -> None:
        super().__init__()
        self.scorer, self.miner = scorer, miner
        self.extractor = (extractor.eval().requires_grad_(False),)  # in a tuple: none of its parameters is the loss's
        self.stats: dict[str, float] = {"pairs": 0.0, "right": 0.0, "empty_batches": 0.0}

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """The loss () of pictures (B, 3, H, W) and labels (B,); 0 with a gradient where there is no triplet."""
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
    """Hits (Q, k) with the first ``top`` of each query in the order of a score, higher first; the others stay.

    Args:
        ids: (Q, k) gallery rows in order; -1 where there is none.
        score: Called with query numbers (P,) and gallery rows (P,), gives (P,).
        top: How many of each query are looked at.
        pairs: P, at most.
    """
    if top < 1:
        raise BadInput(f"top is {top}; it must be at least 1")
    first = ids[:, :top]
    query, rank = np.nonzero(first >= 0)
    scores = np.full(first.shape, -np.inf)
    for start in range(0, len(query), pairs):
        part = slice(start, start + pairs)
        scores[query[part], rank[part]] = score(query[part], first[query[part], rank[part]])
    order = np.argsort(-scores, axis=1, kind="stable")
    return np.concatenate([np.take_along_axis(first, order, axis=1), ids[:, top:]], axis=1)
