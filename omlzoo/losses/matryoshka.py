"""Matryoshka representations (arXiv 2205.13147): any loss over the first numbers, at several lengths."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from omlzoo.catalog import described
from omlzoo.errors import BadInput
from omlzoo.ops.pairs import check_batch
from omlzoo.ops.unit_rows import normalize

__all__ = ["MatryoshkaLoss"]


class MatryoshkaLoss(nn.Module):
    """The weighted sum of a loss over the first d numbers of the embeddings, for each d of ``dims``.

    So a model's first numbers alone are good vectors, as ``Embeddings.truncated`` takes them: shortened vectors have
    L2 norm 1. Of a loss with a table of labels each length takes the first numbers of the table (MRL-E of the paper).

    ``MatryoshkaLoss(SupConLoss(), dims=(384, 192, 96, 48))``

    Args:
        loss: Any module that is called as a loss is; one that keeps vectors of the batch, such as a memory, cannot.
        dims: Dimensions, each at least 1 and different, none above that of the embeddings.
        weights: A weight for each of them, 0 or more; None weighs all by 1.
        normalize: Whether shortened vectors have L2 norm 1; the whole ones stay as they are.

    Attributes:
        stats: The value at each dimension as "value@d", and the loss's own numbers of the last of them.
    """

    def __init__(
        self, loss: nn.Module, dims: Sequence[int], weights: Sequence[float] | None = None, normalize: bool = True
    ) -> None:
        super().__init__()
        self.dims = tuple(dims) if isinstance(dims, Sequence) else ()
        right = all(isinstance(dim, int) and not isinstance(dim, bool) and dim >= 1 for dim in self.dims)
        if not self.dims or not right or len(set(self.dims)) < len(self.dims):
            raise BadInput(f"dims is {dims}; it must be several different whole numbers of 1 or more")
        self.weights = tuple(weights) if weights is not None else (1.0,) * len(self.dims)
        if len(self.weights) != len(self.dims) or not all(weight >= 0 for weight in self.weights):
            raise BadInput(f"weights is {weights}; it must have {len(self.dims)} numbers of 0 or more")
        if kept := [name for name, buffer in loss.named_buffers() if buffer.ndim > 1]:
            raise BadInput(f"{type(loss).__name__} keeps vectors of one dimension ({kept[0]}); give a loss without")
        self.loss, self.normalize = loss, normalize
        self._values: dict[str, Tensor] = {}

    def __repr__(self) -> str:
        return described(self, weights="" if set(self.weights) == {1.0} else str(self.weights))

    @property
    def references(self) -> bool:
        """Whether the loss can compare a batch with reference items."""
        return bool(getattr(self.loss, "references", False))

    @property
    def gather(self) -> bool:
        """Whether the loss is that of the batches of all processes."""
        return bool(getattr(self.loss, "gather", False))

    def forward(self, embeddings: Tensor, labels: Tensor, *others: Any, **named: Any) -> Tensor:
        """The weighted sum () of the losses.

        Args:
            embeddings: (B, D), float, D at least the largest of ``dims``.
            labels: (B,), integer.
            others: Further arguments of the loss; references (M, D) are shortened too.
            named: The same by name.

        Raises:
            BadInput: The embeddings have fewer numbers than one of ``dims``.
        """
        check_batch(embeddings, labels)
        whole = embeddings.shape[1]
        if max(self.dims) > whole:
            raise BadInput(f"dims has {max(self.dims)}, but the embeddings have {whole} numbers; leave it out")
        total = embeddings.new_zeros(()) if embeddings.dtype == torch.float64 else torch.zeros((), device=labels.device)
        self._values = {}
        for dim, weight in zip(self.dims, self.weights, strict=True):
            given = [self._shortened(each, dim, whole) for each in (embeddings, labels, *others)]
            more = {name: self._shortened(each, dim, whole) for name, each in named.items()}
            tables = {name: each[..., :dim] for name, each in self.loss.named_parameters()
                      if dim < whole and each.ndim > 1 and each.shape[-1] == whole}  # fmt: skip
            value = functional_call(self.loss, tables, tuple(given), more)
            self._values[f"value@{dim}"] = value.detach()
            total = total + weight * value
        return total

    def _shortened(self, given: Any, dim: int, whole: int) -> Any:
        if not isinstance(given, Tensor) or given.ndim != 2 or given.shape[1] != whole or dim == whole:
            return given
        short = given[:, :dim]
        if not self.normalize:
            return short
        return normalize(short.float() if short.dtype in (torch.float16, torch.bfloat16) else short)

    @property
    def stats(self) -> dict[str, float]:
        """Numbers of the last call."""
        own = dict(getattr(self.loss, "stats", {}))
        if "empty_batches" in own:  # it counts each dimension
            own["empty_batches"] /= len(self.dims)
        return {**own, **{name: float(value) for name, value in self._values.items()}}
