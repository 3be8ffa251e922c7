"""Swin Transformer in plain torch, from timm's keys (downsampling begins a stage). Nothing of omlzoo or timm is used."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

State = dict[str, Tensor]


def random_swin(
    width: int, depths: tuple[int, ...], heads: tuple[int, ...], window: int, size: int, seed: int
) -> State:
    """A checkpoint in the layout of timm 1.0, which MegaDescriptor's files have; random values, patches of 4 pixels."""
    draw = torch.Generator().manual_seed(seed)
    state: State = {}

    def normal(*shape: int, std: float = 0.1) -> Tensor:
        return torch.randn(*shape, generator=draw) * std

    def linear(name: str, rows: int, columns: int) -> None:
        state[f"{name}.weight"], state[f"{name}.bias"] = normal(rows, columns), normal(rows)

    def norm(name: str, count: int) -> None:
        state[f"{name}.weight"], state[f"{name}.bias"] = 1 + normal(count), normal(count)

    state["patch_embed.proj.weight"], state["patch_embed.proj.bias"] = normal(width, 3, 4, 4), normal(width)
    norm("patch_embed.norm", width)
    for stage, depth in enumerate(depths):
        if stage:
            norm(f"layers.{stage}.downsample.norm", 2 * width)
            state[f"layers.{stage}.downsample.reduction.weight"] = normal(width, 2 * width)
        span = 2 * min(window, size // 4 // 2**stage) - 1
        for i in range(depth):
            name = f"layers.{stage}.blocks.{i}"
            norm(f"{name}.norm1", width)
            state[f"{name}.attn.relative_position_bias_table"] = normal(span**2, heads[stage], std=0.3)
            linear(f"{name}.attn.qkv", 3 * width, width)
            linear(f"{name}.attn.proj", width, width)
            norm(f"{name}.norm2", width)
            linear(f"{name}.mlp.fc1", 4 * width, width)
            linear(f"{name}.mlp.fc2", width, 4 * width)
        width *= 2
    norm("norm", width // 2)
    return state


def swin_forward(state: State, images: Tensor, heads: tuple[int, ...], window: int) -> Tensor:
    """The average of the last tokens after the norm, (B, 8 * width) of four stages; square images of native size."""

    def norm(x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], state[f"{name}.weight"], state[f"{name}.bias"], eps=1e-5)

    def linear(x: Tensor, name: str) -> Tensor:
        return F.linear(x, state[f"{name}.weight"], state.get(f"{name}.bias"))

    x = F.conv2d(images, state["patch_embed.proj.weight"], state["patch_embed.proj.bias"], stride=4)
    x = norm(x.permute(0, 2, 3, 1), "patch_embed.norm")
    for stage, count in enumerate(heads):
        if stage:
            # the four neighbours by columns: both rows of the left one, then both of the right one
            corners = [x[:, row::2, column::2] for column in (0, 1) for row in (0, 1)]
            x = linear(norm(torch.cat(corners, dim=-1), f"layers.{stage}.downsample.norm"),
                       f"layers.{stage}.downsample.reduction")  # fmt: skip
        side = min(window, x.shape[1])
        depth = len({key.split(".")[3] for key in state if key.startswith(f"layers.{stage}.blocks.")})
        for i in range(depth):
            name = f"layers.{stage}.blocks.{i}"
            shift = side // 2 if i % 2 and x.shape[1] > window else 0
            windows = to_windows(norm(x, f"{name}.norm1").roll((-shift, -shift), (1, 2)), side)
            batch, tiles, area, width = windows.shape
            qkv = linear(windows, f"{name}.attn.qkv").reshape(batch, tiles, area, 3, count, width // count)
            q, k, v = qkv.permute(3, 0, 1, 4, 2, 5)
            scores = q @ k.transpose(-2, -1) / math.sqrt(width // count)
            scores = scores + state[f"{name}.attn.relative_position_bias_table"][offsets(side)].permute(2, 0, 1)
            if shift:
                scores = scores - 100 * strangers(x.shape[1], side, shift)[:, None]
            mixed = (scores.softmax(dim=-1) @ v).transpose(2, 3).reshape(batch, tiles, area, width)
            mixed = from_windows(linear(mixed, f"{name}.attn.proj"), x.shape[1])
            x = x + mixed.roll((shift, shift), (1, 2))
            hidden = F.gelu(linear(norm(x, f"{name}.norm2"), f"{name}.mlp.fc1"))
            x = x + linear(hidden, f"{name}.mlp.fc2")
    return norm(x, "norm").mean(dim=(1, 2))


def to_windows(x: Tensor, side: int) -> Tensor:
    """(B, H, H, C) cut into windows, (B, windows, side * side, C)."""
    tiles = x.unfold(1, side, side).unfold(2, side, side)
    return tiles.permute(0, 1, 2, 4, 5, 3).reshape(len(x), -1, side * side, x.shape[-1])


def from_windows(windows: Tensor, height: int) -> Tensor:
    """The map that ``to_windows`` had cut."""
    batch, _, area, width = windows.shape
    side = math.isqrt(area)
    tiles = windows.reshape(batch, height // side, height // side, side, side, width)
    return tiles.transpose(2, 3).reshape(batch, height, height, width)


def offsets(side: int) -> Tensor:
    """For each pair of a window's positions the row of the bias table, (side * side, side * side)."""
    rows, columns = torch.arange(side).repeat_interleave(side), torch.arange(side).repeat(side)
    down, right = rows[:, None] - rows + side - 1, columns[:, None] - columns + side - 1
    return down * (2 * side - 1) + right


def strangers(height: int, side: int, shift: int) -> Tensor:
    """Pairs of a window that only the roll has brought together are 1, (windows, side * side, side * side)."""
    wrapped = torch.arange(height) >= height - shift
    region = (2 * wrapped[:, None] + wrapped.int()).float()
    tiles = to_windows(region[None, :, :, None], side)[0, :, :, 0]
    return (tiles[:, :, None] != tiles[:, None]).float()
