"""The base class of losses, which compute a scalar from embeddings and labels."""

from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from omlzoo.catalog import described
from omlzoo.errors import BadInput
from omlzoo.ops.all_gather import gather, processes
from omlzoo.ops.pairs import Indices, Pairs, check_batch, check_indices, pair_up

__all__ = ["Loss", "positive_number"]


class Loss(nn.Module):
    """The base class of losses, which implement :meth:`compute`.

    It checks the batch, gathers the batches of all processes if asked to, converts half precision to float32, and
    counts the batches from which nothing can be learned.

    Args:
        gather: Compute over the batches of all processes (torch.distributed), with gradients. Wrap the model, not the
            loss, in DistributedDataParallel.
    """

    references: ClassVar[bool] = True  # whether the loss can compare a batch with reference items
    choosing: ClassVar[bool] = True  # whether it can be computed over the pairs that a miner chose

    def __init__(self, gather: bool = False) -> None:
        super().__init__()
        self.gather = gather
        self.empty_batches = 0
        self._last: dict[str, Tensor | float] = {}

    def __repr__(self) -> str:
        return described(self)

    @property
    def stats(self) -> dict[str, float]:
        """Numbers of the last call, and "empty_batches", how many batches so far gave nothing to learn from."""
        last = {name: float(value) for name, value in self._last.items()}
        return {**last, "empty_batches": float(self.empty_batches)}

    def compute(self, pairs: Pairs) -> Tensor | None:
        """The loss (), in float32 or float64; None where nothing can be learned from the batch."""
        raise NotImplementedError

    def note(self, **numbers: Tensor | float) -> None:
        """Keep numbers of this call for :attr:`stats`. Tensors () are detached and converted only when read."""
        self._last = {name: n.detach() if isinstance(n, Tensor) else float(n) for name, n in numbers.items()}

    def forward(
        self,
        embeddings: Tensor,
        labels: Tensor,
        ref_embeddings: Tensor | Indices | None = None,
        ref_labels: Tensor | None = None,
        own: int | Tensor | None = None,
        *,
        indices_tuple: Indices | None = None,
        ref_emb: Tensor | None = None,
    ) -> Tensor:
        """The loss () of a batch; 0 with a gradient of 0 where nothing can be learned from it.

        It may also be called as a loss of PyTorch Metric Learning is, ``loss(embeddings, labels, indices_tuple,
        ref_emb, ref_labels)``, by its trainers, memories and wrappers.

        Args:
            embeddings: (B, D), float.
            labels: (B,), integer.
            ref_embeddings: (M, D), items that the batch is compared with instead of with itself, such as a memory, keys
                or a gallery. None compares the batch with itself.
            ref_labels: (M,), integer; given if and only if ``ref_embeddings`` is.
            own: Position of the batch's first row among the references: row i of the batch is reference ``own + i``.
                None if the batch is not among them.
            indices_tuple: The pairs or triplets to compute over, as a miner gives them; each pair counts once. None
                takes all, or those of the loss's own miner.
            ref_emb: Another name of ``ref_embeddings``.

        Raises:
            BadInput: An embedding is not finite or above 1e15, a label is not one of the loss's, shapes do not fit, or
                the loss takes no references or no indices.
        """
        if isinstance(ref_embeddings, tuple | list) or isinstance(own, Tensor):  # indices, references and their labels
            moved: Any = (ref_embeddings, ref_labels, own)
            (indices_tuple, ref_embeddings, ref_labels), own = moved, None
        references: Any = ref_emb if ref_embeddings is None else ref_embeddings
        name = type(self).__name__
        if references is not None and not self.references:
            raise BadInput(f"{name} takes no references; call it with embeddings and labels only")
        if indices_tuple is not None and not (self.choosing and self.references):
            raise BadInput(f"{name} is not computed over chosen pairs; call it without a miner's indices")
        if indices_tuple is not None and self.gather and processes() > 1:
            raise BadInput(
                f"{name} gathers, and indices are those of one process; leave them out, or set gather to False"
            )
        rows = embeddings
        if self.gather or not isinstance(embeddings, Tensor):
            check_batch(embeddings, labels)  # before gathering, so that each process reports its own error
            rows, labels = gather(embeddings, labels)
        with torch.autocast(embeddings.device.type, enabled=False):
            kind = torch.float32 if rows.dtype in (torch.float16, torch.bfloat16) else rows.dtype
            pairs = pair_up(rows.to(kind), labels, references, ref_labels, own)
            if indices_tuple is not None:
                chosen = check_indices(indices_tuple, len(pairs.rows), len(pairs.others))
                pairs = replace(pairs, indices=tuple(each.to(pairs.rows.device) for each in chosen))
            value = self.compute(pairs) if len(rows) and len(pairs.others) else None
        if value is None:
            self.empty_batches += 1
            self._last = {}
            return (rows * 0).sum()
        return value


def positive_number(name: str, value: float) -> float:
    """The value, if it is above 0.

    Args:
        name: The name of the setting, for the message of the error.
        value: The number to check; NaN is refused too.

    Raises:
        BadInput: The value is not above 0.
    """
    if not value > 0:
        raise BadInput(f"{name} is {value}; it must be above 0")
    return value
