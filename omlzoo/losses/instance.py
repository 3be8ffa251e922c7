"""Instance loss (Dual-Path Convolutional Image-Text Embeddings, arXiv 1711.05535)."""

import torch
from torch import Tensor, nn

from omlzoo.catalog import described
from omlzoo.errors import BadInput
from omlzoo.losses._loss import Loss
from omlzoo.ops.pairs import Pairs, check_codes

__all__ = ["InstanceLoss"]


class InstanceLoss(Loss):
    """Cross-entropy of W x, a softmax over learned rows W, one for each label, without norms, bias, scale or margin.

    Every instance is a label of its own there: a picture with its captions, or with its other views. Both towers learn
    the same W, so call it with their embeddings joined: ``loss(torch.cat([images, texts]), labels.repeat(2))``.
    PyTorch Metric Learning's loss of that name has no W: its scores are the cosines within the batch, and its target
    the row whose number is the rank of the label; ours follows the paper's equation.

    Args:
        dim: D, the dimension of the embeddings.
        n_labels: The number of labels; labels are 0 to n_labels - 1.
        gather: Compute over the batches of all processes.

    Attributes:
        weight: (n_labels, D), a trained parameter.
        stats: "accuracy" (share of items whose own label has the largest score), "empty_batches".
    """

    references = False
    choosing = False

    def __init__(self, dim: int, n_labels: int, gather: bool = False) -> None:
        super().__init__(gather)
        if dim < 1 or n_labels < 1:
            raise BadInput(f"dim {dim} and n_labels {n_labels} must be 1 or more")
        self.n_labels = n_labels
        self.weight = nn.Parameter(torch.empty(n_labels, dim))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)

    def __repr__(self) -> str:
        return described(self, dim=str(self.weight.shape[1]))

    def compute(self, pairs: Pairs) -> Tensor | None:
        labels = check_codes(pairs.labels, self.n_labels)
        scores = pairs.rows @ self.weight.to(pairs.rows.dtype).T
        self.note(accuracy=(scores.detach().argmax(dim=1) == labels).float().mean())
        return nn.functional.cross_entropy(scores, labels)
