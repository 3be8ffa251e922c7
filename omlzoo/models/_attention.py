"""Attention in bfloat16 on processors: written out where torch's fused one is slower."""

from typing import Any

import torch
from torch import nn

__all__ = ["explicit_in_bf16"]

# Of softmax(q k) that is kept for one picture and layer, 4 MiB in bfloat16. Above it the fused attention, which keeps
# none of them, saves more than it costs.
MOST = 2**21


def explicit_in_bf16(model: nn.Module) -> None:
    """Let the attention of timm's blocks be computed as softmax(q k) v in bfloat16 on a processor, in place.

    torch's fused attention for processors multiplies bfloat16 at about a quarter of the rate of its matrix products.
    What is computed in another precision or elsewhere, or for so many tokens that their products would fill the
    memory, goes through the fused attention as before, to the bit.

    Args:
        model: The model, whose blocks may also be trained or computed again in a backward pass.
    """
    for module in model.modules():
        if getattr(module, "fused_attn", False) and hasattr(module, "num_heads"):
            module.register_forward_pre_hook(_choose)


def _choose(module: Any, inputs: tuple[Any, ...]) -> None:
    """Choose the way of a block by the tokens (B, N, width) that it is called with. It depends on no other picture."""
    tokens = inputs[0] if inputs else None
    module.fused_attn = not (
        isinstance(tokens, torch.Tensor)
        and tokens.ndim == 3
        and tokens.device.type == "cpu"
        and _computes_in_bf16(tokens)
        and module.num_heads * tokens.shape[1] ** 2 <= MOST
    )


def _computes_in_bf16(tokens: torch.Tensor) -> bool:
    if torch.is_autocast_enabled("cpu"):
        return torch.get_autocast_dtype("cpu") == torch.bfloat16
    return tokens.dtype == torch.bfloat16
