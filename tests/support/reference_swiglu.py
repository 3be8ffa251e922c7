"""DINOv2's giant in plain torch: a gated feed-forward part, packed as Meta publishes it. No omlzoo, no timm."""

import math

import torch
from references import authors_positions, random_vit
from torch import Tensor
from torch.nn import functional as F

State = dict[str, Tensor]


def random_giant(width: int, depth: int, patch: int, grid: int, seed: int, registers: int = 0) -> State:
    """A checkpoint in the layout of DINOv2's ViT-g, random values."""
    state = random_vit(width, depth, patch, grid, seed, layer_scale=True, registers=registers)
    state = {key: value for key, value in state.items() if ".mlp." not in key}
    draw = torch.Generator().manual_seed(seed + 1)
    hidden = (int(4 * width * 2 / 3) + 7) // 8 * 8
    for i in range(depth):
        for name, rows, columns in (("w12", 2 * hidden, width), ("w3", width, hidden)):
            state[f"blocks.{i}.mlp.{name}.weight"] = torch.randn(rows, columns, generator=draw) * 0.1
            state[f"blocks.{i}.mlp.{name}.bias"] = torch.randn(rows, generator=draw) * 0.1
    return state


def giant_forward(state: State, images: Tensor, heads: int, antialias: bool = False) -> Tensor:
    """The class token after the last norm, (B, width)."""
    weight = state["patch_embed.proj.weight"]
    patch, width, batch = weight.shape[-1], weight.shape[0], len(images)
    rows, columns = images.shape[2] // patch, images.shape[3] // patch
    tokens = F.conv2d(images, weight, state["patch_embed.proj.bias"], stride=patch).flatten(2).transpose(1, 2)
    tokens = torch.cat([state["cls_token"].expand(batch, -1, -1), tokens], dim=1)
    tokens = tokens + authors_positions(state["pos_embed"], rows, columns, antialias)
    if "register_tokens" in state:
        tokens = torch.cat([tokens[:, :1], state["register_tokens"].expand(batch, -1, -1), tokens[:, 1:]], dim=1)

    def norm(x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, (width,), state[f"{name}.weight"], state[f"{name}.bias"], eps=1e-6)

    def linear(x: Tensor, name: str) -> Tensor:
        return F.linear(x, state[f"{name}.weight"], state[f"{name}.bias"])

    for i in range(len({key.split(".")[1] for key in state if key.startswith("blocks.")})):
        name = f"blocks.{i}"
        qkv = linear(norm(tokens, f"{name}.norm1"), f"{name}.attn.qkv")
        q, k, v = qkv.reshape(batch, -1, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
        attention = (q @ k.transpose(-2, -1) / math.sqrt(width // heads)).softmax(dim=-1)
        mixed = linear((attention @ v).transpose(1, 2).reshape(batch, -1, width), f"{name}.attn.proj")
        tokens = tokens + mixed * state[f"{name}.ls1.gamma"]
        # the first half of what w12 gives is the gate
        gate, value = linear(norm(tokens, f"{name}.norm2"), f"{name}.mlp.w12").chunk(2, dim=-1)
        tokens = tokens + linear(F.silu(gate) * value, f"{name}.mlp.w3") * state[f"{name}.ls2.gamma"]
    return norm(tokens, "norm")[:, 0]
