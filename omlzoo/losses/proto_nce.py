"""ProtoNCE (PCL, arXiv 2005.04966): each label has one prototype with its own temperature."""

import torch
from torch import Tensor

from omlzoo.catalog import described
from omlzoo.errors import BadInput
from omlzoo.losses._loss import Loss, positive_number
from omlzoo.ops.distances import cosine
from omlzoo.ops.pairs import Pairs, check_batch, check_codes, label_means
from omlzoo.ops.unit_rows import normalize

__all__ = ["ProtoNCE"]


class ProtoNCE(Loss):
    """Mean over items of -log(exp(s(v, p)/phi_p) / sum over known prototypes j of exp(s(v, p_j)/phi_j)).

    s is the cosine. phi is the concentration of a label's items, which is small where they are many and near their
    prototype. In training mode each batch moves the prototypes of its labels; :meth:`fit` sets them from all
    embeddings, as PCL does every epoch. The labels may be numbers of clusters.

    Args:
        dim: D, the dimension of the embeddings.
        n_labels: The number of labels; labels are 0 to n_labels - 1.
        temperature: Mean of the concentrations, above 0.
        alpha: Smooths the concentration of labels with few items, above 0.
        momentum: Share of the old prototype that is kept when a label comes again, in [0, 1).
        gather: Compute over the batches of all processes.

    Attributes:
        prototypes: (n_labels, D), with L2 norm 1; part of the state dict, as are the two below.
        spread: (n_labels,), mean distance of a label's items to its prototype.
        counts: (n_labels,), the number of items of a label so far.
        stats: "known_labels" (how many labels have a prototype), "accuracy" (share of items classified right),
            "concentration" (mean), "empty_batches".
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
        """Set the prototypes and concentrations from all embeddings, replacing the earlier ones.

        As in PCL, the spread is measured to the mean of the normalized embeddings, which is normalized afterwards.

        Args:
            embeddings: (N, D), float.
            labels: (N,), integer, from 0 to n_labels - 1.

        Raises:
            BadInput: An embedding is not finite or above 1e15, or a label is not below n_labels.
        """
        check_batch(embeddings, labels)
        codes = check_codes(labels, len(self.counts))
        names, means, spread, counts = _clusters(embeddings, codes)
        self.counts.zero_()
        self.counts[names] = counts
        self.spread[names] = spread
        self.prototypes[names] = normalize(means)

    def concentrations(self) -> Tensor:
        """The concentrations phi (K,) of the known labels, in ascending order of the labels.

        They are spread / log(items + alpha). Labels with one item get the largest of these values. The values are
        clipped to their 10th and 90th percentiles, divided by their mean and multiplied by the temperature.
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
        """Move the prototypes of the batch's labels; in eval mode only those of new labels are set."""
        if not self.training and (self.counts[codes] > 0).all():
            return  # to scale them once more would change their last bits
        names, means, spread, counts = _clusters(rows, codes)
        stays = (self.counts[names] > 0).float() * (self.momentum if self.training else 1.0)
        moved = stays[:, None] * self.prototypes[names] + (1 - stays)[:, None] * means
        self.prototypes[names] = normalize(moved)
        self.spread[names] = stays * self.spread[names] + (1 - stays) * spread
        self.counts[names] += counts * ((stays < 1) | (self.counts[names] == 0))


def _clusters(rows: Tensor, codes: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Labels, the means of their normalized rows, the mean distances to these means, and the numbers of rows."""
    unit = normalize(rows.float())
    names, means, indices, counts = label_means(unit, codes)
    far = (unit - means[indices]).norm(dim=1)
    return names, means, far.new_zeros(len(names)).index_add(0, indices, far) / counts, counts
