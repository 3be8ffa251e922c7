"""The text towers of CLIP (arXiv 2103.00020) and SigLIP (2303.15343): token numbers to vectors beside the images'."""

from collections.abc import Callable, Mapping

import torch
from timm.layers import QuickGELU
from torch import Tensor, nn

from omlzoo.errors import WeightsMismatch

__all__ = ["TOWERS", "TextTower", "clip_text", "siglip_text", "text_state"]


class Block(nn.Module):
    """One layer: attention and a hidden layer, each behind its norm."""

    def __init__(self, width: int, heads: int, hidden: int, activation: nn.Module, epsilon: float) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width, epsilon)
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ln_2 = nn.LayerNorm(width, epsilon)
        self.mlp = nn.ModuleDict(
            {"c_fc": nn.Linear(width, hidden), "gelu": activation, "c_proj": nn.Linear(hidden, width)}
        )

    def forward(self, tokens: Tensor, mask: Tensor | None) -> Tensor:
        """Tokens (B, length, width) to the same; ``mask`` (length, length) is True where none may look."""
        normed = self.ln_1(tokens)
        tokens = tokens + self.attn(normed, normed, normed, need_weights=False, attn_mask=mask)[0]
        hidden = self.mlp["gelu"](self.mlp["c_fc"](self.ln_2(tokens)))
        found: Tensor = tokens + self.mlp["c_proj"](hidden)
        return found


class TextTower(nn.Module):
    """Numbers of tokens (B, length) int64 to vectors (B, dim), not normalised. The state dict has open_clip's names.

    Args:
        length: Tokens of a text.
        vocabulary: Number of tokens.
        width: Of the tokens' vectors.
        depth: Number of layers.
        heads: Of the attention.
        dim: Length of the projection, that of the image tower.
        hidden: Width of a layer's hidden layer; 4 x width by default.
        activation: Of the hidden layer.
        end: The number of the token at the text's end, whose vector is projected; None: that of the last place.
        causal: A token sees only those before it.
        bias: The projection has one.
        epsilon: Of the norms.
    """

    def __init__(
        self,
        *,
        length: int,
        vocabulary: int,
        width: int,
        depth: int,
        heads: int,
        dim: int,
        hidden: int | None,
        activation: Callable[[], nn.Module],
        end: int | None,
        causal: bool,
        bias: bool,
        epsilon: float,
    ) -> None:
        super().__init__()
        self.length, self.vocabulary, self.dim, self.end = length, vocabulary, dim, end
        self.token_embedding = nn.Embedding(vocabulary, width)
        self.positional_embedding = nn.Parameter(torch.randn(length, width) * 0.01)
        blocks = [Block(width, heads, hidden or 4 * width, activation(), epsilon) for _ in range(depth)]
        self.transformer = nn.ModuleDict({"resblocks": nn.ModuleList(blocks)})
        self.ln_final = nn.LayerNorm(width, epsilon)
        self.text_projection = nn.Linear(width, dim, bias=bias)
        mask = torch.ones(length, length, dtype=torch.bool).triu(1) if causal else None
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Vectors (B, dim) of token numbers (B, length)."""
        found = self.token_embedding(tokens) + self.positional_embedding
        for block in self.transformer["resblocks"].children():
            found = block(found, self.mask)
        place = torch.full_like(tokens[:, 0], self.length - 1)
        if self.end is not None:
            place = (tokens == self.end).int().argmax(dim=1)  # the first one
        found = self.ln_final(found[torch.arange(len(tokens)), place])
        return torch.as_tensor(self.text_projection(found))


def clip_text(dim: int, width: int, heads: int, depth: int = 12, quick: bool = True) -> TextTower:
    """CLIP's, of 77 tokens out of 49,408; ``quick`` is False where it was trained with the exact GELU."""
    return TextTower(
        length=77, vocabulary=49408, width=width, depth=depth, heads=heads, dim=dim, hidden=None,
        activation=QuickGELU if quick else nn.GELU, end=49407, causal=True, bias=False, epsilon=1e-5,
    )  # fmt: skip


def siglip_text(
    dim: int,
    heads: int = 12,
    depth: int = 12,
    hidden: int | None = None,
    length: int = 64,
    vocabulary: int = 32000,
    tanh: bool = False,
) -> TextTower:
    """SigLIP's, as wide as its vectors; SigLIP 2 (2502.14786) has 256,000 tokens and the tanh form of GELU."""
    return TextTower(
        length=length, vocabulary=vocabulary, width=dim, depth=depth, heads=heads, dim=dim, hidden=hidden,
        activation=lambda: nn.GELU(approximate="tanh" if tanh else "none"),
        end=None, causal=False, bias=True, epsilon=1e-6,
    )  # fmt: skip


TOWERS: Mapping[str, Callable[..., TextTower]] = {"clip_text": clip_text, "siglip_text": siglip_text}


def text_state(raw: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """The text tower's tensors of a file of both towers, in OpenAI's or open_clip's layout, under our names.

    Args:
        raw: The file's tensors.
        name: Of the file, for messages.

    Raises:
        WeightsMismatch: It has no text tower.
    """
    prefix = "text." if any(key.startswith("text.token_embedding") for key in raw) else ""
    wanted = ("token_embedding.", "positional_embedding", "transformer.", "ln_final.", "text_projection")
    state = {key.removeprefix(prefix): value for key, value in raw.items() if key.startswith(prefix)}
    state = {key: value for key, value in state.items() if key.startswith(wanted)}
    if "token_embedding.weight" not in state:
        shown = ", ".join(sorted(map(str, raw))[:3]) or "nothing"
        raise WeightsMismatch(f"{name}: it has no token_embedding.weight as a text tower has; found {shown}")
    if "text_projection" in state:  # a matrix to multiply with from the right
        state["text_projection.weight"] = state.pop("text_projection").T.contiguous()
    return {key: value.float() for key, value in state.items()}
