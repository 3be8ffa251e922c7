"""Several architectures as one."""

from typing import Literal

from omlzoo.models._architecture import architecture
from omlzoo.models._ensemble import Ensemble, Member, members_of

__all__ = ["ensemble"]

STATISTICS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet
SMALLEST = (
    Member("vits16", {}, 1.0, (224, 224), *STATISTICS),
    Member("resnet18", {}, 1.0, (224, 224), *STATISTICS),
)


def ensemble(
    members: tuple[Member, ...] = SMALLEST,
    combine: Literal["concatenate", "sum"] = "concatenate",
    normalize: bool = False,
) -> Ensemble:
    """The embeddings of several architectures, side by side or summed, each divided by its L2 norm.

    Args:
        members: The members: architecture, arguments, weight, and how each reads images; 2 to 8.
        combine: "concatenate" or "sum"; only vectors of one dimension, made to be compared, can be summed.
        normalize: Whether to divide the embedding by its L2 norm.

    Raises:
        UnknownName: There is no such architecture.
        BadInput: A setting is not allowed, or an architecture is a class of a package that nobody here trusts.
    """
    known = members_of(members)
    return Ensemble([architecture(each.arch)(**each.arch_args) for each in known], known, combine, normalize)
