"""A linear map of embeddings, as it is learned outside of a model."""

from dataclasses import dataclass

from torch import Tensor

__all__ = ["Projection"]


@dataclass(frozen=True)
class Projection:
    """A linear map of embeddings.

    Attributes:
        weight: (dim, D) float32.
        bias: (dim,) float32.
        unit: Whether it is for embeddings of L2 norm 1.
    """

    weight: Tensor
    bias: Tensor
    unit: bool = False
