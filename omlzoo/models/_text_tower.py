"""The text towers of CLIP (arXiv 2103.00020) and SigLIP (arXiv 2303.15343), which map token ids to vectors."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from omlzoo.errors import WeightsMismatch
from omlzoo.models._quick_gelu import QuickGELU

__all__ = ["TOWERS", "TextTower", "clip_text", "siglip_text", "text_state"]


class Block(nn.Module):
    """One transformer layer: attention and a two-layer perceptron, each after a layer norm and with a residual."""

    def __init__(self, width: int, heads: int, hidden: int, activation: nn.Module, epsilon: float) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width, epsilon)
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.ln_2 = nn.LayerNorm(width, epsilon)
        self.mlp = nn.ModuleDict(
            {"c_fc": nn.Linear(width, hidden), "gelu": activation, "c_proj": nn.Linear(hidden, width)}
        )

    def forward(self, tokens: Tensor, mask: Tensor | None) -> Tensor:
        """Apply the layer to token vectors.

        Args:
            tokens: Token vectors (B, length, width).
            mask: Boolean mask (length, length), True where a token (row) must not attend to another (column); None
                lets every token attend to all.

        Returns:
            Token vectors (B, length, width).
        """
        normed = self.ln_1(tokens)
        tokens = tokens + self.attn(normed, normed, normed, need_weights=False, attn_mask=mask)[0]
        hidden = self.mlp["gelu"](self.mlp["c_fc"](self.ln_2(tokens)))
        output: Tensor = tokens + self.mlp["c_proj"](hidden)
        return output


class TextTower(nn.Module):
    """A transformer that maps token ids (B, length) int64 to vectors (B, dim), which are not normalised.

    The names in its state dict are open_clip's.

    Args:
        length: Number of token ids of a text, padding included.
        vocabulary: Number of different tokens.
        width: Dimension of the token vectors.
        depth: Number of layers.
        heads: Number of attention heads.
        dim: Dimension of the projected vector, the same as that of the image tower's embedding.
        hidden: Width of the hidden layer of each perceptron; None is 4 x width.
        activation: Makes the activation of the hidden layers.
        end: Id of the token at the end of a text, whose vector is projected; None projects the vector of the last
            position.
        causal: Whether a token attends only to itself and the tokens before it.
        bias: Whether the projection has a bias.
        epsilon: Epsilon of the layer norms.
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

    def stages(self) -> list[list[nn.Module | nn.Parameter]]:
        """The embeddings of tokens and positions, each layer, and the last norm with the projection."""
        blocks: list[list[nn.Module | nn.Parameter]] = [[block] for block in self.transformer["resblocks"].children()]
        return [[self.token_embedding, self.positional_embedding], *blocks, [self.ln_final, self.text_projection]]

    def forward(self, tokens: Tensor) -> Tensor:
        """Vectors (B, dim) of token ids (B, length)."""
        hidden = self.token_embedding(tokens) + self.positional_embedding
        for block in self.transformer["resblocks"].children():
            hidden = block(hidden, self.mask)
        position = torch.full_like(tokens[:, 0], self.length - 1)
        if self.end is not None:
            position = (tokens == self.end).int().argmax(dim=1)  # the first end token
        hidden = self.ln_final(hidden[torch.arange(len(tokens)), position])
        return torch.as_tensor(self.text_projection(hidden))


def clip_text(
    dim: int,
    width: int,
    heads: int,
    depth: int = 12,
    quick: bool = True,
    length: int = 77,
    causal: bool = True,
) -> TextTower:
    """The text tower of CLIP, with a vocabulary of 49,408 tokens.

    Args:
        dim: Dimension of the vectors, the same as that of the image tower's embedding.
        width: Dimension of the token vectors.
        heads: Number of attention heads.
        depth: Number of layers.
        quick: Whether the activation is OpenAI's "QuickGELU", x sigmoid(1.702 x); False is the exact GELU.
        length: Number of token ids of a text, padding included; the Perception Encoder has 32 or 72.
        causal: Whether a token attends only to itself and the tokens before it; MobileCLIP2's mostly attend to all.
    """
    return TextTower(
        length=length, vocabulary=49408, width=width, depth=depth, heads=heads, dim=dim, hidden=None,
        activation=QuickGELU if quick else nn.GELU, end=49407, causal=causal, bias=False, epsilon=1e-5,
    )  # fmt: skip


def siglip_text(
    dim: int,
    heads: int = 12,
    depth: int = 12,
    hidden: int | None = None,
    length: int = 64,
    vocabulary: int = 32000,
    tanh: bool = False,
    width: int | None = None,
) -> TextTower:
    """The text tower of SigLIP or SigLIP 2 (arXiv 2502.14786).

    Args:
        dim: Dimension of the vectors, the same as that of the image tower's embedding.
        heads: Number of attention heads.
        depth: Number of layers.
        hidden: Width of the hidden layer of each perceptron; None is 4 x width.
        length: Number of token ids of a text, padding included.
        vocabulary: Number of different tokens; SigLIP 2 has 256,000.
        tanh: Whether the activation is the tanh approximation of GELU, as in SigLIP 2; False is the exact GELU.
        width: Dimension of the token vectors; None is dim.
    """
    return TextTower(
        length=length, vocabulary=vocabulary, width=width or dim, depth=depth, heads=heads, dim=dim, hidden=hidden,
        activation=lambda: nn.GELU(approximate="tanh" if tanh else "none"),
        end=None, causal=False, bias=True, epsilon=1e-6,
    )  # fmt: skip


TOWERS: Mapping[str, Callable[..., TextTower]] = {"clip_text": clip_text, "siglip_text": siglip_text}


def text_state(raw: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """Select the tensors of the text tower from a file in OpenAI's or open_clip's layout, and convert them to float32.

    Args:
        raw: The tensors of the file, of both towers or of the text tower alone.
        name: Name of the file, for the error message.

    Returns:
        A state dict of :class:`TextTower`.

    Raises:
        WeightsMismatch: The file has no text tower.
    """
    prefix = "text." if any(key.startswith("text.token_embedding") for key in raw) else ""
    parts = ("token_embedding.", "positional_embedding", "transformer.", "ln_final.", "text_projection")
    state = {key.removeprefix(prefix): value for key, value in raw.items() if key.startswith(prefix)}
    state = {key: value for key, value in state.items() if key.startswith(parts)}
    if "token_embedding.weight" not in state:
        shown = ", ".join(sorted(map(str, raw))[:3]) or "nothing"
        raise WeightsMismatch(f"{name}: it has no token_embedding.weight as a text tower has; found {shown}")
    if "text_projection" in state:  # a matrix that multiplies from the right
        state["text_projection.weight"] = state.pop("text_projection").T.contiguous()
    return {key: value.float() for key, value in state.items()}
