"""The authors' forward passes in plain torch, from the keys of their checkpoints. Nothing of omlzoo or timm is used."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

State = dict[str, Tensor]


def random_vit(
    width: int, depth: int, patch: int, grid: int, seed: int, layer_scale: bool = False, registers: int = 0
) -> State:
    """A checkpoint in the layout that DINO and DINOv2 publish, random values."""
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape: int, std: float = 0.1) -> Tensor:
        return torch.randn(*shape, generator=draw) * std

    state = {
        "cls_token": normal(1, 1, width), "pos_embed": normal(1, grid**2 + 1, width, std=0.3),
        "patch_embed.proj.weight": normal(width, 3, patch, patch), "patch_embed.proj.bias": normal(width),
        "norm.weight": 1 + normal(width), "norm.bias": normal(width),
    }  # fmt: skip
    if layer_scale:
        state["mask_token"] = normal(1, width)
    if registers:
        state["register_tokens"] = normal(1, registers, width)
    for i in range(depth):
        for name, rows, columns in (("attn.qkv", 3, 1), ("attn.proj", 1, 1), ("mlp.fc1", 4, 1), ("mlp.fc2", 1, 4)):
            state[f"blocks.{i}.{name}.weight"] = normal(rows * width, columns * width)
            state[f"blocks.{i}.{name}.bias"] = normal(rows * width)
        for norm in ("norm1", "norm2"):
            state[f"blocks.{i}.{norm}.weight"], state[f"blocks.{i}.{norm}.bias"] = 1 + normal(width), normal(width)
        for scale in ("ls1", "ls2") if layer_scale else ():
            state[f"blocks.{i}.{scale}.gamma"] = normal(width, std=0.5)
    return state


def vit_forward(state: State, images: Tensor, heads: int, antialias: bool = False) -> Tensor:
    """The class token of DINO (``prepare_tokens``) and DINOv2 (``prepare_tokens_with_masks``), (B, width)."""
    weight = state["patch_embed.proj.weight"]
    patch, width = weight.shape[-1], weight.shape[0]
    rows, columns = images.shape[2] // patch, images.shape[3] // patch
    tokens = F.conv2d(images, weight, state["patch_embed.proj.bias"], stride=patch).flatten(2).transpose(1, 2)
    tokens = torch.cat([state["cls_token"].expand(len(images), -1, -1), tokens], dim=1)
    tokens = tokens + authors_positions(state["pos_embed"], rows, columns, antialias)
    if "register_tokens" in state:
        registers = state["register_tokens"].expand(len(images), -1, -1)
        tokens = torch.cat([tokens[:, :1], registers, tokens[:, 1:]], dim=1)
    depth = len({key.split(".")[1] for key in state if key.startswith("blocks.")})
    for i in range(depth):
        block = {
            key.removeprefix(f"blocks.{i}."): value for key, value in state.items() if key.startswith(f"blocks.{i}.")
        }

        def norm(x: Tensor, name: str, block: State = block) -> Tensor:
            return F.layer_norm(x, (width,), block[f"{name}.weight"], block[f"{name}.bias"], eps=1e-6)

        normed = norm(tokens, "norm1")
        qkv = F.linear(normed, block["attn.qkv.weight"], block["attn.qkv.bias"])
        q, k, v = qkv.reshape(len(images), -1, 3, heads, width // heads).permute(2, 0, 3, 1, 4)
        attention = (q @ k.transpose(-2, -1) / math.sqrt(width // heads)).softmax(dim=-1)
        mixed = (attention @ v).transpose(1, 2).reshape(len(images), -1, width)
        mixed = F.linear(mixed, block["attn.proj.weight"], block["attn.proj.bias"])
        tokens = tokens + mixed * block.get("ls1.gamma", torch.ones(()))
        hidden = F.gelu(F.linear(norm(tokens, "norm2"), block["mlp.fc1.weight"], block["mlp.fc1.bias"]))
        tokens = tokens + F.linear(hidden, block["mlp.fc2.weight"], block["mlp.fc2.bias"]) * block.get(
            "ls2.gamma", torch.ones(())
        )
    return F.layer_norm(tokens, (width,), state["norm.weight"], state["norm.bias"], eps=1e-6)[:, 0]


def authors_positions(positions: Tensor, rows: int, columns: int, antialias: bool) -> Tensor:
    """Position embeddings for another grid; with registers (antialias) to the size, else by DINO's factor with 0.1."""
    side = round(math.sqrt(positions.shape[1] - 1))
    if rows * columns == side * side and rows == columns:
        return positions
    image = positions[:, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
    if antialias:
        resized = F.interpolate(image, size=(rows, columns), mode="bicubic", antialias=True)
    else:
        resized = F.interpolate(image, scale_factor=((rows + 0.1) / side, (columns + 0.1) / side), mode="bicubic")
    assert resized.shape[-2:] == (rows, columns)
    return torch.cat([positions[:, :1], resized.flatten(2).transpose(1, 2)], dim=1)


def random_resnet(layers: tuple[int, ...], channels: tuple[int, ...], bottleneck: bool, seed: int) -> State:
    """A checkpoint in torchvision's layout, random values, the classifier included."""
    draw = torch.Generator().manual_seed(seed)
    state: State = {}

    def conv(name: str, out: int, into: int, side: int) -> None:
        state[f"{name}.weight"] = torch.randn(out, into, side, side, generator=draw) * (2 / (into * side**2)) ** 0.5

    def norm(name: str, width: int) -> None:
        for key in ("weight", "bias", "running_mean"):
            state[f"{name}.{key}"] = torch.randn(width, generator=draw) * 0.1 + (key == "weight")
        state[f"{name}.running_var"] = torch.rand(width, generator=draw) + 0.5
        state[f"{name}.num_batches_tracked"] = torch.tensor(1)

    conv("conv1", 64, 3, 7)
    norm("bn1", 64)
    width = 64
    for stage, (count, channel) in enumerate(zip(layers, channels, strict=True), 1):
        for block in range(count):
            name, out = f"layer{stage}.{block}", channel * (4 if bottleneck else 1)
            sides = (1, 3, 1) if bottleneck else (3, 3)
            widths = [width, *([channel] * (len(sides) - 1)), out]
            for i, side in enumerate(sides, 1):
                conv(f"{name}.conv{i}", widths[i], widths[i - 1], side)
                norm(f"{name}.bn{i}", widths[i])
            if block == 0 and (stage > 1 or width != out):
                conv(f"{name}.downsample.0", out, width, 1)
                norm(f"{name}.downsample.1", out)
            width = out
    state["fc.weight"], state["fc.bias"] = torch.randn(10, width, generator=draw), torch.randn(10, generator=draw)
    return state


def resnet_forward(state: State, images: Tensor, gem: float | None = None) -> Tensor:
    """The pooled last map of a torchvision ResNet, (B, width); with ``gem`` as Open Metric Learning pools it."""

    def norm(x: Tensor, name: str) -> Tensor:
        keys = ("running_mean", "running_var", "weight", "bias")
        mean, variance, weight, bias = (state[f"{name}.{key}"] for key in keys)
        return F.batch_norm(x, mean, variance, weight, bias, eps=1e-5)

    x = F.relu(norm(F.conv2d(images, state["conv1.weight"], stride=2, padding=3), "bn1"))
    x = F.max_pool2d(x, 3, stride=2, padding=1)
    blocks = sorted(
        {tuple(key.split(".")[:2]) for key in state if key.startswith("layer")}, key=lambda b: (b[0], int(b[1]))
    )
    for stage, block in blocks:
        name = f"{stage}.{block}"
        count = 3 if f"{name}.conv3.weight" in state else 2
        stride = 2 if block == "0" and stage != "layer1" else 1
        y = x
        for i in range(1, count + 1):
            weight = state[f"{name}.conv{i}.weight"]
            # torchvision strides the 3x3 filter of a bottleneck, and the first one of a basic block
            step = stride if i == (2 if count == 3 else 1) else 1
            y = norm(F.conv2d(y, weight, stride=step, padding=weight.shape[-1] // 2), f"{name}.bn{i}")
            y = F.relu(y) if i < count else y
        if f"{name}.downsample.0.weight" in state:
            x = norm(F.conv2d(x, state[f"{name}.downsample.0.weight"], stride=stride), f"{name}.downsample.1")
        x = F.relu(x + y)
    if gem is None:
        return x.mean(dim=(2, 3))
    return x.clamp(min=1e-6).pow(gem).mean(dim=(2, 3)).pow(1 / gem)
