"""ProtoNCE (PCL, arXiv 2005.04966) with one prototype for each label and a temperature of its own."""

import torch
from torch import Tensor

from omlzoo.catalog import described
from omlzoo.errors import BadInput
from omlzoo.losses._loss import Loss, positive_number
from omlzoo.ops.distances import cosine
from omlzoo.ops.pairs import Pairs, check_codes, label_means

__all__ = ["ProtoNCE"]


class ProtoNCE(Loss):
    """Mean over items of -log(exp(s(v, p)/phi_p) / sum over known prototypes j of exp(s(v, p_j)/phi_j)).

    s is the cosine. phi is the concentration of a label's items: small where they are near their prototype and many. In
    training each batch moves the prototypes of its labels; :meth:`fit` sets them from all embeddings, as PCL does every
    epoch. Labels may be clusters.

    Args:
        dim: D, of the embeddings.
        n_labels: How many; labels are 0 to n_labels - 1.
        temperature: Mean of the concentrations, above 0.
        alpha: Smooths the concentration of labels with few items, above 0.
        momentum: Share of the old prototype that stays when a label is seen again, in [0, 1).
        gather: Compute over the batches of all processes.

    Attributes:
        prototypes: (n_labels, D), of length 1, saved with the loss.
        spread: (n_labels,), mean distance of a label's items to its prototype.
        counts: (n_labels,), items seen.
        stats: "known_labels", "accuracy", "concentration" (mean), "empty_batches".
    """

    references = False
    prototypes: Tensor
    spread: Tensor
    counts: Tensor

    def __init__(
        self, dim: int, n_labels: int, temperature: float = 0.1, alpha: float = 10.0, momentum: float = 0.9,
        gather: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(gather)
        if dim < 1 or n_labels < 1 or not 0 <= momentum < 1:
            raise BadInput(f"dim {dim} and n_labels {n_labels} must be 1 or more, momentum {momentum} in [0, 1)")
        self.temperature, self.alpha = positive_number("temperature", temperature), positive_number("alpha", alpha)
        self.momentum = momentum
        self.register_buffer("prototypes", torch.zeros(n_labels, dim))
        self.register_buffer("spread", torch.zeros(n_labels))
        self.register_buffer("counts", torch.zeros(n_labels, dtype=torch.long))

    def __repr__(self) -> str:
        n_labels, dim = self.prototypes.shape
        return described(self, dim=str(dim), n_labels=str(n_labels))

    @torch.no_grad()
    def fit(self, embeddings: Tensor, labels: Tensor) -> None:
        """Set prototypes and concentrations from embeddings (N, D) with labels (N,), forgetting the earlier ones.

        As PCL does: the spread is measured to the mean of the unit vectors, which is divided by its norm afterwards.
        """
        codes = check_codes(labels, len(self.counts))
        names, means, spread, counts = _clusters(embeddings, codes)
        self.counts.zero_()
        self.counts[names] = counts
        self.spread[names] = spread
        self.prototypes[names] = torch.nn.functional.normalize(means)

    def concentrations(self) -> Tensor:
        """phi of the known labels, in their order.

        spread / log(items + alpha); of labels with one item the largest; cut to the 10th to 90th percentile; divided by
        the mean and multiplied by the temperature.
        """
        known = self.counts > 0
        counts = self.counts[known]
        values = self.spread[known] / (counts + self.alpha).log()
        values = torch.where(counts > 1, values, values.max())
        low, high = values.quantile(0.1), values.quantile(0.9)
        values = values.clamp(low, high)
        if not values.mean() > 0:  # no label has a spread yet
            return torch.full_like(values, self.temperature)
        return self.temperature * values / values.mean()

    def compute(self, pairs: Pairs) -> Tensor | None:
        codes = check_codes(pairs.labels, len(self.counts))
        if not len(codes):
            return None
        self._learn(pairs.rows.detach(), codes)
        known = (self.counts > 0).nonzero().flatten()
        phi = self.concentrations().clamp(min=1e-3).to(pairs.rows.dtype)
        logits = cosine(pairs.rows, self.prototypes[known].to(pairs.rows.dtype)) / phi
        targets = torch.searchsorted(known, codes)
        accuracy = (logits.argmax(dim=1) == targets).float().mean()
        self.note(known_labels=len(known), accuracy=accuracy, concentration=phi.mean())
        return torch.nn.functional.cross_entropy(logits, targets)

    @torch.no_grad()
    def _learn(self, rows: Tensor, codes: Tensor) -> None:
        """Move the prototypes of the batch's labels; in eval mode only labels never seen are set."""
        names, means, spread, counts = _clusters(rows, codes)
        stays = (self.counts[names] > 0).float() * (self.momentum if self.training else 1.0)
        moved = stays[:, None] * self.prototypes[names] + (1 - stays)[:, None] * means
        self.prototypes[names] = torch.nn.functional.normalize(moved)
        self.spread[names] = stays * self.spread[names] + (1 - stays) * spread
        self.counts[names] += counts * ((stays < 1) | (self.counts[names] == 0))


def _clusters(rows: Tensor, codes: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Labels, means of their unit vectors, mean distances to these, and numbers of rows."""
    unit = torch.nn.functional.normalize(rows.float())
    names, means, indices, counts = label_means(unit, codes)
    far = (unit - means[indices]).norm(dim=1)
    return names, means, far.new_zeros(len(names)).index_add(0, indices, far) / counts, counts
