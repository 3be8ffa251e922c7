"""The image tower of OpenAI's CLIP in plain torch, from the keys of its archive. Nothing of omlzoo or timm is used."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

State = dict[str, Tensor]


def random_clip(width: int, depth: int, patch: int, grid: int, out: int, seed: int) -> State:
    """A state dict in the layout of OpenAI's archive, random values: the image tower, and some of what is not of it."""
    draw = torch.Generator().manual_seed(seed)

    def normal(*shape: int, std: float = 0.1) -> Tensor:
        return torch.randn(*shape, generator=draw) * std

    # Small filters keep the tokens' variance near that of the positions, so that a wrong eps in ln_pre shows.
    state = {
        "visual.class_embedding": normal(width), "visual.positional_embedding": normal(grid**2 + 1, width, std=0.3),
        "visual.proj": normal(width, out), "visual.conv1.weight": normal(width, 3, patch, patch, std=0.02),
    }  # fmt: skip
    blocks = [f"visual.transformer.resblocks.{i}" for i in range(depth)]
    for block in blocks:
        state[f"{block}.attn.in_proj_weight"] = normal(3 * width, width)
        state[f"{block}.attn.in_proj_bias"] = normal(3 * width)
        for name, rows, columns in (("attn.out_proj", 1, 1), ("mlp.c_fc", 4, 1), ("mlp.c_proj", 1, 4)):
            state[f"{block}.{name}.weight"] = normal(rows * width, columns * width)
            state[f"{block}.{name}.bias"] = normal(rows * width)
    for norm in ("visual.ln_pre", "visual.ln_post", *(f"{block}.{ln}" for block in blocks for ln in ("ln_1", "ln_2"))):
        state[f"{norm}.weight"], state[f"{norm}.bias"] = 1 + normal(width), normal(width)
    words, context, text = 11, 5, 2 * width  # the text tower is of another width
    return state | {
        "positional_embedding": normal(context, text), "text_projection": normal(text, out),
        "logit_scale": torch.tensor(math.log(100)), "token_embedding.weight": normal(words, text),
        "transformer.resblocks.0.ln_1.weight": 1 + normal(text),
        "ln_final.weight": 1 + normal(text), "ln_final.bias": normal(text),
        "input_resolution": torch.tensor(patch * grid), "context_length": torch.tensor(context),
        "vocab_size": torch.tensor(words),
    }  # fmt: skip


def clip_forward(state: State, images: Tensor, heads: int, quick: bool = True) -> Tensor:
    """The projected class token of CLIP's ``encode_image`` at the native size, not normalised, (B, out)."""
    width = state["visual.class_embedding"].shape[0]

    def norm(x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, (width,), state[f"visual.{name}.weight"], state[f"visual.{name}.bias"], eps=1e-5)

    def linear(x: Tensor, name: str) -> Tensor:
        return F.linear(x, state[f"visual.{name}.weight"], state[f"visual.{name}.bias"])

    weight = state["visual.conv1.weight"]
    patches = F.conv2d(images, weight, stride=weight.shape[-1]).flatten(2).transpose(1, 2)
    tokens = torch.cat([state["visual.class_embedding"].expand(len(images), 1, -1), patches], dim=1)
    tokens = norm(tokens + state["visual.positional_embedding"], "ln_pre")
    for i in range(sum(key.startswith("visual.") and key.endswith(".in_proj_weight") for key in state)):
        block = f"transformer.resblocks.{i}"
        packed = (state[f"visual.{block}.attn.in_proj_{kind}"] for kind in ("weight", "bias"))
        qkv = F.linear(norm(tokens, f"{block}.ln_1"), *packed)
        q, k, v = (x.unflatten(2, (heads, -1)).transpose(1, 2) for x in qkv.chunk(3, dim=2))
        attention = (q @ k.transpose(2, 3) / math.sqrt(width // heads)).softmax(dim=-1)
        tokens = tokens + linear((attention @ v).transpose(1, 2).flatten(2), f"{block}.attn.out_proj")
        hidden = linear(norm(tokens, f"{block}.ln_2"), f"{block}.mlp.c_fc")
        hidden = hidden * torch.sigmoid(1.702 * hidden) if quick else F.gelu(hidden)
        tokens = tokens + linear(hidden, f"{block}.mlp.c_proj")
    return norm(tokens[:, 0], "ln_post") @ state["visual.proj"]


def as_transformers_clip(state: State) -> State:
    """The same towers as transformers' ``CLIPModel`` writes them; of the text tower a layer, which is not read here."""
    names = {
        "visual.class_embedding": "embeddings.class_embedding", "visual.conv1.weight": "embeddings.patch_embedding.weight",
        "visual.positional_embedding": "embeddings.position_embedding.weight",
    }  # fmt: skip
    parts = {
        "ln_pre": "pre_layrnorm", "ln_post": "post_layernorm", "transformer.resblocks": "encoder.layers", "ln_1": "layer_norm1",
        "ln_2": "layer_norm2", "attn.out_proj": "self_attn.out_proj", "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2",
    }  # fmt: skip
    out: State = {"visual_projection.weight": state["visual.proj"].T.contiguous(), "logit_scale": torch.tensor(4.6)}
    for key, value in state.items():
        if not key.startswith("visual.") or key == "visual.proj":
            continue
        new = names.get(key, key.removeprefix("visual."))
        for old, other in parts.items() if key not in names else ():
            new = new.replace(f"{old}.", f"{other}.")
        if ".attn.in_proj_" in new:
            block, kind = new.split(".attn.in_proj_")
            for name, part in zip("qkv", value.chunk(3), strict=True):
                out[f"vision_model.{block}.self_attn.{name}_proj.{kind}"] = part.clone()
        else:
            out[f"vision_model.{new}"] = value
    positions = torch.arange(len(state["visual.positional_embedding"]))[None]
    text = {
        "text_model.encoder.layers.0.self_attn.q_proj.weight": torch.ones(2),
        "text_projection.weight": torch.ones(2),
    }
    return out | text | {"vision_model.embeddings.position_ids": positions}
