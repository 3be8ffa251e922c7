"""Vision transformers: DINO (arXiv 2104.14294), DINOv2 (2304.07193) with and without registers (2309.16588)."""

from typing import Any, Literal

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from omlzoo.errors import BadInput
from omlzoo.extractor import Extractor, adopt

__all__ = [
    "vit_toy",
    "vitb8",
    "vitb14",
    "vitb14_reg",
    "vitb16",
    "vits8",
    "vits14",
    "vits14_reg",
    "vits16",
]

Resizing = Literal["offset", "antialias"]
PARTS = ("patch_embed", "cls_token", "reg_token", "pos_embed", "blocks", "norm")


def vits16(normalize: bool = False) -> "ViT":
    """ViT-S/16: 12 blocks, 6 heads, dim 384, trained at 224 pixels."""
    return ViT(image=224, patch=16, width=384, depth=12, heads=6, normalize=normalize)


def vits8(normalize: bool = False) -> "ViT":
    """ViT-S/8: 12 blocks, 6 heads, dim 384, trained at 224 pixels."""
    return ViT(image=224, patch=8, width=384, depth=12, heads=6, normalize=normalize)


def vitb16(normalize: bool = False) -> "ViT":
    """ViT-B/16: 12 blocks, 12 heads, dim 768, trained at 224 pixels."""
    return ViT(image=224, patch=16, width=768, depth=12, heads=12, normalize=normalize)


def vitb8(normalize: bool = False) -> "ViT":
    """ViT-B/8: 12 blocks, 12 heads, dim 768, trained at 224 pixels."""
    return ViT(image=224, patch=8, width=768, depth=12, heads=12, normalize=normalize)


def vits14(normalize: bool = False) -> "ViT":
    """DINOv2 ViT-S/14: 12 blocks with layer scale, 6 heads, dim 384, positions trained for 518 pixels."""
    return ViT(image=518, patch=14, width=384, depth=12, heads=6, layer_scale=1e-5, normalize=normalize)


def vitb14(normalize: bool = False) -> "ViT":
    """DINOv2 ViT-B/14: 12 blocks with layer scale, 12 heads, dim 768, positions trained for 518 pixels."""
    return ViT(image=518, patch=14, width=768, depth=12, heads=12, layer_scale=1e-5, normalize=normalize)


def vits14_reg(normalize: bool = False) -> "ViT":
    """DINOv2 ViT-S/14 with 4 registers."""
    return ViT(
        image=518, patch=14, width=384, depth=12, heads=6, layer_scale=1e-5,
        registers=4, resizing="antialias", normalize=normalize,
    )  # fmt: skip


def vitb14_reg(normalize: bool = False) -> "ViT":
    """DINOv2 ViT-B/14 with 4 registers."""
    return ViT(
        image=518, patch=14, width=768, depth=12, heads=12, layer_scale=1e-5,
        registers=4, resizing="antialias", normalize=normalize,
    )  # fmt: skip


def vit_toy(normalize: bool = False) -> "ViT":
    """A ViT that builds in milliseconds, for tests: dim 16, 32 pixels."""
    return ViT(image=32, patch=8, width=16, depth=2, heads=2, normalize=normalize)


class ViT(Extractor):
    """The class token after the last norm, of images whose sides are multiples of the patch.

    Args:
        image: Side in pixels that the position embeddings were trained for.
        patch: Side of a patch in pixels.
        width: Of the tokens; also the embedding's length.
        depth: Number of blocks.
        heads: Of the attention.
        layer_scale: Initial value of layer scale; None has none.
        registers: Number of register tokens. With them position embeddings belong to patches only.
        resizing: How positions are resized to other grids, see :func:`resize_positions`.
        normalize: Divide the embedding by its L2 norm.
    """

    patch_embed: Any
    blocks: nn.Sequential
    norm: nn.Module
    cls_token: nn.Parameter
    pos_embed: nn.Parameter

    def __init__(
        self,
        *,
        image: int,
        patch: int,
        width: int,
        depth: int,
        heads: int,
        layer_scale: float | None = None,
        registers: int = 0,
        resizing: Resizing = "offset",
        normalize: bool = False,
    ) -> None:
        super().__init__(width, normalize)
        body = VisionTransformer(
            img_size=image, patch_size=patch, embed_dim=width, depth=depth, num_heads=heads, num_classes=0,
            init_values=layer_scale, reg_tokens=registers, no_embed_class=registers > 0, dynamic_img_size=True,
        )  # fmt: skip
        adopt(self, body, PARTS)
        self.patch = patch
        self.grid = image // patch
        self.resizing: Resizing = resizing

    def stages(self) -> list[list[nn.Module | nn.Parameter]]:
        """Patches and tokens, each block, and the last norm."""
        tokens = [self.get_parameter(name) for name in ("cls_token", "reg_token", "pos_embed") if hasattr(self, name)]
        return [[self.patch_embed, *tokens], *([block] for block in self.blocks), [self.norm]]

    def embed(self, images: Tensor) -> dict[str, Tensor]:
        height, width = images.shape[-2:]
        if height % self.patch or width % self.patch:
            near = [max(1, round(side / self.patch)) * self.patch for side in (height, width)]
            raise BadInput(
                f"images are {height} x {width} pixels; sides must be multiples of the patch, {self.patch}: "
                f"build the model with image_size=({near[0]}, {near[1]})"
            )
        tokens = self.patch_embed.proj(images).flatten(2).transpose(1, 2)  # (B, S, width)
        prefix = self.pos_embed.shape[1] - self.grid**2
        grid = (height // self.patch, width // self.patch)
        positions = resize_positions(self.pos_embed[:, prefix:], self.grid, grid, self.resizing)
        first = self.cls_token + self.pos_embed[:, :1] if prefix else self.cls_token  # (1, 1, width)
        if hasattr(self, "reg_token"):
            first = torch.cat([first, self.get_parameter("reg_token")], dim=1)  # (1, 1 + registers, width)
        tokens = torch.cat([first.expand(len(images), -1, -1), tokens + positions], dim=1)
        tokens = self.norm(self.blocks(tokens))
        return {"embedding": tokens[:, 0], "class_token": tokens[:, 0], "tokens": tokens[:, first.shape[1] :]}


def resize_positions(positions: Tensor, trained: int, grid: tuple[int, int], resizing: Resizing) -> Tensor:
    """Position embeddings for another grid of patches, as the authors compute them.

    Args:
        positions: (1, trained * trained, width), of the patches only.
        trained: Side of the grid they were trained for.
        grid: Rows and columns of the grid wanted.
        resizing: "offset" is DINO's and DINOv2's: bicubic without antialias, by the factor (side + 0.1) / trained,
            which is not the ratio of the sizes. "antialias" is DINOv2's with registers: bicubic with antialias.

    Returns:
        (1, rows * columns, width).
    """
    if grid == (trained, trained):
        return positions
    image = positions.reshape(1, trained, trained, -1).permute(0, 3, 1, 2).float()
    if resizing == "antialias":
        resized = nn.functional.interpolate(image, size=grid, mode="bicubic", antialias=True)
    else:
        factor = ((grid[0] + 0.1) / trained, (grid[1] + 0.1) / trained)
        resized = nn.functional.interpolate(image, scale_factor=factor, mode="bicubic")
    return resized.permute(0, 2, 3, 1).reshape(1, grid[0] * grid[1], -1).to(positions.dtype)
