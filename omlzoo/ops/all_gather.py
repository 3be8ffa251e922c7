"""Gathering the batches of all processes into one, with gradients; a single process gets its own batch back."""

from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

__all__ = ["gather", "processes"]


def processes() -> int:
    """The number of processes of torch.distributed; 1 where it is not initialised."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def gather(embeddings: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The embeddings (N, D) and labels (N,) of all processes, in the order of their ranks.

    The processes may have different numbers of rows, and some may have none. Every process then computes the loss of
    the whole batch. In the backward pass each process receives the gradient of its own rows times the number of
    processes. DistributedDataParallel divides by that number when it averages over processes, so the parameters get the
    gradient of the whole batch.

    Args:
        embeddings: (B, D) of this process, float; D is the same in all processes.
        labels: (B,) of this process, integer.
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
    """Rows (n, ...) of all processes; for the exchange they are padded to the largest number of rows of a process."""
    padded = rows.new_zeros(max(counts), *rows.shape[1:])
    padded[: len(rows)] = rows
    parts = [torch.empty_like(padded) for _ in counts]
    dist.all_gather(parts, padded.contiguous())
    return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])


class _Gather(torch.autograd.Function):
    """Forward: the rows of all processes. Backward: the gradients of this process's rows, summed over all processes."""

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
