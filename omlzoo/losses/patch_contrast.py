"""Supervised contrast of patch tokens with hard anchors (ContrastiveSeg, arXiv 2101.11939)."""

import torch
from torch import Tensor

from omlzoo.catalog import described
from omlzoo.errors import BadInput
from omlzoo.losses._loss import Loss, positive_number
from omlzoo.ops.distances import cosine
from omlzoo.ops.logsumexp import against_negatives
from omlzoo.ops.pairs import Pairs, label_means

__all__ = ["PatchContrast"]


class PatchContrast(Loss):
    """Mean over anchors of the mean over their positives of -log(exp(s_p/t) / (exp(s_p/t) + sum of exp(s_n/t))).

    s is the cosine, the sum is over the anchor's negatives. Embeddings are tokens (N, D) of one or several pictures,
    labels what each token shows; a negative label is background and does not take part. Of each label at most ``views``
    tokens are anchors and compared: half of them hard, the others easy, filled from the other half where one is short.
    A token is hard where the mean direction of another label is nearer to it than its own label's.

    Args:
        temperature: t, above 0.
        views: Tokens of each label at most, 2 or more; None takes all.
        seed: Of the choice.
        gather: Compute over the tokens of all processes.

    Attributes:
        stats: "anchors", "hard" (share of all tokens), means and hardest of "positive_cosine" and "negative_cosine",
            "empty_batches".
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
        """The generator's state, so that a resumed run draws on."""
        return self.draw.get_state()

    def set_extra_state(self, state: Tensor) -> None:
        """Draw on from there."""
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
        """(N,): the nearest mean direction is another label's."""
        unit = torch.nn.functional.normalize(tokens)
        _, means, nearest_own, _ = label_means(unit, labels)
        return cosine(unit, means).argmax(dim=1).ne(nearest_own)

    def _choose(self, labels: Tensor, hard: Tensor) -> Tensor:
        """Indices of at most ``views`` tokens of each label, half of them hard where there are as many."""
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
