"""The Poincare ball (Hyp-ViT, arXiv 2203.10833): maps onto it, distances in it, and a layer that outputs its points."""

import torch
from torch import Tensor, nn

from omlzoo.errors import BadInput

__all__ = ["PoincareHead", "distances", "to_ball"]

RIM = 1e-3  # points stay away from the boundary by this share of the radius
SMALL = 1e-5  # the authors' value: added to denominators, and the distance to 1 that the argument of artanh keeps


def to_ball(vectors: Tensor, curvature: float | Tensor = 0.1, clip: float | None = 2.3) -> Tensor:
    """Map Euclidean vectors onto the ball: clip their L2 norm, then apply the exponential map at 0.

    Args:
        vectors: (N, D); half precision is computed and returned in float32.
        curvature: c, above 0; the ball has the radius 1 / sqrt(c).
        clip: The L2 norm that larger norms are reduced to before the map; None does not reduce them.

    Returns:
        (N, D), with L2 norms up to (1 - 0.001) / sqrt(c).
    """
    with torch.autocast(vectors.device.type, enabled=False):
        vectors = vectors if vectors.dtype == torch.float64 else vectors.float()
        if clip is not None:
            vectors = vectors * (clip / (vectors.norm(dim=1, keepdim=True) + SMALL)).clamp(max=1)
        root = curvature**0.5
        norms = vectors.norm(dim=1, keepdim=True).clamp(min=SMALL)
        points = torch.tanh((root * norms).clamp(max=15)) * vectors / (root * norms)
        largest = (1 - RIM) / root
        norms = points.norm(dim=1, keepdim=True).clamp(min=SMALL)
        return torch.where(norms > largest, points / norms * largest, points)


def distances(left: Tensor, right: Tensor, curvature: float | Tensor = 0.1) -> Tensor:
    """Hyperbolic distances (N, M) of points of the ball, 2 / sqrt(c) x artanh(sqrt(c) |(-x) + y|).

    The sum is the Moebius sum, whose L2 norm is sqrt(|x - y|^2 / (1 - 2c<x, y> + c^2 |x|^2 |y|^2)), so that no tensor
    (N, M, D) is needed. The products are computed in float64. As the curvature approaches 0, the distance approaches
    twice the Euclidean distance. Equal points have distance 0 and gradient 0.

    Args:
        left: (N, D), points of the ball, as :func:`to_ball` returns them.
        right: (M, D), points of the same ball.
        curvature: c, above 0, the same as in :func:`to_ball`.
    """
    with torch.autocast(left.device.type, enabled=False):
        kind = left.dtype if left.dtype == torch.float64 else torch.float32
        exact = torch.float32 if left.device.type == "mps" else torch.float64
        left, right = left.to(exact), right.to(exact)
        root = curvature**0.5
        inner = left @ right.T
        squared_norms = left.square().sum(dim=1)[:, None], right.square().sum(dim=1)[None, :]
        squares = (squared_norms[0] + squared_norms[1] - 2 * inner).clamp(min=0)
        below = 1 - 2 * curvature * inner + curvature**2 * squared_norms[0] * squared_norms[1]
        apart = squares > 1e-13 * (squared_norms[0] + squared_norms[1])
        norm_of_sum = (torch.where(apart, squares, 1.0) * below).sqrt() / (below + SMALL)
        values = 2 / root * torch.atanh((root * norm_of_sum).clamp(max=1 - SMALL))
        return (values * apart).to(kind)


class PoincareHead(nn.Module):
    """A linear layer, initialised as orthogonal, followed by the map onto the Poincare ball (arXiv 2203.10833).

    Pass its output to ``HyperbolicContrastive(clip=None)`` with the same curvature.

    Args:
        width: Dimension of the input vectors.
        dim: Dimension of the points that it returns.
        curvature: c, above 0; the initial value where it is learned.
        clip: The L2 norm that larger norms are reduced to before the map, above 0.
        learn_curvature: Whether c is a trained parameter. Its logarithm is trained, so that c stays above 0.
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
        """Points (B, dim) of the ball for vectors (B, width), in float32 also under autocast."""
        return to_ball(self.linear(vectors), self.curvature, self.clip)
