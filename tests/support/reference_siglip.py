"""The image tower of SigLIP in plain torch, from the keys of open_clip's files. Nothing of omlzoo or timm is used."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

State = dict[str, Tensor]


def random_siglip(width: int, depth: int, patch: int, grid: int, seed: int) -> State:
    """A state dict in the layout of open_clip's SigLIP files, random values: the image tower, and some of the rest."""
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape: int, std: float = 0.1) -> Tensor:
        return torch.randn(*shape, generator=draw) * std

    # Small filters keep the tokens' variance near that of the positions, so that a wrong eps in the first norm shows.
    trunk = {
        "patch_embed.proj.weight": normal(width, 3, patch, patch, std=0.02), "patch_embed.proj.bias": normal(width),
        "pos_embed": normal(1, grid**2, width, std=0.3), "attn_pool.latent": normal(1, 1, width, std=1.0),
    }  # fmt: skip
    blocks = [f"blocks.{i}" for i in range(depth)]
    sizes = [(f"{block}.attn.qkv", 3, 1) for block in blocks] + [(f"{block}.attn.proj", 1, 1) for block in blocks]
    sizes += [("attn_pool.q", 1, 1), ("attn_pool.kv", 2, 1), ("attn_pool.proj", 1, 1)]
    for part in (*blocks, "attn_pool"):
        sizes += [(f"{part}.mlp.fc1", 4, 1), (f"{part}.mlp.fc2", 1, 4)]
    for name, rows, columns in sizes:
        trunk[f"{name}.weight"], trunk[f"{name}.bias"] = normal(rows * width, columns * width), normal(rows * width)
    for name in ("norm", "attn_pool.norm", *(f"{block}.norm{n}" for block in blocks for n in (1, 2))):
        trunk[f"{name}.weight"], trunk[f"{name}.bias"] = 1 + normal(width), normal(width)
    return {f"visual.trunk.{key}": value for key, value in trunk.items()} | {
        "text.transformer.resblocks.0.ln_1.weight": 1 + normal(width), "text.positional_embedding": normal(5, width),
        "text.token_embedding.weight": normal(11, width), "text.ln_final.weight": 1 + normal(width),
        "text.text_projection.weight": normal(width, width), "text.text_projection.bias": normal(width),
        "logit_scale": torch.tensor(math.log(10)), "logit_bias": torch.tensor(-10.0),
    }  # fmt: skip


def siglip_forward(state: State, images: Tensor, heads: int, tanh: bool = False) -> Tensor:
    """The attention-pooled tokens of SigLIP at the native size, not normalised, (B, width).

    big_vision's ``nn.gelu`` is the tanh approximation everywhere (``tanh=True``). timm has it for some of its SigLIP
    names only and exact GELU for the rest; either way the pool's MLP has the activation of the blocks.
    """
    trunk = {key.removeprefix("visual.trunk."): value for key, value in state.items() if key.startswith("visual.trunk")}
    width = trunk["pos_embed"].shape[-1]

    def norm(x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, (width,), trunk[f"{name}.weight"], trunk[f"{name}.bias"], eps=1e-6)

    def linear(x: Tensor, name: str) -> Tensor:
        return F.linear(x, trunk[f"{name}.weight"], trunk[f"{name}.bias"])

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k, v = (x.unflatten(2, (heads, -1)).transpose(1, 2) for x in (q, k, v))
        attention = (q @ k.transpose(2, 3) / math.sqrt(width // heads)).softmax(dim=-1)
        return (attention @ v).transpose(1, 2).flatten(2)

    def mlp(x: Tensor, name: str) -> Tensor:
        return linear(F.gelu(linear(x, f"{name}.fc1"), approximate="tanh" if tanh else "none"), f"{name}.fc2")

    weight = trunk["patch_embed.proj.weight"]
    tokens = F.conv2d(images, weight, trunk["patch_embed.proj.bias"], stride=weight.shape[-1])
    tokens = tokens.flatten(2).transpose(1, 2) + trunk["pos_embed"]
    for i in range(sum(key.endswith(".attn.qkv.weight") for key in trunk)):
        qkv = linear(norm(tokens, f"blocks.{i}.norm1"), f"blocks.{i}.attn.qkv")
        tokens = tokens + linear(attend(*qkv.chunk(3, dim=2)), f"blocks.{i}.attn.proj")
        tokens = tokens + mlp(norm(tokens, f"blocks.{i}.norm2"), f"blocks.{i}.mlp")
    probe = linear(trunk["attn_pool.latent"], "attn_pool.q").expand(len(images), -1, -1)
    keys, values = linear(norm(tokens, "norm"), "attn_pool.kv").chunk(2, dim=2)
    pooled = linear(attend(probe, keys, values), "attn_pool.proj")  # no residual from the probe
    return (pooled + mlp(norm(pooled, "attn_pool.norm"), "attn_pool.mlp"))[:, 0]
