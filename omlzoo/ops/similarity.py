"""How two vectors are compared."""

from typing import Literal

__all__ = ["Similarity"]

Similarity = Literal["cosine", "euclidean"]
