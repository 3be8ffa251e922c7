"""A linear projection after any architecture, for shorter embeddings."""

from typing import Any

from omlzoo import catalog
from omlzoo.models._projected import Projected

__all__ = ["projected"]


def projected(
    arch: str = "vits16", dim: int = 128, arch_args: dict[str, Any] | None = None, normalize: bool = False
) -> Projected:
    """Another architecture, by its name and arguments, whose embedding a linear layer brings to ``dim`` numbers."""
    return Projected(catalog.find("models", arch)(**arch_args or {}), dim, normalize)
