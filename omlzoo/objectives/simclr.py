"""SimCLR (arXiv 2002.05709) and the longer head of SimCLRv2 (arXiv 2006.10029)."""

from typing import Literal

import torch
from torch import Tensor, nn

from omlzoo.errors import BadInput
from omlzoo.losses._loss import positive_number
from omlzoo.objectives._contrast import info_nce, masks
from omlzoo.objectives._objective import Objective, head
from omlzoo.ops.unit_rows import normalize

__all__ = ["SimCLR"]


class SimCLR(Objective):
    """NT-Xent over all views: two views of a picture are a positive pair, views of other pictures are negative.

    As in the authors' code the value is the sum of the means of both directions, twice that of Lightly's and of
    :class:`omlzoo.losses.NTXentLoss`. With more than two views it is twice the mean over all positive pairs; each
    stands against negatives only, which is not SupCon's denominator. SimCLRv2's memory of keys is not in its code and
    not here.

    Args:
        width: The dimension of the body's embedding.
        version: 1 has two layers in the head, 2 has three; hidden layers are as wide as the embedding.
        temperature: Divides the cosines: 0.1 for ImageNet, 0.5 in the authors' recipe for CIFAR.
        dim: The dimension of the projection.
        gather: Compute over the views of all processes.

    Attributes:
        stats: "positive_cosine", "negative_cosine", "accuracy" (share of pairs above all negatives), "empty_batches".
    """

    def __init__(
        self, width: int, version: Literal[1, 2] = 2, temperature: float = 0.1, dim: int = 128, gather: bool = False
    ) -> None:
        super().__init__(width, gather)
        if version not in (1, 2):
            raise BadInput(f"version is {version}; SimCLR has 1 and 2")
        self.version, self.dim = version, dim
        self.temperature = positive_number("temperature", temperature)

    def make_projector(self) -> nn.Module:
        """Linear layers without bias, each with a batch norm, the last of which has no offset."""
        widths = [self.width] * (self.version + 1) + [self.dim]
        return head("Perceptron", widths, last_norm="gain", deviation=0.01)

    def compute(self, student: list[Tensor], teacher: list[Tensor], ids: Tensor) -> Tensor | None:
        rows = normalize(torch.cat(student))
        value, numbers = info_nce(rows @ rows.T, self.temperature, *masks(ids, len(student)))
        if value is None:
            return None
        self._flat = 2 * numbers.pop("flat")
        self.note(**numbers)
        return 2 * value
