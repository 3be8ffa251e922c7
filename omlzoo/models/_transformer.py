"""The parts of vision transformers (arXiv 2010.11929), with the names, the random weights and the bits of timm's.

They stand here because to import timm for them takes longer than to import torch: it imports torchvision with it.
"""

from collections.abc import Callable

import torch
from torch import nn

from omlzoo.models._transformer_blocks import Attention, AttentionPool, Block, GatedMlp, Mlp, truncated_normal

__all__ = ["Transformer"]


class PatchEmbed(nn.Module):
    """Patches as tokens: ``proj`` is a filter as large as its stride.

    Args:
        patch: Side of a patch in pixels.
        width: Dimension of the tokens.
        bias: Whether the filter has a bias.
    """

    def __init__(self, patch: int, width: int, bias: bool) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, patch, stride=patch, bias=bias)


class Transformer(nn.Module):
    """The parts of a vision transformer; the architectures have their forward passes.

    Args:
        grid: Height and width of the patches that the position embeddings are for.
        patch: Side of a patch in pixels.
        width: Dimension of the tokens.
        depth: Number of blocks.
        heads: Number of attention heads.
        hidden: Width of the hidden layers; of gated ones, of both halves together.
        activation: Makes the activation of the hidden layers that are not gated.
        gated: Whether the hidden layers are SwiGLU.
        bias: Whether queries, keys and values have a bias.
        epsilon: Epsilon of the norms.
        layer_scale: Initial value of the layer scale; None has none.
        class_token: Whether there is one.
        registers: Number of register tokens. If there are any, only patches have position embeddings.
        pre_norm: Whether a norm stands before the blocks; the patches then have no bias.
        project: Dimension of a linear projection named ``head``; None has none.
        pooled: Whether tokens are pooled by attention.
    """

    def __init__(
        self,
        *,
        grid: tuple[int, int],
        patch: int,
        width: int,
        depth: int,
        heads: int,
        hidden: int,
        activation: Callable[[], nn.Module] = nn.GELU,
        gated: bool = False,
        bias: bool = True,
        epsilon: float = 1e-6,
        layer_scale: float | None = None,
        class_token: bool = True,
        registers: int = 0,
        pre_norm: bool = False,
        project: int | None = None,
        pooled: bool = False,
    ) -> None:
        super().__init__()
        first = 0 if registers else int(class_token)
        self.patch_embed = PatchEmbed(patch, width, not pre_norm)
        self.cls_token = nn.Parameter(torch.empty(1, 1, width)) if class_token else None
        self.reg_token = nn.Parameter(torch.empty(1, registers, width)) if registers else None
        self.pos_embed = nn.Parameter(torch.empty(1, first + grid[0] * grid[1], width))
        self.norm_pre = nn.LayerNorm(width, epsilon) if pre_norm else nn.Identity()
        self.blocks = nn.Sequential(*(
            Block(
                width,
                lambda: Attention(width, heads, bias),
                lambda: GatedMlp(width, hidden) if gated else Mlp(width, hidden, activation),
                epsilon,
                layer_scale,
            )
            for _ in range(depth)
        ))  # fmt: skip
        self.norm = nn.LayerNorm(width, epsilon)
        self.attn_pool = AttentionPool(width, heads, hidden, activation, epsilon) if pooled else None
        self.head = nn.Identity() if project is None else nn.Linear(width, project)
        truncated_normal(self.pos_embed, 0.02)
        for token in (self.cls_token, self.reg_token):
            if token is not None:
                nn.init.normal_(token, std=1e-6)
        for part in self.children():
            initialize(part)


def initialize(part: nn.Module) -> None:
    """Draw the weights of all linear layers, and what a part draws itself."""
    for child in part.children():
        initialize(child)
    if isinstance(part, nn.Linear):
        truncated_normal(part.weight, 0.02)
        if part.bias is not None:
            nn.init.zeros_(part.bias)
    elif isinstance(part, GatedMlp | AttentionPool):
        part.initialize()
