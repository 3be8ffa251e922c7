"""The text towers of CLIP and SigLIP in plain torch, from the keys of their files. Nothing of omlzoo or timm is used."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

State = dict[str, Tensor]


def random_text(width: int, depth: int, length: int, words: int, out: int, seed: int, bias: bool = False) -> State:
    """A text tower's state dict with random values: OpenAI's layout, or open_clip's SigLIP ("text.", with a bias)."""
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape: int, std: float = 0.1) -> Tensor:
        return torch.randn(*shape, generator=draw) * std

    state = {"token_embedding.weight": normal(words, width), "positional_embedding": normal(length, width, std=0.3)}
    blocks = [f"transformer.resblocks.{i}" for i in range(depth)]
    for block in blocks:
        state[f"{block}.attn.in_proj_weight"] = normal(3 * width, width)
        state[f"{block}.attn.in_proj_bias"] = normal(3 * width)
        for name, rows, columns in (("attn.out_proj", 1, 1), ("mlp.c_fc", 4, 1), ("mlp.c_proj", 1, 4)):
            state[f"{block}.{name}.weight"] = normal(rows * width, columns * width)
            state[f"{block}.{name}.bias"] = normal(rows * width)
    for norm in ("ln_final", *(f"{block}.{ln}" for block in blocks for ln in ("ln_1", "ln_2"))):
        state[f"{norm}.weight"], state[f"{norm}.bias"] = 1 + normal(width), normal(width)
    if not bias:
        state["text_projection"] = normal(width, out)
        return state | {"logit_scale": torch.tensor(1.0), "visual.conv1.weight": normal(4, 3, 2, 2)}
    state["text_projection.weight"], state["text_projection.bias"] = normal(out, width), normal(out)
    state = {f"text.{key}": value for key, value in state.items()}
    return state | {"logit_scale": torch.tensor(1.0), "visual.trunk.pos_embed": normal(1, 4, 4)}


def text_forward(
    state: State, tokens: Tensor, heads: int, *, causal: bool, end: int | None, activation: str, eps: float
) -> Tensor:
    """Vectors of token numbers (B, length), one text after the other, not normalised, (B, out)."""
    state = {key.removeprefix("text."): value for key, value in state.items()}
    length, width = state["positional_embedding"].shape
    found = []
    for row in tokens:
        x = state["token_embedding.weight"][row] + state["positional_embedding"]
        for i in range(sum(key.endswith(".in_proj_weight") for key in state)):
            name = f"transformer.resblocks.{i}"
            normed = F.layer_norm(x, (width,), state[f"{name}.ln_1.weight"], state[f"{name}.ln_1.bias"], eps)
            packed = normed @ state[f"{name}.attn.in_proj_weight"].T + state[f"{name}.attn.in_proj_bias"]
            parts = []
            for head in range(heads):
                own = slice(head * width // heads, (head + 1) * width // heads)
                q, k, v = (part[:, own] for part in packed.chunk(3, dim=1))
                weights = q @ k.T / math.sqrt(width // heads)
                if causal:
                    for place in range(length):
                        weights[place, place + 1 :] = -math.inf
                parts.append(weights.softmax(dim=1) @ v)
            out = torch.cat(parts, dim=1) @ state[f"{name}.attn.out_proj.weight"].T
            x = x + out + state[f"{name}.attn.out_proj.bias"]
            normed = F.layer_norm(x, (width,), state[f"{name}.ln_2.weight"], state[f"{name}.ln_2.bias"], eps)
            hidden = normed @ state[f"{name}.mlp.c_fc.weight"].T + state[f"{name}.mlp.c_fc.bias"]
            if activation == "quick":
                hidden = hidden * torch.sigmoid(1.702 * hidden)
            else:
                hidden = F.gelu(hidden, approximate="tanh" if activation == "tanh" else "none")
            x = x + hidden @ state[f"{name}.mlp.c_proj.weight"].T + state[f"{name}.mlp.c_proj.bias"]
        x = F.layer_norm(x, (width,), state["ln_final.weight"], state["ln_final.bias"], eps)
        vector = x[-1] if end is None else x[row.tolist().index(end)]
        if "text_projection" in state:
            found.append(vector @ state["text_projection"])
        else:
            found.append(vector @ state["text_projection.weight"].T + state["text_projection.bias"])
    return torch.stack(found)
