"""The part of each batch that one process computes."""

from collections.abc import Iterator
from typing import Any, Protocol

from torch import distributed as dist
from torch.utils.data import Sampler

from omlzoo.catalog import described
from omlzoo.errors import BadInput

__all__ = ["Share"]


class Batches(Protocol):
    """A batch sampler with epochs."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[list[Any]]: ...
    def set_epoch(self, epoch: int) -> None: ...


class Share(Sampler[list[Any]]):
    """The part of one process of each batch of a sampler; all processes together have exactly the sampler's batches.

    A batch is cut into consecutive parts. Where it does not divide evenly, the first parts have one row more. Use it
    with a loss or a memory that gathers.

    Args:
        sampler: A batch sampler, which must have the same seed in every process.
        rank: Number of this process, from 0; None takes it from torch.distributed.
        processes: Number of processes; None takes it from torch.distributed, or is 1 where that is not initialised.
    """

    def __init__(self, sampler: Batches, rank: int | None = None, processes: int | None = None) -> None:
        several = dist.is_available() and dist.is_initialized()
        self.rank = rank if rank is not None else dist.get_rank() if several else 0
        self.processes = processes if processes is not None else dist.get_world_size() if several else 1
        if not 0 <= self.rank < self.processes:
            raise BadInput(f"rank is {self.rank}; it must be between 0 and the number of processes, {self.processes}")
        self.sampler = sampler

    def __repr__(self) -> str:
        return described(self)

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[list[Any]]:
        for batch in self.sampler:
            size, longer = divmod(len(batch), self.processes)
            start = self.rank * size + min(self.rank, longer)
            yield batch[start : start + size + (self.rank < longer)]

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, a number from 0, which must be the same in every process."""
        self.sampler.set_epoch(epoch)
