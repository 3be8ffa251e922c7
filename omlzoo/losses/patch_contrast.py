"""Supervised contrast of patch tokens with hard anchors (ContrastiveSeg, arXiv 2101.11939)."""

import torch
from torch import Tensor

from omlzoo.catalog import described
from omlzoo.errors import BadInput
from omlzoo.losses._loss import Loss, positive_number
from omlzoo.ops.distances import cosine
from omlzoo.ops.logsumexp import against_negatives
from omlzoo.ops.pairs import Pairs, label_means
from omlzoo.ops.unit_rows import normalize

__all__ = ["PatchContrast"]


class PatchContrast(Loss):
    """Mean over anchors of the mean over their positives of -log(exp(s_p/t) / (exp(s_p/t) + sum of exp(s_n/t))).

    s is the cosine, and the sum is over the anchor's negatives. The embeddings are patch tokens (N, D) of one or
    several pictures, the labels (N,) say what each token shows. Tokens with a negative label are background and do not
    take part. A token is hard where its cosine to the mean direction of another label is larger than to that of its own
    label. Of each label at most ``views`` tokens are used, half of them hard and half easy; where there are too few of
    one kind, more of the other are used.

    Args:
        temperature: t, above 0.
        views: The largest number of tokens of each label that are used, 2 or more; None uses all.
        seed: Seed of the random choice of tokens.
        gather: Compute over the tokens of all processes.

    Attributes:
        stats: "anchors" (their number), "hard" (share of hard tokens), means and hardest of "positive_cosine" and
            "negative_cosine", "empty_batches".
    """

    references = False

    def __init__(self, temperature: float = 0.1, views: int | None = 100, seed: int = 0, gather: bool = False) -> None:
        super().__init__(gather)
        if views is not None and views < 2:
            raise BadInput(f"views is {views}; it must be 2 or more, or None for all")
        self.temperature = positive_number("temperature", temperature)
        self.views = views
        self.draw = torch.Generator().manual_seed(seed)

    def __repr__(self) -> str:
        return described(self, seed=str(self.draw.initial_seed()))

    def get_extra_state(self) -> Tensor:
        """The state of the random generator, so that a resumed run continues its sequence."""
        return self.draw.get_state()

    def set_extra_state(self, state: Tensor) -> None:
        """Continue the sequence of the random generator from that state."""
        self.draw.set_state(state.cpu())

    def compute(self, pairs: Pairs) -> Tensor | None:
        shown = (pairs.labels >= 0).nonzero().flatten()
        if not len(shown):
            return None
        hard = self._hard(pairs.rows.detach()[shown], pairs.labels[shown])
        chosen = shown if self.views is None else shown[self._choose(pairs.labels[shown], hard)]
        rows, labels = pairs.rows[chosen], pairs.labels[chosen]
        few = Pairs(rows, labels, rows, labels, 0)
        anchors = few.positive.any(dim=1) & few.negative.any(dim=1)
        if not anchors.any():
            return None
        similarity = cosine(rows, rows)
        values = against_negatives(similarity / self.temperature, few.positive, few.negative).sum(dim=1)
        self.note(
            anchors=anchors.sum(), hard=hard.float().mean(),
            **few.summary(similarity, "cosine"),
        )  # fmt: skip
        return (values[anchors] / few.positive.sum(dim=1)[anchors]).mean()

    def _hard(self, tokens: Tensor, labels: Tensor) -> Tensor:
        """(N,) bool: whether the nearest mean direction is that of another label."""
        unit = normalize(tokens)
        _, means, nearest_own, _ = label_means(unit, labels)
        return cosine(unit, means).argmax(dim=1).ne(nearest_own)

    def _choose(self, labels: Tensor, hard: Tensor) -> Tensor:
        """Indices of at most ``views`` tokens of each label, half of them hard where there are enough of both kinds."""
        views = self.views or len(labels)
        parts = []
        for label in torch.unique(labels):
            own = (labels == label).nonzero().flatten()
            order = torch.randperm(len(own), generator=self.draw).to(own.device)
            own = own[order]
            near, far = own[~hard[own]], own[hard[own]]
            n_hard = min(len(far), max(views // 2, views - len(near)))
            parts.append(torch.cat([far[:n_hard], near[: views - n_hard]]))
        return torch.cat(parts)
