"""The image towers of SigLIP (arXiv 2303.15343) and SigLIP 2 (arXiv 2502.14786).

They have no class token; the tokens of the patches are pooled by attention.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor, nn

from omlzoo.models._extractor import Extractor, adopt
from omlzoo.models._positions import patch_grid, resize_positions
from omlzoo.models._transformer import Transformer

__all__ = ["siglip_so400m", "siglip_vitb16", "siglip_vitb32", "siglip_vitl16"]

PARTS = ("patch_embed", "pos_embed", "blocks", "norm", "attn_pool")


def siglip_vitb16(normalize: bool = False, image: int = 224) -> "SigLip":
    """ViT-B/16 of SigLIP, dim 768.

    Args:
        normalize: Whether to divide embeddings by their L2 norm.
        image: Side in pixels that the position embeddings were trained for.
    """
    return SigLip(image=image, patch=16, width=768, depth=12, heads=12, normalize=normalize)


def siglip_vitb32(normalize: bool = False, image: int = 256) -> "SigLip":
    """ViT-B/32 of SigLIP 2, dim 768, with the tanh form of GELU.

    Args:
        normalize: Whether to divide embeddings by their L2 norm.
        image: Side in pixels that the position embeddings were trained for.
    """
    return SigLip(image=image, patch=32, width=768, depth=12, heads=12, tanh=True, normalize=normalize)


def siglip_vitl16(normalize: bool = False, image: int = 256) -> "SigLip":
    """ViT-L/16 of SigLIP, dim 1024.

    Args:
        normalize: Whether to divide embeddings by their L2 norm.
        image: Side in pixels that the position embeddings were trained for.
    """
    return SigLip(image=image, patch=16, width=1024, depth=24, heads=16, normalize=normalize)


def siglip_so400m(normalize: bool = False, image: int = 224) -> "SigLip":
    """The shape-optimised SO400M/14 of SigLIP, dim 1152.

    Args:
        normalize: Whether to divide embeddings by their L2 norm.
        image: Side in pixels that the position embeddings were trained for.
    """
    return SigLip(image=image, patch=14, width=1152, depth=27, heads=16, hidden=4304, normalize=normalize)


class SigLip(Extractor):
    """The image tower of SigLIP. The embedding is pooled from the patch tokens by attention with one learned query.

    There is no class token and no projection.

    Args:
        image: Side in pixels that the position embeddings were trained for. For other sizes they are resized as timm
            does.
        patch: Side of a patch in pixels.
        width: Dimension of the tokens, and of the embedding.
        depth: Number of blocks.
        heads: Number of attention heads.
        hidden: Width of the hidden layer of each block; None is 4 x width.
        tanh: Whether the activation is the tanh approximation of GELU; False is the exact GELU.
        normalize: Whether to divide the embedding by its L2 norm.
    """

    patch_embed: Any
    blocks: nn.Sequential
    norm: nn.Module
    attn_pool: nn.Module
    pos_embed: nn.Parameter

    def __init__(
        self,
        *,
        image: int,
        patch: int,
        width: int,
        depth: int,
        heads: int,
        hidden: int | None = None,
        tanh: bool = False,
        normalize: bool = False,
    ) -> None:
        super().__init__(width, normalize)
        body = Transformer(
            grid=(image // patch, image // patch), patch=patch, width=width, depth=depth, heads=heads,
            hidden=hidden or 4 * width, activation=partial(nn.GELU, approximate="tanh") if tanh else nn.GELU,
            class_token=False, pooled=True,
        )  # fmt: skip
        adopt(self, body, PARTS)
        self.patch = patch
        self.grid = image // patch

    def stages(self) -> list[list[nn.Module | nn.Parameter]]:
        """The patch and position embeddings, each block, and the last norm with the attention pooling."""
        return [[self.patch_embed, self.pos_embed], *([block] for block in self.blocks), [self.norm, self.attn_pool]]

    def steps(self) -> list[Callable[[Any], Any]]:
        return [self._begin, *self.blocks, self._end]

    def _begin(self, images: Tensor) -> Tensor:
        grid = patch_grid(images, self.patch)
        tokens = self.patch_embed.proj(images).flatten(2).transpose(1, 2)  # (B, S, width)
        output: Tensor = tokens + resize_positions(self.pos_embed, self.grid, grid, "antialias")
        return output

    def _end(self, tokens: Tensor) -> dict[str, Tensor]:
        tokens = self.norm(tokens)
        return {"embedding": self.attn_pool(tokens), "tokens": tokens}
