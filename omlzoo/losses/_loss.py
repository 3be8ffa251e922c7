"""What every loss is: embeddings and labels to a scalar, counted where a batch says nothing."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from omlzoo.catalog import described
from omlzoo.errors import BadInput
from omlzoo.ops.all_gather import gather
from omlzoo.ops.pairs import Pairs, check_batch, pair_up

__all__ = ["Loss", "positive_number"]


class Loss(nn.Module):
    """A loss implements :meth:`compute`; this class checks the batch, gathers it, keeps half precision out, and counts.

    Args:
        gather: Compute over the batches of all processes (torch.distributed), with gradients. Wrap the model, not the
            loss, in DistributedDataParallel.
    """

    references: ClassVar[bool] = True  # whether it compares a batch with other items

    def __init__(self, gather: bool = False) -> None:
        super().__init__()
        self.gather = gather
        self.empty_batches = 0
        self._last: dict[str, Tensor | float] = {}

    def __repr__(self) -> str:
        return described(self)

    @property
    def stats(self) -> dict[str, float]:
        """Numbers of the last call, and "empty_batches": how many since the start had nothing to learn from."""
        last = {name: float(value) for name, value in self._last.items()}
        return {**last, "empty_batches": float(self.empty_batches)}

    def compute(self, pairs: Pairs) -> Tensor | None:
        """The loss (), in float32 or float64; None where the batch has nothing to learn from."""
        raise NotImplementedError

    def note(self, **numbers: Tensor | float) -> None:
        """Keep numbers of this call for :attr:`stats`; tensors () are detached and read when asked for."""
        self._last = {name: n.detach() if isinstance(n, Tensor) else float(n) for name, n in numbers.items()}

    def forward(
        self,
        embeddings: Tensor,
        labels: Tensor,
        ref_embeddings: Tensor | None = None,
        ref_labels: Tensor | None = None,
        own: int | None = None,
    ) -> Tensor:
        """The loss () of a batch; 0 with a gradient of 0 where it has nothing to learn from.

        Args:
            embeddings: (B, D), float.
            labels: (B,), integer.
            ref_embeddings: (M, D), what the batch is compared with instead of itself: a memory, keys, a gallery.
            ref_labels: (M,).
            own: Where the batch stands among the references, if it does: row i of it is reference ``own + i``.

        Raises:
            BadInput: An embedding is not finite, shapes do not fit, or the loss takes no references.
        """
        if ref_embeddings is not None and not self.references:
            raise BadInput(f"{type(self).__name__} takes no references; call it with embeddings and labels only")
        rows = embeddings
        if self.gather:
            check_batch(embeddings, labels)  # each process names its own fault
            rows, labels = gather(embeddings, labels)
        with torch.autocast(embeddings.device.type, enabled=False):
            kind = torch.float32 if rows.dtype in (torch.float16, torch.bfloat16) else rows.dtype
            value = self.compute(pair_up(rows.to(kind), labels, ref_embeddings, ref_labels, own))
        if value is None:
            self.empty_batches += 1
            self._last = {}
            return (rows * 0).sum()
        return value


def positive_number(name: str, value: float) -> float:
    """The value, or BadInput where it is not above 0."""
    if not value > 0:
        raise BadInput(f"{name} is {value}; it must be above 0")
    return value
