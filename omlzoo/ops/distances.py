"""Distances and similarities between embeddings, exact in float32, also under autocast."""

from typing import Any

import torch
from torch import Tensor

from omlzoo.ops.unit_rows import normalize

__all__ = ["cosine", "euclidean"]

RESOLUTION = 1e-13  # squared distances below this share of the squared norms are rounding errors: the rows are equal


def euclidean(left: Tensor, right: Tensor) -> Tensor:
    """Euclidean distances (N, M) of rows (N, D) and (M, D).

    They are computed by one matrix product in float64 (in float32 on devices without float64), so that the memory is
    N x M and the cancellation between near rows does not show in float32. Equal rows have distance 0, and the gradient
    there is 0. The result has the inputs' type; half precision gives float32.

    Args:
        left: (N, D), float.
        right: (M, D), float. Pass the same tensor as ``left`` for distances within one set of rows, which is cheaper
            and makes the diagonal exactly 0.
    """
    with torch.autocast(left.device.type, enabled=False):
        distances: Tensor = _Euclidean.apply(left, None if right is left else right)
        return distances


class _Euclidean(torch.autograd.Function):
    """Distances whose gradient needs none of the intermediate tensors (N, M) that autograd would keep."""

    @staticmethod
    def forward(ctx: Any, left: Tensor, right: Tensor | None) -> Tensor:
        kind = torch.float32 if left.dtype in (torch.float16, torch.bfloat16) else left.dtype
        exact = torch.float32 if left.device.type == "mps" else torch.float64
        rows = left.to(exact)
        others = rows if right is None else right.to(exact)
        left_norms = rows.square().sum(dim=1)  # (N,), squared
        right_norms = left_norms if right is None else others.square().sum(dim=1)
        squares = torch.addmm(right_norms[None, :], rows, others.T, alpha=-2).add_(left_norms[:, None])
        if squares.numel():
            _round_to_zero(squares, left_norms, right_norms, right is None)
        distances = squares.sqrt_().to(kind)  # the root first: squares of large or small distances leave float32
        ctx.itself = right is None
        ctx.save_for_backward(left, left if right is None else right, distances)
        return distances

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None]:
        left, right, distances = ctx.saved_tensors
        exact = torch.float32 if left.device.type == "mps" else torch.float64
        # (N, M), the factors of left - right
        pull = (gradients[0].to(exact) / distances).masked_fill_(distances == 0, 0)
        if ctx.itself:
            pull = pull + pull.T
        rows, others = left.to(exact), right.to(exact)
        first = second = None
        if ctx.needs_input_grad[0]:
            first = (rows * pull.sum(dim=1)[:, None]).addmm_(pull, others, alpha=-1).to(left.dtype)
        if not ctx.itself and ctx.needs_input_grad[1]:
            second = (others * pull.sum(dim=0)[:, None]).addmm_(pull.T, rows, alpha=-1).to(right.dtype)
        return first, second


def _round_to_zero(squares: Tensor, left_norms: Tensor, right_norms: Tensor, itself: bool) -> None:
    """Set squared distances (N, M) to 0, in place, where they are no larger than the rounding error."""
    largest = RESOLUTION * (left_norms.amax() + right_norms.amax())
    if itself:
        squares.fill_diagonal_(torch.inf)
    if squares.amin() <= largest:  # there may be equal rows
        rows, columns = (squares <= largest).nonzero(as_tuple=True)  # few, if any
        kept = squares[rows, columns] > RESOLUTION * (left_norms[rows] + right_norms[columns])
        squares[rows[~kept], columns[~kept]] = 0
    if itself:
        squares.fill_diagonal_(0)


def cosine(left: Tensor, right: Tensor) -> Tensor:
    """Cosines (N, M) of rows (N, D) and (M, D).

    A row of zeros has cosine 0 with every other row; rows shorter than 1e-12 have gradient 0.

    Args:
        left: (N, D), float.
        right: (M, D), float.
    """
    return normalize(left) @ normalize(right).T
