"""Losses with learned points of each label: ProxyNCA++ (arXiv 2004.01113) and SoftTriple (arXiv 1909.05235)."""

import torch
from torch import Tensor, nn

from omlzoo.catalog import described
from omlzoo.errors import BadInput
from omlzoo.losses._loss import Loss, positive_number
from omlzoo.ops.distances import cosine
from omlzoo.ops.pairs import Pairs, check_codes

__all__ = ["ProxyNCALoss", "SoftTripleLoss"]


class ProxyNCALoss(Loss):
    """Mean of -log(exp(-a d(x, p)) / sum over all proxies of exp(-a d)), d the squared distance of unit vectors.

    The own proxy is in the sum, as in ProxyNCA++, whose temperature is 1 / a; its authors recommend a = 9.

    Args:
        dim: D, the dimension of the embeddings.
        n_labels: The number of labels; labels are 0 to n_labels - 1.
        scale: a, above 0.
        gather: Compute over the batches of all processes.

    Attributes:
        proxies: (n_labels, D), a trained parameter; its learning rate is usually a hundred times that of the model.
        stats: "right_cosine" and "other_cosine" (means to the own proxy and to the others), "empty_batches".
    """

    references = False

    def __init__(self, dim: int, n_labels: int, scale: float = 9.0, gather: bool = False) -> None:
        super().__init__(gather)
        if dim < 1 or n_labels < 1:
            raise BadInput(f"dim {dim} and n_labels {n_labels} must be 1 or more")
        self.n_labels, self.scale = n_labels, positive_number("scale", scale)
        self.proxies = nn.Parameter(torch.empty(n_labels, dim))
        nn.init.kaiming_normal_(self.proxies, mode="fan_out")

    def __repr__(self) -> str:
        return described(self, dim=str(self.proxies.shape[1]))

    def compute(self, pairs: Pairs) -> Tensor | None:
        labels = check_codes(pairs.labels, self.n_labels)
        similarity = cosine(pairs.rows, self.proxies.to(pairs.rows.dtype))
        self.note(**_right_and_other(similarity, labels))
        return nn.functional.cross_entropy(2 * self.scale * similarity, labels)  # -a d is 2 a s - 2 a


class SoftTripleLoss(Loss):
    """Cross-entropy of l (s(x, c) - margin of the own label), s(x, c) a soft maximum over the centers of label c.

    Each label has several centers. Its similarity is the sum of their cosines, weighed by the softmax of them / gamma.

    Args:
        dim: D, the dimension of the embeddings.
        n_labels: The number of labels; labels are 0 to n_labels - 1.
        centers: Number of centers of each label, 1 or more.
        scale: l, above 0.
        gamma: Temperature of the softmax over centers, above 0.
        margin: Is taken from the similarity to the own label, 0 or more.
        gather: Compute over the batches of all processes.

    Attributes:
        points: (n_labels * centers, D), a trained parameter, the centers of label 0 first.
        stats: "right_cosine" and "other_cosine" (means of s to the own label and to the others), "empty_batches".
    """

    references = False

    def __init__(
        self, dim: int, n_labels: int, centers: int = 10, scale: float = 20.0, gamma: float = 0.1, margin: float = 0.01,
        gather: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(gather)
        if dim < 1 or n_labels < 1 or centers < 1 or not margin >= 0:
            given = f"dim {dim}, n_labels {n_labels} and centers {centers}"
            raise BadInput(f"{given} must be 1 or more, margin {margin} must be 0 or more")
        self.n_labels, self.centers, self.margin = n_labels, centers, margin
        self.scale, self.gamma = positive_number("scale", scale), positive_number("gamma", gamma)
        self.points = nn.Parameter(torch.empty(n_labels * centers, dim))
        nn.init.kaiming_uniform_(self.points, a=5**0.5)

    def __repr__(self) -> str:
        return described(self, dim=str(self.points.shape[1]))

    def compute(self, pairs: Pairs) -> Tensor | None:
        labels = check_codes(pairs.labels, self.n_labels)
        each = cosine(pairs.rows, self.points.to(pairs.rows.dtype)).reshape(-1, self.n_labels, self.centers)
        similarity = ((each / self.gamma).softmax(dim=2) * each).sum(dim=2)
        self.note(**_right_and_other(similarity, labels))
        own = nn.functional.one_hot(labels, self.n_labels)
        return nn.functional.cross_entropy(self.scale * (similarity - self.margin * own), labels)


def _right_and_other(similarity: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Means of (B, L) similarities to the own label and to the others."""
    right = similarity.detach().gather(1, labels[:, None])
    others = similarity.numel() - len(labels)
    return {"right_cosine": right.mean(), "other_cosine": (similarity.detach().sum() - right.sum()) / max(1, others)}
