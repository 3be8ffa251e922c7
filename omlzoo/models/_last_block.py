"""The last block of a vision transformer whose embedding is made of the class token, computed for that token alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["LastBlock", "class_token_alone"]


class LastBlock(nn.Module):
    """Part of the classes of vision transformers with a class token: their last block, whole or for that token.

    Attributes:
        class_token_alone: Whether the last block returns the class token alone, see :func:`class_token_alone`.
    """

    class_token_alone = False
    blocks: nn.Sequential

    def _last(self, tokens: Tensor) -> Tensor:
        """The tokens (B, S, width) after the last block, or the first of them (B, 1, width)."""
        block: Any = self.blocks[-1]
        watched = "forward" in vars(block) or block._forward_hooks or block._forward_pre_hooks
        found: Tensor = _first_token(block, tokens) if self.class_token_alone and not watched else block(tokens)
        return found


@contextmanager
def class_token_alone(model: nn.Module) -> Iterator[None]:
    """Within it vision transformers with a class token compute of their last block what the embedding is made of.

    Only keys and values are needed of the other tokens there: a fourteenth of the operations of ViT-S/16 is left out,
    and two fifths of those of its last two blocks. The embedding and its gradients are the same within rounding. Blocks
    that are computed again in the backward pass, or have hooks, are computed whole.

    Args:
        model: The model, or one that has it as a part.
    """
    parts = [part for part in model.modules() if isinstance(part, LastBlock)]
    try:
        for part in parts:
            part.class_token_alone = True
        yield
    finally:
        for part in parts:
            part.class_token_alone = False


def _first_token(block: Any, tokens: Tensor) -> Tensor:
    """The first of the tokens (B, S, width) after a block of timm's, (B, 1, width)."""
    first = tokens[:, :1]
    first = first + block.drop_path1(block.ls1(_attended(block.attn, block.norm1(tokens))))
    output: Tensor = first + block.drop_path2(block.ls2(block.mlp(block.norm2(first))))
    return output


def _attended(attend: Any, tokens: Tensor) -> Tensor:
    """The attention's output for the first of the tokens (B, S, width), (B, 1, width)."""
    heads, width = attend.num_heads, attend.proj.in_features

    def part(name: str, given: Tensor) -> Tensor:  # our own attention has no norms or dropout
        found: Tensor = getattr(attend, name)(given) if hasattr(attend, name) else given
        return found

    if type(attend.qkv) is nn.Linear:
        weight, bias = attend.qkv.weight, attend.qkv.bias
        own, other = (None, None) if bias is None else (bias[:width], bias[width:])
        query = nn.functional.linear(tokens[:, :1], weight[:width], own)
        both = nn.functional.linear(tokens, weight[width:], other)
    else:  # such as one with low-rank updates
        query, both = attend.qkv(tokens).split((width, 2 * width), dim=2)
        query = query[:, :1]
    query = part("q_norm", query.reshape(len(tokens), 1, heads, -1).transpose(1, 2))  # (B, heads, 1, each)
    key, value = both.reshape(*tokens.shape[:2], 2, heads, -1).permute(2, 0, 3, 1, 4)  # (B, heads, S, each)
    scale = getattr(attend, "scale", (width // heads) ** -0.5)
    paid = (query * scale @ part("k_norm", key).transpose(2, 3)).softmax(dim=3)
    mixed = part("norm", (part("attn_drop", paid) @ value).transpose(1, 2).flatten(2))
    if getattr(attend, "gate", None) is not None:
        mixed = mixed * torch.sigmoid(attend.gate(tokens[:, :1]))
    return part("proj_drop", attend.proj(mixed))
