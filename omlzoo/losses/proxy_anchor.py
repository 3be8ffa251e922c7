"""Proxy-anchor loss (arXiv 2003.13911)."""

import torch
from torch import Tensor, nn

from omlzoo.catalog import described
from omlzoo.errors import BadInput
from omlzoo.losses._loss import Loss, positive_number
from omlzoo.ops.distances import cosine
from omlzoo.ops.logsumexp import log_one_plus
from omlzoo.ops.pairs import Pairs, check_codes

__all__ = ["ProxyAnchorLoss"]


class ProxyAnchorLoss(Loss):
    """The mean over proxies of log(1 + sum over positives of exp(-a (s - m))), plus a mean for their negatives.

    Each label has a proxy, which serves as the anchor; s is its cosine to an item of the batch. The first mean is over
    the proxies that have positives in the batch. The second mean is over all proxies, of
    log(1 + sum over negatives of exp(a (s + m))).

    Args:
        dim: D, the dimension of the embeddings.
        n_labels: The number of labels; labels are 0 to n_labels - 1.
        margin: m, a difference of cosines, 0 or more.
        scale: a, above 0.
        gather: Compute over the batches of all processes.

    Attributes:
        proxies: (n_labels, D), a trained parameter; its learning rate is usually a hundred times that of the model.
        stats: "proxies" (how many have items in the batch), "right_cosine" and "other_cosine" (means over items of the
            cosine to their own proxy and to others), "empty_batches".
    """

    references = False

    def __init__(self, dim: int, n_labels: int, margin: float = 0.1, scale: float = 32.0, gather: bool = False) -> None:
        super().__init__(gather)
        if dim < 1 or n_labels < 1 or not margin >= 0:
            raise BadInput(f"dim {dim} and n_labels {n_labels} must be 1 or more, margin {margin} must be 0 or more")
        self.n_labels, self.margin, self.scale = n_labels, margin, positive_number("scale", scale)
        self.proxies = nn.Parameter(torch.empty(n_labels, dim))
        nn.init.kaiming_normal_(self.proxies, mode="fan_out")

    def __repr__(self) -> str:
        return described(self, dim=str(self.proxies.shape[1]))

    def compute(self, pairs: Pairs) -> Tensor | None:
        labels = check_codes(pairs.labels, self.n_labels)
        if not len(labels):
            return None
        similarity = cosine(self.proxies.to(pairs.rows.dtype), pairs.rows)  # (n_labels, B)
        items = torch.arange(len(labels), device=labels.device)
        # (B,), the cosine of each item to its own proxy
        right = similarity.flatten().index_select(0, labels * len(labels) + items)
        present = torch.unique(labels)
        near = log_one_plus(-self.scale * (right - self.margin)[None, :], labels[None, :] == present[:, None])
        far = (similarity + self.margin) * self.scale
        far[labels, items] = torch.finfo(far.dtype).min / 4  # not infinite, because all items may belong to one proxy
        with torch.no_grad():
            others = (similarity.sum() - right.sum()) / (similarity.numel() - len(labels))
        self.note(proxies=len(present), right_cosine=right.mean(), other_cosine=others)
        return near.mean() + log_one_plus(far).mean()
