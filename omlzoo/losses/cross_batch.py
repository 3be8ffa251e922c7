"""Any loss over the batch and a memory of embeddings of earlier batches (arXiv 1912.06798)."""

import torch
from torch import Tensor, nn

from omlzoo.catalog import described
from omlzoo.errors import BadInput
from omlzoo.losses._loss import Loss
from omlzoo.memory import MemoryBank
from omlzoo.ops.all_gather import gather
from omlzoo.ops.pairs import check_batch

__all__ = ["CrossBatch"]


class CrossBatch(nn.Module):
    """A loss whose anchors come from the batch, and whose positives and negatives come from the batch and a memory.

    In training mode the batch is added to the memory afterwards.

    Args:
        loss: A loss that can compare a batch with references and that does not gather itself.
        memory: The memory. With ``MemoryBank(..., gather=True)`` the loss is computed over the batches of all
            processes.
        after: The number of batches that the memory collects before the loss uses it, 0 or more.

    Attributes:
        stats: Those of the loss, and "memory" (the number of embeddings in the memory) and "staleness" (their mean age
            in batches).
    """

    def __init__(self, loss: Loss, memory: MemoryBank, after: int = 0) -> None:
        super().__init__()
        if not loss.references or loss.gather:
            raise BadInput(
                f"{type(loss).__name__} {'gathers' if loss.gather else 'takes no references'}; give one that takes "
                "references, and gather with the memory: MemoryBank(..., gather=True)"
            )
        if after < 0:
            raise BadInput(f"after is {after}; it must be 0 or more")
        self.loss, self.memory, self.after = loss, memory, after

    @classmethod
    def over(cls, loss: Loss, size: int, dim: int, gather: bool = False) -> "CrossBatch":
        """A loss over the batch and a new memory.

        Args:
            loss: A loss that can compare a batch with references and that does not gather itself.
            size: Number of embeddings that the memory can hold.
            dim: Dimension of the embeddings.
            gather: Whether the memory and the loss have the batches of all processes.
        """
        return cls(loss, MemoryBank(size, dim, gather=gather))

    def __repr__(self) -> str:
        return described(self)

    def forward(self, embeddings: Tensor, labels: Tensor, indices_tuple: None = None) -> Tensor:
        """The loss () of a batch.

        Args:
            embeddings: (B, D), float, finite.
            labels: (B,), integer.
            indices_tuple: None, as trainers without a miner give it.

        Raises:
            BadInput: An embedding is not finite, shapes do not fit, or there are indices.
        """
        if indices_tuple is not None:
            raise BadInput("CrossBatch mines in the batch and the memory; give the miner to its loss, not its indices")
        check_batch(embeddings, labels)
        rows, names = gather(embeddings, labels) if self.memory.gather else (embeddings, labels)
        past, past_labels = self.memory.references()
        if len(past) and int(self.memory.calls) >= self.after:
            kind = torch.float64 if rows.dtype == torch.float64 else torch.float32
            with torch.autocast(rows.device.type, enabled=False):
                others = torch.cat([rows.to(kind), past.to(kind)])
            value: Tensor = self.loss(rows, names, others, torch.cat([names, past_labels.to(names)]), 0)
        else:
            value = self.loss(rows, names)
        if self.training:
            self.memory.add(embeddings, labels)
        return value

    @property
    def stats(self) -> dict[str, float]:
        """The loss's numbers of the last call, and the size and the mean age of the memory."""
        return {**self.loss.stats, "memory": float(len(self.memory)), "staleness": self.memory.staleness}
