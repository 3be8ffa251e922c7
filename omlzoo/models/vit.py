"""Plain vision transformers (arXiv 2010.11929) with a class token.

They are the architectures of DINO (arXiv 2104.14294), iBOT (arXiv 2111.07832), MSN (arXiv 2204.07141), MoCo v3 (arXiv
2104.02057), MAE (arXiv 2111.06377) and DINOv2 (arXiv 2304.07193) with and without registers (arXiv 2309.16588).
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from omlzoo.models._extractor import Extractor, adopt
from omlzoo.models._last_block import LastBlock
from omlzoo.models._positions import Resizing, patch_grid, resize_positions, trained_grid
from omlzoo.models._transformer import Transformer

__all__ = [
    "transreid_vitb16",
    "vit_toy",
    "vitb4",
    "vitb8",
    "vitb14",
    "vitb14_reg",
    "vitb16",
    "vitg14",
    "vitg14_reg",
    "vith14",
    "vitl7",
    "vitl14",
    "vitl14_reg",
    "vitl16",
    "vits8",
    "vits14",
    "vits14_reg",
    "vits16",
]

PARTS = ("patch_embed", "cls_token", "reg_token", "pos_embed", "blocks", "norm")
LARGE: dict[str, Any] = {"width": 1024, "depth": 24, "heads": 16}
SCALED: dict[str, Any] = {"image": 518, "patch": 14, "layer_scale": 1e-5}  # DINOv2
REGISTERS: dict[str, Any] = {**SCALED, "registers": 4, "resizing": "antialias"}


def vits16(normalize: bool = False, heads: int = 6, project: int | None = None, resizing: Resizing = "offset") -> "ViT":
    """ViT-S/16: 12 blocks, 6 heads, dim 384, trained at 224 pixels.

    Args:
        normalize: Whether to divide embeddings by their L2 norm.
        heads: Number of attention heads; MoCo v3 has 12.
        project: Dimension of a linear projection of the class token, which is then the embedding; None adds none.
        resizing: How position embeddings are resized for other image sizes, see :class:`ViT`.
    """
    return ViT(
        image=224, patch=16, width=384, depth=12, heads=heads, project=project, resizing=resizing, normalize=normalize
    )  # fmt: skip


def vits8(normalize: bool = False) -> "ViT":
    """ViT-S/8: 12 blocks, 6 heads, dim 384, trained at 224 pixels."""
    return ViT(image=224, patch=8, width=384, depth=12, heads=6, normalize=normalize)


def vitb16(normalize: bool = False, image: int = 224, resizing: Resizing = "offset") -> "ViT":
    """ViT-B/16: 12 blocks, 12 heads, dim 768, trained at 224 pixels.

    Args:
        normalize: Whether to divide embeddings by their L2 norm.
        image: Side in pixels that the position embeddings were trained for.
        resizing: How position embeddings are resized for other image sizes, see :class:`ViT`.
    """
    return ViT(image=image, patch=16, width=768, depth=12, heads=12, resizing=resizing, normalize=normalize)


def vitb8(normalize: bool = False) -> "ViT":
    """ViT-B/8: 12 blocks, 12 heads, dim 768, trained at 224 pixels."""
    return ViT(image=224, patch=8, width=768, depth=12, heads=12, normalize=normalize)


def vitb4(normalize: bool = False, resizing: Resizing = "ratio") -> "ViT":
    """ViT-B/4: 12 blocks, 12 heads, dim 768, trained at 224 pixels, which are 3,136 patches.

    Args:
        normalize: Whether to divide embeddings by their L2 norm.
        resizing: How position embeddings are resized for other image sizes, see :class:`ViT`.
    """
    return ViT(image=224, patch=4, width=768, depth=12, heads=12, resizing=resizing, normalize=normalize)


def vitl16(normalize: bool = False, resizing: Resizing = "offset") -> "ViT":
    """ViT-L/16: 24 blocks, 16 heads, dim 1024, trained at 224 pixels.

    Args:
        normalize: Whether to divide embeddings by their L2 norm.
        resizing: How position embeddings are resized for other image sizes, see :class:`ViT`.
    """
    return ViT(image=224, patch=16, resizing=resizing, normalize=normalize, **LARGE)


def vitl7(normalize: bool = False, resizing: Resizing = "ratio") -> "ViT":
    """ViT-L/7: 24 blocks, 16 heads, dim 1024, trained at 224 pixels.

    Args:
        normalize: Whether to divide embeddings by their L2 norm.
        resizing: How position embeddings are resized for other image sizes, see :class:`ViT`.
    """
    return ViT(image=224, patch=7, resizing=resizing, normalize=normalize, **LARGE)


def vith14(normalize: bool = False) -> "ViT":
    """ViT-H/14: 32 blocks, 16 heads, dim 1280, trained at 224 pixels."""
    return ViT(image=224, patch=14, width=1280, depth=32, heads=16, resizing="antialias", normalize=normalize)


def vits14(normalize: bool = False) -> "ViT":
    """DINOv2 ViT-S/14: 12 blocks with layer scale, 6 heads, dim 384, positions trained for 518 pixels."""
    return ViT(width=384, depth=12, heads=6, normalize=normalize, **SCALED)


def vitb14(normalize: bool = False) -> "ViT":
    """DINOv2 ViT-B/14: 12 blocks with layer scale, 12 heads, dim 768, positions trained for 518 pixels."""
    return ViT(width=768, depth=12, heads=12, normalize=normalize, **SCALED)


def vitl14(normalize: bool = False) -> "ViT":
    """DINOv2 ViT-L/14: 24 blocks with layer scale, 16 heads, dim 1024, positions trained for 518 pixels."""
    return ViT(normalize=normalize, **LARGE, **SCALED)


def vitg14(normalize: bool = False) -> "ViT":
    """DINOv2 ViT-g/14: 40 blocks with gated layers (SwiGLU), 24 heads, dim 1536, positions trained for 518 pixels."""
    return ViT(width=1536, depth=40, heads=24, gated=True, normalize=normalize, **SCALED)


def vits14_reg(normalize: bool = False) -> "ViT":
    """DINOv2 ViT-S/14 with 4 registers."""
    return ViT(width=384, depth=12, heads=6, normalize=normalize, **REGISTERS)


def vitb14_reg(normalize: bool = False) -> "ViT":
    """DINOv2 ViT-B/14 with 4 registers."""
    return ViT(width=768, depth=12, heads=12, normalize=normalize, **REGISTERS)


def vitl14_reg(normalize: bool = False) -> "ViT":
    """DINOv2 ViT-L/14 with 4 registers."""
    return ViT(normalize=normalize, **LARGE, **REGISTERS)


def vitg14_reg(normalize: bool = False) -> "ViT":
    """DINOv2 ViT-g/14 with 4 registers."""
    return ViT(width=1536, depth=40, heads=24, gated=True, normalize=normalize, **REGISTERS)


def transreid_vitb16(normalize: bool = False) -> "ViT":
    """The baseline of TransReID (arXiv 2102.04378): ViT-B/16 for 256 x 128 pixels, dim 768, without cameras."""
    return ViT(
        image=(256, 128), patch=16, width=768, depth=12, heads=12, resizing="antialias", normalize=normalize
    )  # fmt: skip


def vit_toy(normalize: bool = False) -> "ViT":
    """A ViT that builds in milliseconds, for tests, dim 16, for 32 pixels."""
    return ViT(image=32, patch=8, width=16, depth=2, heads=2, normalize=normalize)


class ViT(LastBlock, Extractor):
    """A vision transformer. The embedding is the class token after the last norm, or a linear projection of it.

    It accepts images of any size whose sides are multiples of the patch.

    Args:
        image: Side in pixels, or height and width, that the position embeddings were trained for.
        patch: Side of a patch in pixels.
        width: Dimension of the tokens, and of the embedding if there is no projection.
        depth: Number of blocks.
        heads: Number of attention heads.
        gated: Whether the hidden layers are SwiGLU (arXiv 2002.05202) with two thirds of the usual width.
        layer_scale: Initial value of the layer scale; None builds blocks without layer scale.
        registers: Number of register tokens. If there are any, only patches have position embeddings.
        resizing: How position embeddings are resized for other image sizes: "offset", "ratio" or "antialias", see
            :func:`omlzoo.models._positions.resize_positions`.
        project: Dimension of a linear projection of the class token, named ``head``; None adds no projection.
        normalize: Whether to divide the embedding by its L2 norm.
    """

    patch_embed: Any
    blocks: nn.Sequential
    norm: nn.Module
    cls_token: nn.Parameter
    pos_embed: nn.Parameter
    head: nn.Module

    def __init__(
        self,
        *,
        image: int | tuple[int, int],
        patch: int,
        width: int,
        depth: int,
        heads: int,
        gated: bool = False,
        layer_scale: float | None = None,
        registers: int = 0,
        resizing: Resizing = "offset",
        project: int | None = None,
        normalize: bool = False,
    ) -> None:
        super().__init__(project or width, normalize)
        # Both halves of a gate are computed in one layer, so its width is twice that of a half, a multiple of 8.
        hidden = 2 * ((width * 4 * 2 // 3 + 7) // 8 * 8) if gated else 4 * width
        self.grid = trained_grid(image, patch)
        body = Transformer(
            grid=self.grid, patch=patch, width=width, depth=depth, heads=heads, hidden=hidden, gated=gated,
            layer_scale=layer_scale, registers=registers,
        )  # fmt: skip
        adopt(self, body, PARTS)
        if project is not None:
            self.head = nn.Linear(width, project)
        self.patch = patch
        self.resizing: Resizing = resizing

    def stages(self) -> list[list[nn.Module | nn.Parameter]]:
        """The patch, token and position embeddings, each block, and the last norm with the projection, if any."""
        tokens = [self.get_parameter(name) for name in ("cls_token", "reg_token", "pos_embed") if hasattr(self, name)]
        last: list[nn.Module | nn.Parameter] = [self.norm, self.head] if hasattr(self, "head") else [self.norm]
        return [[self.patch_embed, *tokens], *([block] for block in self.blocks), last]

    def steps(self) -> list[Callable[[Any], Any]]:
        return [self._begin, *self.blocks[:-1], self._last, self._end]

    def _begin(self, images: Tensor) -> Tensor:
        """The tokens of images (B, S, width): the class token, the registers, and those of the patches."""
        grid = patch_grid(images, self.patch)
        tokens = self.patch_embed.proj(images).flatten(2).transpose(1, 2)  # (B, S, width)
        prefix = self.pos_embed.shape[1] - self.grid[0] * self.grid[1]
        positions = resize_positions(self.pos_embed[:, prefix:], self.grid, grid, self.resizing)
        first = self.cls_token + self.pos_embed[:, :1] if prefix else self.cls_token  # (1, 1, width)
        if hasattr(self, "reg_token"):
            first = torch.cat([first, self.get_parameter("reg_token")], dim=1)  # (1, 1 + registers, width)
        return torch.cat([first.expand(images.shape[0], -1, -1), tokens + positions], dim=1)

    def _end(self, tokens: Tensor) -> dict[str, Tensor]:
        tokens = self.norm(tokens)
        first = 1 + (self.get_parameter("reg_token").shape[1] if hasattr(self, "reg_token") else 0)
        embedding = self.head(tokens[:, 0]) if hasattr(self, "head") else tokens[:, 0]
        return {"embedding": embedding, "class_token": tokens[:, 0], "tokens": tokens[:, first:]}
