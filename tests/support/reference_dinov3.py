"""DINOv3's vision transformer in plain torch, from the keys that Meta publishes. Nothing of omlzoo or timm is used."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

State = dict[str, Tensor]


def random_dinov3(
    width: int, depth: int, heads: int, patch: int, registers: int, seed: int, swiglu: bool = False,
    biases: bool = True, rounded: bool = False, ratio: int = 4,
) -> State:  # fmt: skip
    """Meta's layout, random values. Distilled S, B and L have ``biases`` of zero; published periods are ``rounded``.

    Hidden layers have ``ratio`` widths: 4, and 2 in the 7B.
    """
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape: int, std: float = 0.1) -> Tensor:
        return torch.randn(*shape, generator=draw) * std

    # 16 bits of a float are enough for what was trained, and the buffer of the file keeps what they lost
    exponents = 4 * torch.arange(width // heads // 4, dtype=torch.bfloat16 if rounded else torch.float32)
    state = {
        "cls_token": normal(1, 1, width), "storage_tokens": normal(1, registers, width),
        "mask_token": normal(1, width), "rope_embed.periods": 100 ** (exponents / (width // heads)),
        "patch_embed.proj.weight": normal(width, 3, patch, patch), "patch_embed.proj.bias": normal(width),
        "norm.weight": 1 + normal(width), "norm.bias": normal(width),
    }  # fmt: skip
    # the "plus" models: two thirds of six widths, for each of the two halves
    layers = (
        [("mlp.w1", ratio, 1), ("mlp.w2", ratio, 1), ("mlp.w3", 1, ratio)]
        if swiglu
        else [("mlp.fc1", 4, 1), ("mlp.fc2", 1, 4)]
    )
    for i in range(depth):
        for name, rows, columns in (("attn.qkv", 3, 1), ("attn.proj", 1, 1), *layers):
            state[f"blocks.{i}.{name}.weight"] = normal(rows * width, columns * width)
            state[f"blocks.{i}.{name}.bias"] = normal(rows * width)
        # the bias of the keys is stored and masked away: it has values here, so that forgetting the mask is seen
        state[f"blocks.{i}.attn.qkv.bias"] *= 3 * biases
        state[f"blocks.{i}.attn.qkv.bias_mask"] = torch.tensor([1.0, 0.0, 1.0]).repeat_interleave(width)
        for norm in ("norm1", "norm2"):
            state[f"blocks.{i}.{norm}.weight"], state[f"blocks.{i}.{norm}.bias"] = 1 + normal(width), normal(width)
        for scale in ("ls1", "ls2"):
            state[f"blocks.{i}.{scale}.gamma"] = normal(width, std=0.5)
    return state


def dinov3_forward(state: State, images: Tensor, heads: int) -> Tensor:
    """The class token after the last norm, (B, width); the sides of the images are multiples of the patch."""
    weight = state["patch_embed.proj.weight"]
    patch, width, batch = weight.shape[-1], weight.shape[0], len(images)
    tokens = F.conv2d(images, weight, state["patch_embed.proj.bias"], stride=patch).flatten(2).transpose(1, 2)
    first = torch.cat([state["cls_token"], state["storage_tokens"]], dim=1)
    tokens = torch.cat([first.expand(batch, -1, -1), tokens], dim=1)
    angles = rope_angles(state["rope_embed.periods"].float(), images.shape[2] // patch, images.shape[3] // patch)

    def norm(x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, (width,), state[f"{name}.weight"], state[f"{name}.bias"], eps=1e-5)

    def linear(x: Tensor, name: str) -> Tensor:
        bias = state[f"{name}.bias"] * state.get(f"{name}.bias_mask", torch.ones(()))
        return F.linear(x, state[f"{name}.weight"], bias)

    def rotate(x: Tensor) -> Tensor:
        """The patches' queries or keys turned by their angles; the class token and the registers stay."""
        still, moved = x[:, :, : first.shape[1]], x[:, :, first.shape[1] :]
        a, b = moved.chunk(2, dim=-1)
        turned = [a * angles.cos() - b * angles.sin(), b * angles.cos() + a * angles.sin()]
        return torch.cat([still, torch.cat(turned, dim=-1)], dim=2)

    for i in range(len({key.split(".")[1] for key in state if key.startswith("blocks.")})):
        name = f"blocks.{i}"
        qkv = linear(norm(tokens, f"{name}.norm1"), f"{name}.attn.qkv")
        q, k, v = qkv.reshape(batch, -1, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
        attention = (rotate(q) @ rotate(k).transpose(-2, -1) / math.sqrt(width // heads)).softmax(dim=-1)
        mixed = linear((attention @ v).transpose(1, 2).reshape(batch, -1, width), f"{name}.attn.proj")
        tokens = tokens + mixed * state[f"{name}.ls1.gamma"]
        x = norm(tokens, f"{name}.norm2")
        if f"{name}.mlp.w3.weight" in state:
            x = linear(F.silu(linear(x, f"{name}.mlp.w1")) * linear(x, f"{name}.mlp.w2"), f"{name}.mlp.w3")
        else:
            x = linear(F.gelu(linear(x, f"{name}.mlp.fc1")), f"{name}.mlp.fc2")
        tokens = tokens + x * state[f"{name}.ls2.gamma"]
    return norm(tokens, "norm")[:, 0]


def rope_angles(periods: Tensor, rows: int, columns: int) -> Tensor:
    """Of each patch the angles of a half of a head, first those of the row, (rows * columns, 2 * len(periods))."""
    # the centres of the patches, each axis on its own from -1 to 1
    y, x = (2 * (torch.arange(count) + 0.5) / count - 1 for count in (rows, columns))
    y, x = y[:, None].expand(rows, columns).flatten(), x.repeat(rows)
    return 2 * math.pi * torch.cat([y[:, None] / periods, x[:, None] / periods], dim=1)
