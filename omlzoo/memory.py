"""A memory of past embeddings, as in cross-batch memory (arXiv 1912.06798) and MoCo's queue (arXiv 1911.05722)."""

import torch
from torch import Tensor, nn

from omlzoo.catalog import described
from omlzoo.errors import BadInput
from omlzoo.ops.all_gather import gather
from omlzoo.ops.pairs import check_batch, whole_numbers

__all__ = ["MemoryBank"]


class MemoryBank(nn.Module):
    """A ring buffer of the last ``size`` embeddings and their labels. Batches may have any size.

    The content is part of the state dict, so a resumed run continues with the same memory.

    Args:
        size: Number of embeddings that the memory can hold.
        dim: Dimension D of the embeddings.
        per_label: Largest number of embeddings of one label that :meth:`references` returns, the newest ones; None
            returns all.
        gather: Whether to add the batches of all processes of a distributed run, so that their memories are equal.

    Attributes:
        embeddings: Embeddings (size, D) float32.
        labels: Labels (size,) int64.
        added: Number of the call of :meth:`add` that added each embedding (size,) int64; 0 in empty places.
        calls: Number of calls of :meth:`add` so far, an int64 tensor of shape ().
        cursor: Index of the place that the next embedding is written to, an int64 tensor of shape ().
    """

    embeddings: Tensor
    labels: Tensor
    added: Tensor
    calls: Tensor
    cursor: Tensor

    def __init__(self, size: int, dim: int, per_label: int | None = None, gather: bool = False) -> None:
        super().__init__()
        if size < 1 or dim < 1 or (per_label is not None and per_label < 1):
            raise BadInput(f"size {size}, dim {dim} and per_label {per_label} must be 1 or more")
        self.per_label, self.gather = per_label, gather
        self.register_buffer("embeddings", torch.zeros(size, dim))
        self.register_buffer("labels", torch.zeros(size, dtype=torch.long))
        self.register_buffer("added", torch.zeros(size, dtype=torch.long))
        self.register_buffer("calls", torch.zeros((), dtype=torch.long))
        self.register_buffer("cursor", torch.zeros((), dtype=torch.long))

    def __repr__(self) -> str:
        size, dim = self.embeddings.shape
        return described(self, size=str(size), dim=str(dim))

    def __len__(self) -> int:
        """Number of embeddings in the memory."""
        return int((self.added > 0).sum())

    @property
    def staleness(self) -> float:
        """Mean age of the embeddings in calls of :meth:`add`; the newest have age 0. NaN if the memory is empty."""
        held = self.added > 0
        return float((self.calls - self.added[held]).float().mean()) if held.any() else float("nan")

    @torch.no_grad()
    def add(self, embeddings: Tensor, labels: Tensor) -> None:
        """Add a batch in place of the oldest embeddings. Of a batch larger than the memory, the last rows are kept.

        Args:
            embeddings: Embeddings (B, D). They are stored without gradients, as float32.
            labels: Labels (B,), whole numbers.

        Raises:
            BadInput: A value is not finite or above 1e15, a label is no whole number, or shapes do not fit.
        """
        check_batch(embeddings, labels)
        if embeddings.shape[1] != self.embeddings.shape[1]:
            dims = f"{embeddings.shape[1]} columns, the memory {self.embeddings.shape[1]}"
            raise BadInput(f"embeddings have {dims}; make it with the embeddings' dim")
        rows, labels = embeddings.detach(), whole_numbers(labels.detach())
        if self.gather:
            rows, labels = gather(rows, labels)
        size = len(self.labels)
        rows, labels = rows[-size:], labels[-size:]
        self.calls += 1
        indices = (self.cursor + torch.arange(len(labels), device=self.cursor.device)) % size
        self.embeddings[indices] = rows.to(self.embeddings)
        self.labels[indices] = labels.to(self.labels)
        self.added[indices] = self.calls
        self.cursor.copy_((self.cursor + len(labels)) % size)

    def references(self) -> tuple[Tensor, Tensor]:
        """The stored embeddings (M, D) and labels (M,), from the oldest to the newest, with M <= size."""
        size = len(self.labels)
        order = (self.cursor + torch.arange(size, device=self.cursor.device)) % size  # from the oldest on
        order = order[self.added[order] > 0]
        if self.per_label is not None and len(order):
            labels = self.labels[order]
            by_label = labels.argsort(stable=True)  # within a label from old to new
            sizes = torch.bincount(torch.searchsorted(labels[by_label], labels[by_label]))
            counts = sizes[sizes > 0]
            ends = counts.cumsum(0).repeat_interleave(counts)
            newer = ends - 1 - torch.arange(len(order), device=order.device)  # number of newer embeddings of the label
            order = order[by_label[newer < self.per_label].sort().values]
        return self.embeddings[order], self.labels[order]
