"""Any architecture with the pooled outputs of its stages as the embedding."""

from typing import Any, Literal

from omlzoo.models._architecture import architecture
from omlzoo.models._layered import Layered

__all__ = ["layered"]


def layered(
    arch: str = "vits16",
    dim: int = 768,
    arch_args: dict[str, Any] | None = None,
    layers: tuple[int, ...] = (10,),
    own: bool = True,
    pooling: Literal["mean", "gem", "max"] = "mean",
    power: float = 3.0,
    normalize: bool = False,
) -> Layered:
    """The pooled maps of stages of another architecture, each divided by its L2 norm, one after the other.

    Args:
        arch: Name of the architecture, a function of :mod:`omlzoo.models`, or "timm:NAME".
        dim: Dimension of all stages together.
        arch_args: Arguments that the function is called with; None is none.
        layers: Numbers of the stages, from 0.
        own: Whether the architecture's own embedding is the last part.
        pooling: "mean", "max", or "gem", the generalised mean (arXiv 1711.02512).
        power: Exponent of the generalised mean, above 0.
        normalize: Whether to divide the embedding by its L2 norm.

    Raises:
        UnknownName: There is no such architecture.
        BadInput: A setting is not allowed, or the architecture is a class of a package that nobody here trusts.
    """
    return Layered(architecture(arch)(**arch_args or {}), dim, layers, own, pooling, power, normalize)
