"""The batches of all processes as one, with gradients; without several processes, nothing happens."""

from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

__all__ = ["gather", "processes"]


def processes() -> int:
    """How many there are."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def gather(embeddings: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The embeddings (N, D) and labels (N,) of all processes, in the order of their ranks.

    Each process may have another number of rows, none included. Every process then computes the loss of the whole
    batch. In the backward pass each receives the gradient of its own rows times the number of processes, which the mean
    over processes of DistributedDataParallel divides out again: the parameters get the gradient of the whole batch.
    """
    if processes() == 1:
        return embeddings, labels
    sizes = torch.zeros(processes(), dtype=torch.long, device=labels.device)
    sizes[dist.get_rank()] = len(labels)
    dist.all_reduce(sizes)
    counts = sizes.tolist()
    every: Tensor = _Gather.apply(embeddings, counts)
    return every, _all_rows(labels, counts)


def _all_rows(rows: Tensor, counts: list[int]) -> Tensor:
    """Rows (n, ...) of all processes, padded to the longest on the way."""
    padded = rows.new_zeros(max(counts), *rows.shape[1:])
    padded[: len(rows)] = rows
    parts = [torch.empty_like(padded) for _ in counts]
    dist.all_gather(parts, padded.contiguous())
    return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])


class _Gather(torch.autograd.Function):
    """Forward: rows of all processes. Backward: the sum over processes of the gradients of one's own rows."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, counts: list[int]) -> Tensor:
        ctx.counts = counts
        return _all_rows(rows, counts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        gradient = gradients[0].contiguous().clone()
        dist.all_reduce(gradient)
        start = sum(ctx.counts[: dist.get_rank()])
        return gradient[start : start + ctx.counts[dist.get_rank()]], None
