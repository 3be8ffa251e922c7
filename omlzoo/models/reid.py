"""Vision transformers for persons and vehicles seen by several cameras, at 256 x 128 pixels.

TransReID (arXiv 2102.04378) and CLIP-ReID (arXiv 2211.13977). What they may add for the number of the camera is not
part of them here: a vector then depends on the picture alone.
"""

import torch
from torch import Tensor

from omlzoo.models.clip import ClipViT
from omlzoo.models.vit import ViT

__all__ = ["clip_reid_vitb16", "transreid_vitb16"]

SIZE = (256, 128)  # height and width in pixels


def transreid_vitb16(normalize: bool = False) -> ViT:
    """The baseline of TransReID: ViT-B/16 with positions for 16 x 8 patches, dim 768.

    Args:
        normalize: Whether to divide embeddings by their L2 norm, as the authors do to compare them.
    """
    return ViT(image=SIZE, patch=16, width=768, depth=12, heads=12, resizing="antialias", normalize=normalize)


def clip_reid_vitb16(normalize: bool = False) -> "ClipReid":
    """CLIP-ReID: the ViT-B/16 of CLIP with positions for 16 x 8 patches, dim 1280.

    Args:
        normalize: Whether to divide embeddings by their L2 norm, as the authors do to compare them.
    """
    return ClipReid(image=SIZE, patch=16, width=768, depth=12, heads=12, dim=512, normalize=normalize)


class ClipReid(ClipViT):
    """The image tower of CLIP whose embedding is the class token after the last norm, and its projection behind it.

    Args:
        image: Side in pixels, or height and width, that the position embeddings were trained for.
        patch: Side of a patch in pixels.
        width: Dimension of the tokens.
        depth: Number of blocks.
        heads: Number of attention heads.
        dim: Dimension of the projection. The embedding has width + dim numbers.
        normalize: Whether to divide the embedding by its L2 norm.
    """

    def __init__(
        self,
        *,
        image: int | tuple[int, int],
        patch: int,
        width: int,
        depth: int,
        heads: int,
        dim: int,
        normalize: bool = False,
    ) -> None:
        super().__init__(
            image=image, patch=patch, width=width, depth=depth, heads=heads, dim=dim, quick=True, normalize=normalize
        )  # fmt: skip
        self.dim = width + dim

    def _end(self, tokens: Tensor) -> dict[str, Tensor]:
        outputs = super()._end(tokens)
        return {**outputs, "embedding": torch.cat([outputs["class_token"], outputs["embedding"]], dim=1)}
