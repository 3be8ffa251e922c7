"""OpenAI's "QuickGELU", the activation of their CLIP (arXiv 2103.00020)."""

import torch
from torch import Tensor, nn

__all__ = ["QuickGELU"]


class QuickGELU(nn.Module):
    """x sigmoid(1.702 x), which is near the GELU."""

    def forward(self, numbers: Tensor) -> Tensor:
        """The activation of each number."""
        return numbers * torch.sigmoid(1.702 * numbers)
