"""The Poincare ball: maps onto it and distances in it (Hyp-ViT, arXiv 2203.10833), in inner products only."""

import torch
from torch import Tensor

__all__ = ["distances", "to_ball"]

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
