"""UNICOM's network in plain torch, from the keys of its checkpoints. Nothing of omlzoo or timm is used."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

State = dict[str, Tensor]


def random_unicom(width: int, depth: int, patch: int, grid: int, out: int, seed: int) -> State:
    """A checkpoint in the layout that UNICOM publishes, random values, the head over all tokens included."""
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape: int, std: float = 0.1) -> Tensor:
        return torch.randn(*shape, generator=draw) * std

    # Small filters keep the tokens' variance near that of the positions, so that a wrong eps in the first norm shows.
    state = {
        "patch_embed.proj.weight": normal(width, 3, patch, patch, std=0.02), "patch_embed.proj.bias": normal(width),
        "pos_embed": normal(1, grid**2, width, std=0.3),
    }  # fmt: skip
    blocks = [f"blocks.{i}" for i in range(depth)]
    for block in blocks:
        for name, rows, columns in (("attn.qkv", 3, 1), ("attn.proj", 1, 1), ("mlp.fc1", 4, 1), ("mlp.fc2", 1, 4)):
            # wide values before the activation, so that about one in fifty is above 6 and ReLU6 is not ReLU
            std = 3 / math.sqrt(width) if name == "mlp.fc1" else 0.1
            state[f"{block}.{name}.weight"] = normal(rows * width, columns * width, std=std)
            if name != "attn.qkv":
                state[f"{block}.{name}.bias"] = normal(rows * width)
    for name in ("norm", *(f"{block}.norm{n}" for block in blocks for n in (1, 2))):
        state[f"{name}.weight"], state[f"{name}.bias"] = 1 + normal(width), normal(width)
    # The head's Linears give values near 0.1, of variance 0.01: there the batch norms' unusual eps shows.
    for i, rows, columns in ((0, width, width * grid**2), (2, out, width)):
        state[f"feature.{i}.weight"] = normal(rows, columns, std=0.1 / math.sqrt(columns))
        state[f"feature.{i + 1}.weight"], state[f"feature.{i + 1}.bias"] = 1 + normal(rows), normal(rows)
        state[f"feature.{i + 1}.running_mean"] = normal(rows, std=0.01)
        state[f"feature.{i + 1}.running_var"] = (torch.rand(rows, generator=draw) + 0.5) * 0.01
        state[f"feature.{i + 1}.num_batches_tracked"] = torch.tensor(1)
    return state


def unicom_forward(state: State, images: Tensor, heads: int) -> Tensor:
    """The output of UNICOM's head in eval mode and fp32 at the native size, not normalised, (B, out)."""
    width = state["pos_embed"].shape[-1]

    def norm(x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, (width,), state[f"{name}.weight"], state[f"{name}.bias"], eps=1e-5)

    def linear(x: Tensor, name: str) -> Tensor:
        return F.linear(x, state[f"{name}.weight"], state.get(f"{name}.bias"))

    def batch_norm(x: Tensor, name: str) -> Tensor:
        keys = ("running_mean", "running_var", "weight", "bias")
        mean, variance, weight, bias = (state[f"{name}.{key}"] for key in keys)
        return F.batch_norm(x, mean, variance, weight, bias, eps=2e-5)

    weight = state["patch_embed.proj.weight"]
    tokens = F.conv2d(images, weight, state["patch_embed.proj.bias"], stride=weight.shape[-1])
    tokens = tokens.flatten(2).transpose(1, 2) + state["pos_embed"]
    for i in range(sum(key.endswith(".attn.qkv.weight") for key in state)):
        qkv = linear(norm(tokens, f"blocks.{i}.norm1"), f"blocks.{i}.attn.qkv")
        q, k, v = (x.unflatten(2, (heads, -1)).transpose(1, 2) for x in qkv.chunk(3, dim=2))
        attention = (q @ k.transpose(2, 3) / math.sqrt(width // heads)).softmax(dim=-1)
        tokens = tokens + linear((attention @ v).transpose(1, 2).flatten(2), f"blocks.{i}.attn.proj")
        hidden = F.relu6(linear(norm(tokens, f"blocks.{i}.norm2"), f"blocks.{i}.mlp.fc1"))
        tokens = tokens + linear(hidden, f"blocks.{i}.mlp.fc2")
    features = batch_norm(linear(norm(tokens, "norm").flatten(1), "feature.0"), "feature.1")
    return batch_norm(linear(features, "feature.2"), "feature.3")
