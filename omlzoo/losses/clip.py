"""CLIP's loss (arXiv 2103.00020): symmetric InfoNCE of pictures and texts with a learned temperature."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from omlzoo.losses._captions import CaptionLoss

__all__ = ["CLIPLoss"]

MOST = 100.0  # the largest scale


class CLIPLoss(CaptionLoss):
    """Mean of the cross entropy of each picture over the batch's texts, and of each text over its pictures.

    A logit is cosine / t. Where several texts are right for a picture, because labels are equal, its target is the
    mean over them, as in UniCL (arXiv 2204.03610). As in the paper, t is learned and not below 0.01.

    Args:
        temperature: t at the beginning, above 0.
        gather: Compute over the batches of all processes.

    Attributes:
        log_scale: -log t, a trained parameter.
        stats: "temperature", "right_texts" (share of pictures whose nearest text of the batch is one of theirs),
            "right_pictures" (share of texts likewise), "empty_batches".
    """

    def __init__(self, temperature: float = 0.07, gather: bool = False) -> None:
        super().__init__(temperature, gather)

    def compute(self, cosines: Tensor, same: Tensor) -> Tensor:
        with torch.no_grad():
            self.log_scale.clamp_(max=float(torch.tensor(MOST).log()))
        logits = cosines * self.log_scale.exp()
        targets = same.to(logits.dtype)
        targets = targets / targets.sum(dim=1, keepdim=True)  # both ways alike: labels of pictures are those of texts
        return (cross_entropy(logits, targets) + cross_entropy(logits.T, targets)) / 2
