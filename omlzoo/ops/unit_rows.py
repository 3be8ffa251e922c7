"""Rows of tensors scaled to L2 norm 1, with a gradient, right for numbers of every size that float32 holds."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from omlzoo.ops.directions import LARGE, SMALL

__all__ = ["normalize"]


def normalize(rows: Tensor) -> Tensor:
    """The rows (N, D) scaled to L2 norm 1; a row of zeros stays 0. Rows shorter than 1e-12 have gradient 0.

    Their gradient would be larger than 1e12, so that one step would destroy the weights.
    """
    unit: Tensor = _Normalize.apply(rows)
    return unit


class _Normalize(torch.autograd.Function):
    """Normalization whose gradient passes over the rows only three times, because tables of proxies are large."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        kind = torch.float32 if rows.dtype in (torch.float16, torch.bfloat16) else rows.dtype
        norms = torch.linalg.vector_norm(rows, dim=1, keepdim=True, dtype=kind)
        inverse = torch.where(norms > SMALL, 1 / norms, 0)  # (N, 1)
        unit = (rows * inverse).to(rows.dtype)
        within = (norms > SMALL) & (norms < LARGE)
        if not within.all():
            _scaled_first(rows, unit, inverse, ~within[:, 0])
        ctx.save_for_backward(unit, inverse)
        return unit

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        unit, inverse = ctx.saved_tensors
        along = (gradients[0] * unit).sum(dim=1, keepdim=True)
        return torch.addcmul(gradients[0], unit, along, value=-1).mul_(inverse)


def _scaled_first(rows: Tensor, unit: Tensor, inverse: Tensor, extreme: Tensor) -> None:
    """Set the directions and the inverse norms (N, 1) of the extreme rows (N,) bool, in place."""
    chosen = rows[extreme].to(inverse.dtype)
    largest = chosen.abs().amax(dim=1, keepdim=True)
    chosen = chosen / torch.where(largest > 0, largest, 1)
    norms = chosen.norm(dim=1, keepdim=True)
    unit[extreme] = (chosen / torch.where(norms > 0, norms, 1)).to(unit.dtype)
    inverse[extreme] = torch.where(largest * norms > SMALL, 1 / norms / largest, 0)
