"""A batch of embeddings with labels, checked before anything is computed from it."""

import torch
from torch import Tensor

from omlzoo.errors import BadInput

__all__ = ["check_batch"]


def check_batch(embeddings: Tensor, labels: Tensor) -> None:
    """Refuse a batch that would give a quiet NaN or a wrong pairing."""
    if embeddings.ndim != 2 or labels.shape != embeddings.shape[:1]:
        shapes = f"{tuple(embeddings.shape)} and {tuple(labels.shape)}"
        raise BadInput(f"embeddings and labels have the shapes {shapes}; they must be (B, D) and (B,)")
    if not torch.isfinite(embeddings.detach()).all():
        bad = (~torch.isfinite(embeddings.detach()).all(dim=1)).sum()
        raise BadInput(
            f"embeddings: {int(bad)} of {len(embeddings)} rows hold NaN or infinity; lower the learning rate"
        )
