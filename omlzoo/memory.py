"""A memory of past embeddings (cross-batch memory, arXiv 1912.06798; MoCo's queue, arXiv 1911.05722)."""

import torch
from torch import Tensor, nn

from omlzoo.catalog import described
from omlzoo.errors import BadInput
from omlzoo.ops.all_gather import gather
from omlzoo.ops.pairs import check_batch

__all__ = ["MemoryBank"]


class MemoryBank(nn.Module):
    """The last ``size`` embeddings with their labels, a ring; batches may have any size.

    Its content is part of the state dict, so a resumed run has the same memory.

    Args:
        size: How many embeddings it holds.
        dim: D, of the embeddings.
        per_label: Of a label only the newest so many are given; None gives all.
        gather: Add the batches of all processes, so that all memories are equal.

    Attributes:
        embeddings: (size, D) float32.
        labels: (size,) int64.
        added: (size,) int64: at which call of :meth:`add` each came; 0 where nothing stands.
        calls: () int64: how many calls there were.
        cursor: () int64: where the next embedding goes.
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
        """How many embeddings are in it."""
        return int((self.added > 0).sum())

    @property
    def staleness(self) -> float:
        """Mean age of its content in calls of :meth:`add`, 0 being the newest; NaN where it is empty."""
        held = self.added > 0
        return float((self.calls - self.added[held]).float().mean()) if held.any() else float("nan")

    @torch.no_grad()
    def add(self, embeddings: Tensor, labels: Tensor) -> None:
        """Put a batch (B, D) with labels (B,) in place of the oldest; of one larger than the memory, the last rows.

        Raises:
            BadInput: A value is not finite, or shapes do not fit.
        """
        check_batch(embeddings, labels)
        if embeddings.shape[1] != self.embeddings.shape[1]:
            widths = f"{embeddings.shape[1]} columns, the memory {self.embeddings.shape[1]}"
            raise BadInput(f"embeddings have {widths}; make it with the embeddings' dim")
        rows, labels = embeddings.detach(), labels.detach()
        if self.gather:
            rows, labels = gather(rows, labels)
        size = len(self.labels)
        rows, labels = rows[-size:], labels[-size:]
        self.calls += 1
        places = (self.cursor + torch.arange(len(labels), device=self.cursor.device)) % size
        self.embeddings[places] = rows.to(self.embeddings)
        self.labels[places] = labels.to(self.labels)
        self.added[places] = self.calls
        self.cursor.copy_((self.cursor + len(labels)) % size)

    def references(self) -> tuple[Tensor, Tensor]:
        """Embeddings (M, D) and labels (M,), the newest last, M <= size."""
        size = len(self.labels)
        order = (self.cursor + torch.arange(size, device=self.cursor.device)) % size  # from the oldest on
        order = order[self.added[order] > 0]
        if self.per_label is not None and len(order):
            labels = self.labels[order]
            by_label = labels.argsort(stable=True)  # within a label from old to new
            sizes = torch.bincount(torch.searchsorted(labels[by_label], labels[by_label]))
            counts = sizes[sizes > 0]
            ends = counts.cumsum(0).repeat_interleave(counts)
            newer = ends - 1 - torch.arange(len(order), device=order.device)  # how many of the label are newer
            order = order[by_label[newer < self.per_label].sort().values]
        return self.embeddings[order], self.labels[order]
