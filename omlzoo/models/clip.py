"""The image towers of CLIP (arXiv 2103.00020), from OpenAI, ruCLIP, LAION (arXiv 2212.07143) and others."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from omlzoo.models._extractor import Extractor, adopt
from omlzoo.models._last_block import LastBlock
from omlzoo.models._positions import patch_grid, resize_positions, trained_grid
from omlzoo.models._quick_gelu import QuickGELU
from omlzoo.models._transformer import Transformer

__all__ = ["clip_reid_vitb16", "clip_vitb16", "clip_vitb32", "clip_vith14", "clip_vitl14"]

PARTS = ("patch_embed", "cls_token", "pos_embed", "norm_pre", "blocks", "norm", "head")


def clip_vitb32(normalize: bool = False, quick: bool = True) -> "ClipViT":
    """ViT-B/32 of CLIP, dim 512, trained at 224 pixels.

    Args:
        normalize: Whether to divide embeddings by their L2 norm.
        quick: Whether the activation is OpenAI's "QuickGELU", x sigmoid(1.702 x); False is the exact GELU.
    """
    return ClipViT(image=224, patch=32, width=768, depth=12, heads=12, dim=512, quick=quick, normalize=normalize)


def clip_vitb16(normalize: bool = False, quick: bool = True) -> "ClipViT":
    """ViT-B/16 of CLIP, dim 512, trained at 224 pixels.

    Args:
        normalize: Whether to divide embeddings by their L2 norm.
        quick: Whether the activation is OpenAI's "QuickGELU", x sigmoid(1.702 x); False is the exact GELU.
    """
    return ClipViT(image=224, patch=16, width=768, depth=12, heads=12, dim=512, quick=quick, normalize=normalize)


def clip_vitl14(normalize: bool = False, quick: bool = True, image: int = 224) -> "ClipViT":
    """ViT-L/14 of CLIP, dim 768, trained at 224 or 336 pixels.

    Args:
        normalize: Whether to divide embeddings by their L2 norm.
        quick: Whether the activation is OpenAI's "QuickGELU", x sigmoid(1.702 x); False is the exact GELU.
        image: Side in pixels that the position embeddings were trained for, 224 or 336.
    """
    return ClipViT(image=image, patch=14, width=1024, depth=24, heads=16, dim=768, quick=quick, normalize=normalize)


def clip_vith14(normalize: bool = False, quick: bool = False) -> "ClipViT":
    """ViT-H/14 of CLIP, dim 1024, trained at 224 pixels.

    Args:
        normalize: Whether to divide embeddings by their L2 norm.
        quick: Whether the activation is OpenAI's "QuickGELU", x sigmoid(1.702 x); False is the exact GELU.
    """
    return ClipViT(image=224, patch=14, width=1280, depth=32, heads=16, dim=1024, quick=quick, normalize=normalize)


def clip_reid_vitb16(normalize: bool = False) -> "ClipReid":
    """CLIP-ReID (arXiv 2211.13977): the ViT-B/16 of CLIP for 256 x 128 pixels, dim 1280, without camera embedding."""
    return ClipReid(image=(256, 128), patch=16, width=768, depth=12, heads=12, dim=512, normalize=normalize)


class ClipViT(LastBlock, Extractor):
    """The image tower of CLIP. The embedding is a linear projection of the class token after the last norm.

    OpenAI's code accepts one image size only. For other sizes the position embeddings are resized as open_clip does.

    Args:
        image: Side in pixels, or height and width, that the position embeddings were trained for.
        patch: Side of a patch in pixels.
        width: Dimension of the tokens.
        depth: Number of blocks.
        heads: Number of attention heads.
        dim: Dimension of the projection, which is the embedding.
        quick: Whether the activation is OpenAI's "QuickGELU", x sigmoid(1.702 x); False is the exact GELU.
        normalize: Whether to divide the embedding by its L2 norm.
    """

    patch_embed: Any
    blocks: nn.Sequential
    norm_pre: nn.Module
    norm: nn.Module
    head: nn.Module
    cls_token: nn.Parameter
    pos_embed: nn.Parameter

    def __init__(
        self,
        *,
        image: int | tuple[int, int],
        patch: int,
        width: int,
        depth: int,
        heads: int,
        dim: int,
        quick: bool = True,
        normalize: bool = False,
    ) -> None:
        super().__init__(dim, normalize)
        self.grid = trained_grid(image, patch)
        body = Transformer(
            grid=self.grid, patch=patch, width=width, depth=depth, heads=heads, hidden=4 * width, epsilon=1e-5,
            activation=QuickGELU if quick else nn.GELU, pre_norm=True, project=dim,
        )  # fmt: skip
        adopt(self, body, PARTS)
        self.patch = patch

    def stages(self) -> list[list[nn.Module | nn.Parameter]]:
        """The patch embedding with the first tokens and norm, each block, and the last norm with the projection."""
        first = [self.patch_embed, self.cls_token, self.pos_embed, self.norm_pre]
        return [first, *([block] for block in self.blocks), [self.norm, self.head]]

    def steps(self) -> list[Callable[[Any], Any]]:
        return [self._begin, *self.blocks[:-1], self._last, self._end]

    def _begin(self, images: Tensor) -> Tensor:
        grid = patch_grid(images, self.patch)
        tokens = self.patch_embed.proj(images).flatten(2).transpose(1, 2)  # (B, S, width)
        tokens = tokens + resize_positions(self.pos_embed[:, 1:], self.grid, grid, "antialias")
        first = (self.cls_token + self.pos_embed[:, :1]).expand(images.shape[0], -1, -1)
        output: Tensor = self.norm_pre(torch.cat([first, tokens], dim=1))
        return output

    def _end(self, tokens: Tensor) -> dict[str, Tensor]:
        tokens = self.norm(tokens)
        return {"embedding": self.head(tokens[:, 0]), "class_token": tokens[:, 0], "tokens": tokens[:, 1:]}


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
