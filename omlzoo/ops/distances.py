"""Distances and similarities between embeddings, exact in float32, also under autocast."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["cosine", "euclidean", "normalize"]

RESOLUTION = 1e-13  # squared distances below this share of the squared norms are rounding: the rows are equal
SHORTEST = 1e-12  # length below which a row has no direction


def euclidean(left: Tensor, right: Tensor) -> Tensor:
    """Euclidean distances (N, M) of rows (N, D) and (M, D).

    One matrix product in float64 (float32 where the device has no other), so the memory is N x M and the usual
    cancellation between near rows does not show in float32. Equal rows have distance 0, and the gradient there is 0.
    The result has the inputs' type; half precision gives float32.
    """
    with torch.autocast(left.device.type, enabled=False):
        found: Tensor = _Euclidean.apply(left, None if right is left else right)
        return found


class _Euclidean(torch.autograd.Function):
    """The distances and their gradient, without the (N, M) intermediates that autograd would keep."""

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
        found = squares.to(kind).sqrt_()
        ctx.itself = right is None
        ctx.save_for_backward(left, left if right is None else right, found)
        return found

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None]:
        left, right, found = ctx.saved_tensors
        exact = torch.float32 if left.device.type == "mps" else torch.float64
        pull = (gradients[0] / found).masked_fill_(found == 0, 0).to(exact)  # (N, M): along left - right
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
    """Set squared distances (N, M) to 0, in place, where they are no more than rounding."""
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
    """Cosines (N, M) of rows (N, D) and (M, D); a zero row has cosine 0 with everything, and no gradient."""
    return normalize(left) @ normalize(right).T


def normalize(rows: Tensor) -> Tensor:
    """The rows (N, D) with length 1; a row shorter than 1e-12 becomes 0 and has no gradient."""
    found: Tensor = _Normalize.apply(rows)
    return found


class _Normalize(torch.autograd.Function):
    """With the gradient in three passes; a table of proxies is large."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        norms = rows.norm(dim=1, keepdim=True)
        inverse = torch.where(norms > SHORTEST, 1 / norms, 0)  # (N, 1)
        found = rows * inverse
        ctx.save_for_backward(found, inverse)
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        unit, inverse = ctx.saved_tensors
        along = (gradients[0] * unit).sum(dim=1, keepdim=True)
        return torch.addcmul(gradients[0], unit, along, value=-1).mul_(inverse)
