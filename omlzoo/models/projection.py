"""A linear projection after any architecture, for embeddings of a smaller dimension."""

from typing import Any

from omlzoo.models._architecture import architecture
from omlzoo.models._projected import Projected

__all__ = ["projected"]


def projected(
    arch: str = "vits16",
    dim: int = 128,
    arch_args: dict[str, Any] | None = None,
    normalize: bool = False,
    unit_input: bool = False,
) -> Projected:
    """Another architecture with a linear layer after it, which projects its embedding to ``dim`` dimensions.

    Args:
        arch: Name of the architecture, a function of :mod:`omlzoo.models`, or "timm:NAME".
        dim: Dimension of the projected embedding.
        arch_args: Arguments that the function is called with; None is none.
        normalize: Whether to divide the projected embedding by its L2 norm.
        unit_input: Whether to divide the embedding by its L2 norm before it is projected.

    Raises:
        UnknownName: There is no such architecture.
        BadInput: It is a class of a package that nobody here trusts.
    """
    return Projected(architecture(arch)(**arch_args or {}), dim, normalize, unit_input)
