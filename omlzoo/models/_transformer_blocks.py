"""Blocks of vision transformers (arXiv 2010.11929), with the names, the random weights and the bits of timm's.

They stand here because to import timm for them takes longer than to import torch: it imports torchvision with it.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

__all__ = ["Attention", "AttentionPool", "Block", "GatedMlp", "Mlp", "truncated_normal"]


class Attention(nn.Module):
    """Attention of tokens among themselves.

    Args:
        width: Dimension of the tokens.
        heads: Number of heads.
        bias: Whether queries, keys and values have a bias.

    Raises:
        ValueError: The tokens' numbers cannot be split evenly between the heads.

    Attributes:
        num_heads: Number of heads.
        fused_attn: Whether torch's fused attention computes it; False writes it out.
    """

    def __init__(self, width: int, heads: int, bias: bool) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"{width} numbers cannot be split into {heads} heads")
        self.num_heads, self.fused_attn = heads, True
        self.qkv = nn.Linear(width, 3 * width, bias=bias)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (B, N, width) of tokens (B, N, width)."""
        batch, count, width = tokens.shape
        split = self.qkv(tokens).reshape(batch, count, 3, self.num_heads, width // self.num_heads)
        query, key, value = split.permute(2, 0, 3, 1, 4).unbind(0)  # (B, heads, N, width / heads) each
        mixed = attend(query, key, value, self.fused_attn)
        output: Tensor = self.proj(mixed.transpose(1, 2).reshape(batch, count, width))
        return output


class Mlp(nn.Module):
    """Two layers with an activation between them.

    Args:
        width: Dimension of the tokens.
        hidden: Width of the hidden layer.
        activation: Makes the activation.
    """

    def __init__(self, width: int, hidden: int, activation: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.act = activation()
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (B, N, width) of tokens (B, N, width)."""
        output: Tensor = self.fc2(self.act(self.fc1(tokens)))
        return output


class GatedMlp(nn.Module):
    """SwiGLU (arXiv 2002.05202): one half of the hidden layer, after SiLU, times the other.

    Args:
        width: Dimension of the tokens.
        hidden: Width of both halves together.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.act = nn.SiLU()
        self.fc2 = nn.Linear(hidden // 2, width)

    def initialize(self) -> None:
        """Let the second half begin as ones, nearly."""
        half = len(self.fc1.weight) // 2
        nn.init.ones_(self.fc1.bias[half:])
        nn.init.normal_(self.fc1.weight[half:], std=1e-6)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (B, N, width) of tokens (B, N, width)."""
        gate, value = self.fc1(tokens).chunk(2, dim=-1)
        output: Tensor = self.fc2(self.act(gate) * value)
        return output


class LayerScale(nn.Module):
    """A factor ``gamma`` for each dimension (arXiv 2103.17239), ``initial`` at first."""

    def __init__(self, width: int, initial: float) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.empty(width))
        nn.init.constant_(self.gamma, initial)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (B, N, width) of tokens (B, N, width)."""
        return tokens * self.gamma


class Block(nn.Module):
    """Attention and a perceptron, each after a norm and with a residual.

    Args:
        width: Dimension of the tokens.
        attention: The attention.
        perceptron: Makes the perceptron, after the attention.
        epsilon: Epsilon of the norms.
        layer_scale: Initial value of the layer scale; None has none.
    """

    def __init__(
        self,
        width: int,
        attention: Callable[[], nn.Module],
        perceptron: Callable[[], nn.Module],
        epsilon: float,
        layer_scale: float | None,
    ) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, epsilon)
        self.attn = attention()
        self.ls1 = nn.Identity() if layer_scale is None else LayerScale(width, layer_scale)
        self.drop_path1 = nn.Identity()  # set for training, as the other
        self.norm2 = nn.LayerNorm(width, epsilon)
        self.mlp = perceptron()
        self.ls2 = nn.Identity() if layer_scale is None else LayerScale(width, layer_scale)
        self.drop_path2 = nn.Identity()

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens (B, N, width) of tokens (B, N, width)."""
        tokens = tokens + self.drop_path1(self.ls1(self.attn(self.norm1(tokens))))
        output: Tensor = tokens + self.drop_path2(self.ls2(self.mlp(self.norm2(tokens))))
        return output


class AttentionPool(nn.Module):
    """Tokens pooled by the attention of one learned query, with a perceptron after it.

    Args:
        width: Dimension of the tokens.
        heads: Number of heads.
        hidden: Width of the hidden layer of the perceptron.
        activation: Makes the activation of the perceptron.
        epsilon: Epsilon of the norm.

    Attributes:
        num_heads: Number of heads.
        fused_attn: As of :class:`Attention`.
    """

    def __init__(
        self, width: int, heads: int, hidden: int, activation: Callable[[], nn.Module], epsilon: float
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"{width} numbers cannot be split into {heads} heads")
        self.num_heads, self.fused_attn = heads, True
        self.latent = nn.Parameter(torch.zeros(1, 1, width))
        self.q = nn.Linear(width, width)
        self.kv = nn.Linear(width, 2 * width)
        self.proj = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, epsilon)
        self.mlp = Mlp(width, hidden, activation)
        self.initialize()

    def initialize(self) -> None:
        """Draw the query."""
        truncated_normal(self.latent, 1.0)
        with torch.no_grad():
            self.latent.mul_(self.latent.shape[2] ** -0.5)

    def forward(self, tokens: Tensor) -> Tensor:
        """Vectors (B, width) of tokens (B, N, width)."""
        batch, count, width = tokens.shape
        each = width // self.num_heads
        query = self.q(self.latent.expand(batch, -1, -1)).reshape(batch, 1, self.num_heads, each).transpose(1, 2)
        split = self.kv(tokens).reshape(batch, count, 2, self.num_heads, each)
        key, value = split.permute(2, 0, 3, 1, 4).unbind(0)
        pooled = self.proj(attend(query, key, value, self.fused_attn).transpose(1, 2).reshape(batch, 1, width))
        output: Tensor = pooled + self.mlp(self.norm(pooled))
        return output[:, 0]


def attend(query: Tensor, key: Tensor, value: Tensor, fused: bool) -> Tensor:
    """softmax(query key / sqrt(dim)) value.

    Args:
        query: (B, heads, M, dim).
        key: (B, heads, N, dim).
        value: (B, heads, N, dim).
        fused: Whether torch's fused attention computes it.
    """
    if fused:
        return nn.functional.scaled_dot_product_attention(query, key, value)
    weights = (query * query.shape[-1] ** -0.5) @ key.transpose(-2, -1)
    mixed: Tensor = weights.softmax(dim=-1) @ value
    return mixed


def truncated_normal(tensor: Tensor, deviation: float) -> None:
    """Fill a tensor with numbers of a normal distribution around 0, between -2 and 2.

    Args:
        tensor: The tensor.
        deviation: The standard deviation.
    """
    low, high = ((1.0 + math.erf(end / deviation / math.sqrt(2.0))) / 2.0 for end in (-2, 2))  # shares below each end
    with torch.no_grad():
        tensor.uniform_(2 * low - 1, 2 * high - 1)
        tensor.erfinv_()
        tensor.mul_(deviation * math.sqrt(2.0))
        tensor.clamp_(min=-2, max=2)
