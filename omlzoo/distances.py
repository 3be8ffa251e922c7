"""Distances between embeddings, exact in float32, also under autocast."""

import torch
from torch import Tensor

__all__ = ["euclidean"]

RESOLUTION = 1e-13  # squared distances below this share of the squared norms are rounding: the rows are equal


def euclidean(left: Tensor, right: Tensor) -> Tensor:
    """Euclidean distances (N, M) of rows (N, D) and (M, D).

    One matrix product in float64 (float32 where the device has no other), so the memory is N x M and the usual
    cancellation between near rows does not show in float32. Equal rows have distance 0, and the gradient there is 0.
    The result has the inputs' type; half precision gives float32.
    """
    with torch.autocast(left.device.type, enabled=False):
        kind = torch.float32 if left.dtype in (torch.float16, torch.bfloat16) else left.dtype
        exact = torch.float32 if left.device.type == "mps" else torch.float64
        left, right = left.to(exact), right.to(exact)
        norms = left.square().sum(dim=1)[:, None] + right.square().sum(dim=1)[None, :]  # (N, M)
        squares = norms - 2 * left @ right.T
        apart = squares > RESOLUTION * norms
        return torch.where(apart, squares, 1.0).sqrt().mul(apart).to(kind)
