"""Supervised contrastive loss (arXiv 2004.11362), the form with the mean outside the logarithm."""

import torch
from torch import Tensor, nn

from omlzoo.batch import check_batch
from omlzoo.errors import BadInput

__all__ = ["SupConLoss"]


class SupConLoss(nn.Module):
    """Mean over anchors of -mean over their positives p of log(exp(s(a, p)/t) / sum over all others of exp(s/t)).

    s is the cosine; an anchor without a positive in the batch does not count.

    Args:
        temperature: t, above 0.

    Attributes:
        stats: Of the last call: "anchors", "positive_cosine" and "negative_cosine" (means), and "empty_batches",
            counted since the start.
    """

    def __init__(self, temperature: float = 0.1) -> None:
        super().__init__()
        if not temperature > 0:
            raise BadInput(f"temperature is {temperature}; it must be above 0")
        self.temperature = temperature
        self.stats: dict[str, float] = {"empty_batches": 0.0}

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The loss () of embeddings (B, D) with labels (B,); 0 with a gradient of 0 where no label occurs twice.

        Raises:
            BadInput: An embedding is not finite, or the numbers of rows differ.
        """
        check_batch(embeddings, labels)
        itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
        same = labels[:, None] == labels[None, :]
        positive = same & ~itself
        counts = positive.sum(dim=1)  # (B,)
        anchors = counts > 0
        empty = self.stats["empty_batches"] + float(not anchors.any())
        if not anchors.any():
            self.stats = {"anchors": 0.0, "empty_batches": empty}
            return embeddings.sum() * 0
        with torch.autocast(embeddings.device.type, enabled=False):
            kind = torch.float32 if embeddings.dtype in (torch.float16, torch.bfloat16) else embeddings.dtype
            unit = nn.functional.normalize(embeddings.to(kind))
            cosine = unit @ unit.T  # (B, B)
            logits = cosine / self.temperature
            log_shares = logits - logits.masked_fill(itself, -torch.inf).logsumexp(dim=1, keepdim=True)
            values = -log_shares.masked_fill(~positive, 0).sum(dim=1)[anchors] / counts[anchors]
        with torch.no_grad():
            near = cosine[positive].mean().item()
            far = cosine[~same].mean().item() if not same.all() else float("nan")
        self.stats = {
            "anchors": float(anchors.sum()), "positive_cosine": near, "negative_cosine": far, "empty_batches": empty,
        }  # fmt: skip
        return values.mean()
