"""Supervised contrast of patch tokens with hard anchors (ContrastiveSeg, arXiv 2101.11939)."""

import torch
from torch import Tensor

from omlzoo.catalog import described
from omlzoo.errors import BadInput
from omlzoo.losses._loss import Loss, positive_number
from omlzoo.memory import MemoryBank
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

    With a memory the anchors are also compared with vectors of earlier batches: as in the authors' code of each label
    in each picture the mean direction, and some of its tokens. :meth:`remember` puts them there; a run of ``finetune``
    calls it after each batch.

    Args:
        temperature: t, above 0.
        views: The largest number of tokens of each label that are used, 2 or more; None uses all.
        seed: Seed of the random choice of tokens.
        regions: How many vectors of earlier batches are kept in memory; 0 keeps none.
        tokens: How many tokens of a label in a picture join the memory beside their mean.
        dim: Dimension of the tokens, for the memory; the run's, where there is one.
        gather: Compute over the tokens of all processes.

    Attributes:
        held: The memory, part of the state dict; None without one.
        stats: "anchors" (their number), "hard" (share of hard tokens), means and hardest of "positive_cosine" and
            "negative_cosine", "empty_batches".
    """

    references = False

    def __init__(
        self, temperature: float = 0.1, views: int | None = 100, seed: int = 0, regions: int = 0, tokens: int = 10,
        dim: int | None = None, gather: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(gather)
        if regions < 0 or tokens < 0 or (regions and dim is None):
            raise BadInput(
                f"regions {regions} and tokens {tokens} must be 0 or more; a memory needs dim, that of tokens"
            )
        if views is not None and views < 2:
            raise BadInput(f"views is {views}; it must be 2 or more, or None for all")
        self.temperature = positive_number("temperature", temperature)
        self.views, self.regions, self.tokens, self.dim = views, regions, tokens, dim
        self.held: MemoryBank | None = None
        self.remember_vectors_of(dim or 1)
        self.draw = torch.Generator().manual_seed(seed)

    def __repr__(self) -> str:
        return described(self, seed=str(self.draw.initial_seed()))

    def get_extra_state(self) -> Tensor:
        """The state of the random generator, so that a resumed run continues its sequence."""
        return self.draw.get_state()

    def set_extra_state(self, state: Tensor) -> None:
        """Continue the sequence of the random generator from that state."""
        self.draw.set_state(state.cpu())

    def remember_vectors_of(self, dim: int) -> None:
        """Empty the memory, if there is one, and let it hold vectors of a dimension.

        Args:
            dim: The dimension.
        """
        self.held = MemoryBank(self.regions, dim, gather=self.gather) if self.regions else None

    @torch.no_grad()
    def remember(self, tokens: Tensor, labels: Tensor, pictures: Tensor) -> None:
        """Put the mean direction of each label in each picture, and some of its tokens, into the memory.

        Args:
            tokens: (N, D).
            labels: (N,), below 0 for background.
            pictures: (N,), which picture each token is of.
        """
        if self.held is None:
            return
        shown = labels >= 0
        unit, names = normalize(tokens.detach()[shown].float()), labels[shown]
        keys, region = torch.unique(torch.stack([pictures[shown], names], dim=1), dim=0, return_inverse=True)
        kept, codes = [unit[:0]], [names[:0]]
        for number, (_, label) in enumerate(keys.tolist()):
            own = (region == number).nonzero().flatten()
            some = own[torch.randperm(len(own), generator=self.draw)[: self.tokens].to(own.device)]
            kept += [normalize(unit[own].mean(dim=0, keepdim=True)), unit[some]]
            codes.append(names.new_full((1 + len(some),), label))
        self.held.add(torch.cat(kept), torch.cat(codes))

    def compute(self, pairs: Pairs) -> Tensor | None:
        shown = (pairs.labels >= 0).nonzero().flatten()
        if not len(shown):
            return None
        hard = self._hard(pairs.rows.detach()[shown], pairs.labels[shown])
        chosen = shown if self.views is None else shown[self._choose(pairs.labels[shown], hard)]
        rows, labels = pairs.rows[chosen], pairs.labels[chosen]
        others, names = rows, labels
        if self.held is not None and len(self.held):
            past = self.held.references()
            others, names = torch.cat([rows, past[0].to(rows.dtype)]), torch.cat([labels, past[1]])
        few = Pairs(rows, labels, others, names, 0)
        anchors = few.positive.any(dim=1) & few.negative.any(dim=1)
        if not anchors.any():
            return None
        similarity = cosine(rows, others)
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
