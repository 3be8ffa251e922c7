"""SigLIP's loss (arXiv 2303.15343): each pair of a picture and a text is right or wrong by itself."""

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from omlzoo.catalog import described
from omlzoo.losses._captions import CaptionLoss

__all__ = ["SigLIPLoss"]


class SigLIPLoss(CaptionLoss):
    """Mean over pictures of the sum over the batch's texts of -log sigmoid(z (cosine / t + b)).

    z is 1 where the text is right for the picture, else -1; t and b are learned.

    Args:
        temperature: t at the beginning, above 0.
        bias: b at the beginning; as nearly all pairs are wrong, the paper begins with one that says so.
        gather: Compute over the batches of all processes.

    Attributes:
        log_scale: -log t, a trained parameter.
        offset: b, a trained parameter.
        stats: "temperature", "right_texts" (share of pictures whose nearest text of the batch is one of theirs),
            "right_pictures" (share of texts likewise), "empty_batches".
    """

    def __init__(self, temperature: float = 0.1, bias: float = -10.0, gather: bool = False) -> None:
        super().__init__(temperature, gather)
        self.offset = nn.Parameter(torch.tensor(float(bias)))

    @property
    def bias(self) -> float:
        """b as it is now."""
        return float(self.offset.detach())

    def __repr__(self) -> str:
        rounded = {name: repr(float(f"{getattr(self, name):.6g}")) for name in ("temperature", "bias")}
        return described(self, **rounded)

    def compute(self, cosines: Tensor, same: Tensor) -> Tensor:
        signs = torch.where(same, 1.0, -1.0).to(cosines.dtype)
        return -logsigmoid(signs * (cosines * self.log_scale.exp() + self.offset)).sum(dim=1).mean()
