"""Heads on top of an extractor, for training in another geometry."""

import torch
from torch import Tensor, nn

from omlzoo.errors import BadInput
from omlzoo.ops.poincare import to_ball

__all__ = ["PoincareHead"]


class PoincareHead(nn.Module):
    """A linear layer, orthogonal at first, onto the Poincare ball (Hyp-ViT, arXiv 2203.10833).

    Give its output to ``HyperbolicContrastive(clip=None)`` with the same curvature.

    Args:
        width: Of the vectors it takes.
        dim: Of the points it gives.
        curvature: c, above 0; where it is learned, the first value.
        clip: Largest Euclidean length before the map.
        learn_curvature: Whether c is a parameter, kept above 0 by its logarithm.
    """

    def __init__(
        self, width: int, dim: int = 128, curvature: float = 0.1, clip: float = 2.3, learn_curvature: bool = False
    ) -> None:
        super().__init__()
        if not (curvature > 0 and clip > 0):
            raise BadInput(f"curvature is {curvature} and clip {clip}; both must be above 0")
        self.linear = nn.Linear(width, dim)
        nn.init.orthogonal_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.clip = clip
        self.log_curvature = nn.Parameter(torch.tensor(curvature).log(), requires_grad=learn_curvature)

    @property
    def curvature(self) -> Tensor:
        """c, a tensor ()."""
        return self.log_curvature.exp()

    def forward(self, vectors: Tensor) -> Tensor:
        """Points (B, dim) of vectors (B, width), float32 also under autocast."""
        return to_ball(self.linear(vectors), self.curvature, self.clip)
