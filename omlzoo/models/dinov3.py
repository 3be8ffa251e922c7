"""DINOv3 vision transformers (arXiv 2508.10104), with rotary position embeddings of the patches and four registers."""

from typing import Any

import torch
from timm.models.eva import Eva
from torch import Tensor, nn

from omlzoo.models._extractor import Extractor, adopt
from omlzoo.models._positions import patch_grid

__all__ = [
    "dinov3_vit7b16",
    "dinov3_vitb16",
    "dinov3_vith16plus",
    "dinov3_vitl16",
    "dinov3_vits16",
    "dinov3_vits16plus",
]

PARTS = ("patch_embed", "cls_token", "reg_token", "rope", "blocks", "norm")


def dinov3_vits16(normalize: bool = False) -> "DinoV3":
    """DINOv3 ViT-S/16: 12 blocks, 6 heads, dim 384."""
    return DinoV3(patch=16, width=384, depth=12, heads=6, normalize=normalize)


def dinov3_vits16plus(normalize: bool = False) -> "DinoV3":
    """DINOv3 ViT-S+/16: 12 blocks with gated layers (SwiGLU), 6 heads, dim 384."""
    return DinoV3(patch=16, width=384, depth=12, heads=6, gated=True, normalize=normalize)


def dinov3_vitb16(normalize: bool = False) -> "DinoV3":
    """DINOv3 ViT-B/16: 12 blocks, 12 heads, dim 768."""
    return DinoV3(patch=16, width=768, depth=12, heads=12, normalize=normalize)


def dinov3_vitl16(normalize: bool = False) -> "DinoV3":
    """DINOv3 ViT-L/16: 24 blocks, 16 heads, dim 1024."""
    return DinoV3(patch=16, width=1024, depth=24, heads=16, normalize=normalize)


def dinov3_vith16plus(normalize: bool = False) -> "DinoV3":
    """DINOv3 ViT-H+/16: 32 blocks with gated layers (SwiGLU), 20 heads, dim 1280."""
    return DinoV3(patch=16, width=1280, depth=32, heads=20, gated=True, normalize=normalize)


def dinov3_vit7b16(normalize: bool = False) -> "DinoV3":
    """DINOv3 ViT-7B/16: 40 blocks with gated layers (SwiGLU) of twice the width, 32 heads, dim 4096."""
    return DinoV3(patch=16, width=4096, depth=40, heads=32, gated=True, ratio=2, multiple=64, normalize=normalize)


class DinoV3(Extractor):
    """A DINOv3 vision transformer. The embedding is the class token after the last norm.

    It accepts images of any size whose sides are multiples of the patch.

    Args:
        patch: Side of a patch in pixels.
        width: Dimension of the tokens, and of the embedding.
        depth: Number of blocks.
        heads: Number of attention heads.
        gated: Whether the hidden layers are SwiGLU (arXiv 2002.05202).
        ratio: Width of the hidden layers, in widths of the tokens.
        multiple: The number whose multiple the width of gated hidden layers is.
        normalize: Whether to divide the embedding by its L2 norm.
    """

    patch_embed: Any
    rope: Any
    blocks: nn.ModuleList
    norm: nn.Module
    cls_token: nn.Parameter
    reg_token: nn.Parameter

    def __init__(
        self,
        *,
        patch: int,
        width: int,
        depth: int,
        heads: int,
        gated: bool = False,
        ratio: int = 4,
        multiple: int = 8,
        normalize: bool = False,
    ) -> None:
        super().__init__(width, normalize)
        body = Eva(
            img_size=16 * patch, patch_size=patch, embed_dim=width, depth=depth, num_heads=heads, num_classes=0,
            global_pool="token", qkv_bias=False, init_values=1e-5, norm_layer=_norm, num_reg_tokens=4,
            rope_type="dinov3", rope_temperature=100.0, rope_rotate_half=True, use_rot_pos_emb=True,
            use_abs_pos_emb=False, use_fc_norm=False, dynamic_img_size=True,
            mlp_ratio=ratio, swiglu_mlp=gated, swiglu_align_to=multiple if gated else 0,
        )  # fmt: skip
        adopt(self, body, PARTS)
        # The models were trained with the periods of the rotation rounded to bfloat16, and the authors' files hold
        # them so. timm does not round them, which changes an embedding by about 0.1 %.
        self.rope.periods = self.rope.periods.bfloat16().float()
        self.patch = patch

    def stages(self) -> list[list[nn.Module | nn.Parameter]]:
        """The patch embedding with the class and register tokens, each block, and the last norm."""
        return [[self.patch_embed, self.cls_token, self.reg_token], *([block] for block in self.blocks), [self.norm]]

    def embed(self, images: Tensor) -> dict[str, Tensor]:
        turns = self.rope.get_embed(shape=patch_grid(images, self.patch))
        tokens = self.patch_embed.proj(images).flatten(2).transpose(1, 2)  # (B, S, width)
        first = torch.cat([self.cls_token, self.reg_token], dim=1)  # (1, 5, width)
        tokens = torch.cat([first.expand(images.shape[0], -1, -1), tokens], dim=1)
        for block in self.blocks:
            tokens = block(tokens, rope=turns)
        tokens = self.norm(tokens)
        return {"embedding": tokens[:, 0], "class_token": tokens[:, 0], "tokens": tokens[:, first.shape[1] :]}


def _norm(width: int, **kwargs: Any) -> nn.Module:
    return nn.LayerNorm(width, eps=1e-5, **kwargs)
