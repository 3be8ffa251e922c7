"""Any architecture over several views of each image."""

from typing import Any

from omlzoo.models._architecture import architecture
from omlzoo.models._viewed import Viewed

__all__ = ["viewed"]


def viewed(
    arch: str = "vits16",
    arch_args: dict[str, Any] | None = None,
    scales: tuple[float, ...] = (1.0,),
    mirror: bool = True,
    normalize: bool = False,
    unit_views: bool = False,
) -> Viewed:
    """The mean of another architecture's embeddings over several views of each image.

    Args:
        arch: Name of the architecture, a function of :mod:`omlzoo.models`, or "timm:NAME".
        arch_args: Arguments that the function is called with; None is none.
        scales: Sides of the views as shares of the image's, 1 to 8 different numbers from 0.25 to 4.
        mirror: Whether the mirrored image of each scale is a view too.
        normalize: Whether to divide the mean by its L2 norm.
        unit_views: Whether to divide the embedding of each view by its L2 norm before the mean.

    Raises:
        UnknownName: There is no such architecture.
        BadInput: A scale is not allowed, or the architecture is a class of a package that nobody here trusts.
    """
    return Viewed(architecture(arch)(**arch_args or {}), scales, mirror, normalize, unit_views)
