"""The Poincare ball: a layer and maps onto it, and distances in it by inner products (Hyp-ViT, arXiv 2203.10833)."""

import torch
from torch import Tensor, nn

from omlzoo.errors import BadInput

__all__ = ["PoincareHead", "distances", "to_ball"]

RIM = 1e-3  # points keep this share of the radius away from the boundary
SMALL = 1e-5  # as the authors': added where something is divided, and kept away from 1 in artanh


def to_ball(vectors: Tensor, curvature: float | Tensor = 0.1, clip: float | None = 2.3) -> Tensor:
    """Euclidean vectors (N, D) on the ball of that curvature: shortened, then the exponential map at 0.

    Args:
        vectors: (N, D); half precision is computed and returned in float32.
        curvature: c, above 0; the ball has the radius 1 / sqrt(c).
        clip: Largest length before the map; None does not shorten.

    Returns:
        (N, D), of lengths up to (1 - 0.001) / sqrt(c).
    """
    with torch.autocast(vectors.device.type, enabled=False):
        vectors = vectors if vectors.dtype == torch.float64 else vectors.float()
        if clip is not None:
            vectors = vectors * (clip / (vectors.norm(dim=1, keepdim=True) + SMALL)).clamp(max=1)
        root = curvature**0.5
        lengths = vectors.norm(dim=1, keepdim=True).clamp(min=SMALL)
        points = torch.tanh((root * lengths).clamp(max=15)) * vectors / (root * lengths)
        largest = (1 - RIM) / root
        norms = points.norm(dim=1, keepdim=True).clamp(min=SMALL)
        return torch.where(norms > largest, points / norms * largest, points)


def distances(left: Tensor, right: Tensor, curvature: float | Tensor = 0.1) -> Tensor:
    """Distances (N, M) of points (N, D) and (M, D) of the ball, 2 / sqrt(c) x artanh(sqrt(c) |(-x) + y|).

    The Moebius sum's length is sqrt(|x - y|^2 / (1 - 2c<x, y> + c^2 |x|^2 |y|^2)), so no (N, M, D) is made. The
    products are float64. As the curvature goes to 0, the distance goes to twice the Euclidean one. Equal points have
    distance 0 and gradient 0.
    """
    with torch.autocast(left.device.type, enabled=False):
        kind = left.dtype if left.dtype == torch.float64 else torch.float32
        exact = torch.float32 if left.device.type == "mps" else torch.float64
        left, right = left.to(exact), right.to(exact)
        root = curvature**0.5
        inner = left @ right.T
        lengths = left.square().sum(dim=1)[:, None], right.square().sum(dim=1)[None, :]
        squares = (lengths[0] + lengths[1] - 2 * inner).clamp(min=0)
        below = 1 - 2 * curvature * inner + curvature**2 * lengths[0] * lengths[1]
        apart = squares > 1e-13 * (lengths[0] + lengths[1])
        length = (torch.where(apart, squares, 1.0) * below).sqrt() / (below + SMALL)
        values = 2 / root * torch.atanh((root * length).clamp(max=1 - SMALL))
        return (values * apart).to(kind)


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
