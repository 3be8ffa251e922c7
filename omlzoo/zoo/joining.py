"""ensemble(): several models as one, which embeds, indexes, serves, exports and saves as any other."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from omlzoo.errors import BadInput
from omlzoo.models._ensemble import ensemble_of
from omlzoo.zoo.registry import open_model

if TYPE_CHECKING:
    from omlzoo.models._extractor import Extractor

__all__ = ["ensemble"]


def ensemble(
    models: "Sequence[Extractor | str | Path]",
    *,
    weights: Sequence[float] | None = None,
    combine: Literal["concatenate", "sum"] = "concatenate",
) -> "Extractor":
    """Several models as one, whose cosine similarity is the weighted mean of theirs. Its vectors have an L2 norm of 1.

    Each image is decoded once, as the first model's preprocessing says; the others get it resized to their size and
    with their mean and std. The parameters are the models' own, not copies. ``save`` writes one folder that
    ``omlzoo.get_model`` opens.

    Args:
        models: 2 to 8 extractors, or what ``omlzoo.get_model`` opens.
        weights: The share of each in the similarity; None gives all the same.
        combine: "concatenate" puts the vectors side by side; "sum" adds them, which only makes sense for models of one
            dimension that were trained to be compared, such as epochs of one run.

    Raises:
        BadInput: There are fewer than 2 models or more than 8, a weight is not above 0 or missing, or vectors of
            several dimensions are to be summed.
    """
    if isinstance(models, str | Path):
        raise BadInput(f"models is {str(models)!r}; an ensemble takes a list of 2 to 8 models")
    opened = [open_model(model) for model in models]
    shares = [1.0] * len(opened) if weights is None else list(weights)
    if len(shares) != len(opened):
        raise BadInput(f"weights has {len(shares)} numbers for {len(opened)} models; give one for each")
    return ensemble_of(opened, shares, combine)
