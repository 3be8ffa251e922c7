"""Margin-based loss (arXiv 1706.07567), the companion of distance-weighted sampling."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor, nn

from omlzoo.catalog import described
from omlzoo.errors import BadInput
from omlzoo.losses._loss import Loss, positive_number
from omlzoo.ops.distances import euclidean
from omlzoo.ops.pairs import Indices, Pairs, check_codes
from omlzoo.ops.unit_rows import normalize

__all__ = ["MarginLoss"]

Miner = Callable[..., Indices]


class MarginLoss(Loss):
    """Sum over triplets of max(0, d(a, p) - beta + margin) + max(0, beta - d(a, n) + margin), by the terms above 0.

    d is the Euclidean distance of unit vectors, and beta the boundary between positives and negatives. The paper draws
    the triplets by :class:`omlzoo.miners.DistanceWeighted`. All triplets are taken without a list of them, in the
    memory of the pairs.

    Args:
        margin: Half of the width between positives and negatives, 0 or more.
        beta: The boundary, or its first value, above 0.
        learn_beta: Whether it is learned: one boundary, or with ``n_labels`` that of each anchor's label.
        n_labels: The number of labels, which are then 0 to n_labels - 1; None has one boundary for all.
        nu: Weight of the learned boundaries, 0 or more: pulls them down, as in the paper.
        miner: Chooses the triplets, or pairs of which all triplets are taken; None takes all.
        gather: Mine and compute over the batches of all processes.

    Attributes:
        beta: (1,) or (n_labels,), a parameter if it is learned.
        stats: "active" (share of the terms above 0), "beta" (mean boundary), means and hardest of "positive_distance"
            and "negative_distance", "empty_batches".
    """

    beta: Tensor

    def __init__(
        self, margin: float = 0.2, beta: float = 1.2, learn_beta: bool = False, n_labels: int | None = None,
        nu: float = 0.0, miner: Miner | None = None, gather: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(gather)
        if not margin >= 0 or not nu >= 0:
            raise BadInput(f"margin is {margin} and nu {nu}; they must be 0 or more")
        if n_labels is not None and n_labels < 1:
            raise BadInput(f"n_labels is {n_labels}; it must be 1 or more, or None")
        if nu and not learn_beta:
            raise BadInput(f"nu is {nu}, but beta is not learned; set learn_beta, or leave nu out")
        self.margin, self.nu, self.learn_beta, self.n_labels, self.miner = margin, nu, learn_beta, n_labels, miner
        self.first = positive_number("beta", beta)
        values = torch.full((n_labels or 1,), float(beta))
        if learn_beta:
            self.beta = nn.Parameter(values)
        else:
            self.register_buffer("beta", values)

    def __repr__(self) -> str:
        return described(self, beta=repr(self.first))

    def compute(self, pairs: Pairs) -> Tensor | None:
        beta = self.beta.to(pairs.rows.dtype)
        if self.n_labels is not None:
            beta = beta.index_select(0, check_codes(pairs.labels, self.n_labels))[:, None]
        if self.miner is not None and pairs.indices is None:
            references = () if pairs.others is pairs.rows else (pairs.others, pairs.other_labels, pairs.own)
            pairs = replace(pairs, indices=self.miner(pairs.rows, pairs.labels, *references))
        near, far = (count.to(pairs.rows.dtype) for count in _occurrences(pairs))
        if not near.any():
            return None
        unit = normalize(pairs.rows)
        distances = euclidean(unit, unit if pairs.others is pairs.rows else normalize(pairs.others))
        pulled = torch.relu(distances - beta + self.margin)
        pushed = torch.relu(beta - distances + self.margin)
        active = near[pulled > 0].sum() + far[pushed > 0].sum()
        value = ((near * pulled).sum() + (far * pushed).sum()) / active.clamp(min=1)
        self.note(active=active / (near.sum() + far.sum()), beta=beta.mean(), **pairs.summary(distances, "distance"))
        if not self.nu:
            return value
        if self.n_labels is None:
            return value + self.nu * beta[0]
        return value + self.nu * (beta[:, 0] * near.sum(dim=1)).sum() / active.clamp(min=1)


def _occurrences(pairs: Pairs) -> tuple[Tensor, Tensor]:
    """In how many triplets each positive and each negative pair is, (B, M) each."""
    if pairs.indices is None or len(pairs.indices) == 4:
        near, far = pairs.positive, pairs.negative
        return near * far.sum(dim=1, keepdim=True), far * near.sum(dim=1, keepdim=True)
    anchors, positives, negatives = pairs.indices
    shape = len(pairs.labels), len(pairs.other_labels)
    near, far = (
        torch.bincount(anchors * shape[1] + other, minlength=shape[0] * shape[1]).view(shape)
        for other in (positives, negatives)
    )
    return near, far
