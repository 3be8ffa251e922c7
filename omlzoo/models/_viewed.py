"""An extractor whose embedding is the mean over several views of each image: scales, and the mirrored image."""

from collections.abc import Sequence
from math import isfinite

import torch
from torch import Tensor, nn

from omlzoo.errors import BadInput, notice
from omlzoo.models._derived import Derived, with_derived_facts
from omlzoo.models._extractor import Extractor, unit

__all__ = ["Viewed", "with_views"]

MOST, SMALLEST, LARGEST = 8, 0.25, 4.0


class Viewed(Derived):
    """The mean of another extractor's embeddings of several views of each image (test-time augmentation).

    Args:
        body: The extractor.
        scales: Sides of the views as shares of the image's; 1.0 is the image itself. Others are resized bilinearly, to
            a multiple of the body's patch where it has one.
        mirror: Whether the mirrored image of each scale is a view too.
        normalize: Whether to divide the mean by its L2 norm.
        unit_views: Whether to divide the embedding of each view by its L2 norm before the mean.

    Raises:
        BadInput: There is no scale, one twice, more than 8, or one is not from 0.25 to 4.
    """

    def __init__(
        self,
        body: Extractor,
        scales: Sequence[float] = (1.0,),
        mirror: bool = False,
        normalize: bool = False,
        unit_views: bool = False,
    ) -> None:
        known = 0 < len(scales) <= MOST and len(set(scales)) == len(scales)
        if not known or not all(isfinite(scale) and SMALLEST <= scale <= LARGEST for scale in scales):
            rule = f"1 to {MOST} different numbers from {SMALLEST} to {LARGEST}"
            raise BadInput(f"scales is {list(scales)}; it must be {rule}")
        super().__init__(body, body.dim, normalize, [*scales, mirror, unit_views])
        self.scales, self.mirror, self.unit_views = tuple(scales), mirror, unit_views

    def embed(self, images: Tensor) -> dict[str, Tensor]:
        """The named outputs of the body for the first view, and the embedding of all of them."""
        views = [self.body.embed(view) for view in self._views(images)]
        vectors = [unit(view["embedding"]) if self.unit_views else view["embedding"] for view in views]
        return {**views[0], "embedding": torch.stack(vectors).mean(dim=0)}

    def _views(self, images: Tensor) -> list[Tensor]:
        scaled = [self._scaled(images, scale) for scale in self.scales]
        return [turned for view in scaled for turned in ((view, view.flip(3)) if self.mirror else (view,))]

    def _scaled(self, images: Tensor, scale: float) -> Tensor:
        if scale == 1:
            return images
        patch = getattr(self.body, "patch", 1)
        size = [max(1, round(int(side) * scale / patch)) * patch for side in images.shape[2:]]
        return nn.functional.interpolate(images, size=size, mode="bilinear", align_corners=False)


def with_views(model: Extractor, scales: Sequence[float], mirror: bool) -> Extractor:
    """The model over several views of each image, with an entry that says so. Normalised views have equal weight.

    Args:
        model: The extractor, which has an entry.
        scales: Sides of the views as shares of the image's, see :class:`Viewed`.
        mirror: Whether the mirrored images are views too.

    Raises:
        BadInput: A scale is not allowed, or the model takes no images of that size.
    """
    entry, wanted = model.entry, [float(scale) for scale in scales]
    longer = Viewed(model, wanted, mirror, model.normalize, unit_views=model.normalize)
    first = next(model.parameters())
    try:
        with torch.no_grad():
            longer.eval()(torch.zeros(1, 3, *entry.preprocess.crop, device=first.device, dtype=first.dtype))
    except (AssertionError, RuntimeError, ValueError, TypeError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise BadInput(f"scales is {wanted}: {entry.name} takes no images of other sizes ({said})") from error
    arguments = {
        "arch": entry.arch, "arch_args": entry.arch_args, "scales": wanted, "mirror": mirror,
        "unit_views": model.normalize,
    }  # fmt: skip
    beside = entry.text is not None and entry.text.beside
    if beside:
        notice(f"{entry.name}: its text tower lies in its folder and is not carried; texts cannot be searched for here")
    said = f"{len(wanted) * (2 if mirror else 1)} views of each image"
    return with_derived_facts(longer, model, "viewed", arguments, said, text=None if beside else entry.text)
