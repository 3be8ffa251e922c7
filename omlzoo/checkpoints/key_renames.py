"""What becomes of a family's keys: patterns of names, and the few things that patterns cannot say.

In patterns ``*`` stands for anything, ``#`` for a number, ``?`` for a number that is dropped; both sides of a rename
have the same ``*`` and ``#``.
"""

import re
from functools import cache
from math import isqrt

import torch
from torch import Tensor

from omlzoo.errors import WeightsMismatch

__all__ = ["Names", "State", "renamed"]

State = dict[str, Tensor]
Names = tuple[tuple[str, str], ...]

DINOV2_NAMES: Names = (
    ("blocks.?.#.mlp.w12.*", "blocks.#.mlp.fc1.*"),
    ("blocks.?.#.mlp.w3.*", "blocks.#.mlp.fc2.*"),
    ("blocks.?.#.*", "blocks.#.*"),
    ("register_tokens", "reg_token"),
    ("blocks.#.mlp.w12.*", "blocks.#.mlp.fc1.*"),
    ("blocks.#.mlp.w3.*", "blocks.#.mlp.fc2.*"),
)
TRANSFORMERS_NAMES: Names = (
    ("embeddings.cls_token", "cls_token"),
    ("embeddings.position_embeddings", "pos_embed"),
    ("embeddings.register_tokens", "reg_token"),
    ("embeddings.patch_embeddings.projection.*", "patch_embed.proj.*"),
    ("encoder.layer.#.attention.attention.*", "blocks.#.attn.*"),
    ("encoder.layer.#.attention.output.dense.*", "blocks.#.attn.proj.*"),
    ("layernorm.*", "norm.*"),
)
CLIP_NAMES: Names = (
    ("class_embedding", "cls_token"),
    ("positional_embedding", "pos_embed"),
    ("conv1.*", "patch_embed.proj.*"),
    ("ln_pre.*", "norm_pre.*"),
    ("ln_post.*", "norm.*"),
    ("transformer.resblocks.#.ln_1.*", "blocks.#.norm1.*"),
    ("transformer.resblocks.#.ln_2.*", "blocks.#.norm2.*"),
    ("transformer.resblocks.#.attn.in_proj_weight", "blocks.#.attn.qkv.weight"),
    ("transformer.resblocks.#.attn.in_proj_bias", "blocks.#.attn.qkv.bias"),
    ("transformer.resblocks.#.attn.out_proj.*", "blocks.#.attn.proj.*"),
    ("transformer.resblocks.#.mlp.c_fc.*", "blocks.#.mlp.fc1.*"),
    ("transformer.resblocks.#.mlp.c_proj.*", "blocks.#.mlp.fc2.*"),
)
TORCHVISION_NAMES: Names = (
    ("class_token", "cls_token"),
    ("conv_proj.*", "patch_embed.proj.*"),
    ("encoder.pos_embedding", "pos_embed"),
    ("encoder.ln.*", "norm.*"),
    ("encoder.layers.encoder_layer_#.ln_1.*", "blocks.#.norm1.*"),
    ("encoder.layers.encoder_layer_#.ln_2.*", "blocks.#.norm2.*"),
    ("encoder.layers.encoder_layer_#.self_attention.in_proj_weight", "blocks.#.attn.qkv.weight"),
    ("encoder.layers.encoder_layer_#.self_attention.in_proj_bias", "blocks.#.attn.qkv.bias"),
    ("encoder.layers.encoder_layer_#.self_attention.out_proj.*", "blocks.#.attn.proj.*"),
    ("encoder.layers.encoder_layer_#.mlp.0.*", "blocks.#.mlp.fc1.*"),
    ("encoder.layers.encoder_layer_#.mlp.3.*", "blocks.#.mlp.fc2.*"),
    ("encoder.layers.encoder_layer_#.mlp.linear_1.*", "blocks.#.mlp.fc1.*"),
    ("encoder.layers.encoder_layer_#.mlp.linear_2.*", "blocks.#.mlp.fc2.*"),
)


def renamed(key: str, names: Names) -> str:
    """The key as the first pattern that matches all of it says; itself where none does."""
    for old, new in names:
        if match := _pattern(old).fullmatch(key):
            values = iter(match.groups())
            return "".join(next(values) if part in "#*" else part for part in re.split(r"([#*])", new) if part)
    return key


@cache
def _pattern(text: str) -> re.Pattern[str]:
    parts = {"#": r"(\d+)", "*": "(.*)", "?": r"\d+"}
    return re.compile("".join(parts.get(part, re.escape(part)) for part in re.split(r"([#*?])", text)))


def split_registers(state: State) -> State:
    """timm adds no position to the class token of a model with registers, so its position moves into the token."""
    count = state["pos_embed"].shape[1]
    if "reg_token" in state and isqrt(count - 1) ** 2 == count - 1:  # one more than a square of patches
        state["cls_token"] = state["cls_token"] + state["pos_embed"][:, :1]
        state["pos_embed"] = state["pos_embed"][:, 1:].contiguous()
    return state


def join_attention(state: State) -> State:
    """Queries, keys and values, kept apart by transformers, as timm's one matrix; DINOv2's registers as timm's."""
    for name in [name for name in state if ".attn.query." in name]:
        parts = [state.pop(name.replace(".query.", f".{part}.")) for part in ("query", "key", "value")]
        state[name.replace(".query.", ".qkv.")] = torch.cat(parts)
    return split_registers(state)


def clip_head(state: State) -> State:
    """CLIP's projection, a matrix to multiply with from the right, as a linear layer; timm's has a bias."""
    if "proj" in state:
        state["head.weight"] = state.pop("proj").T.contiguous()
    if "cls_token" in state and state["cls_token"].ndim == 1:
        state["cls_token"] = state["cls_token"][None, None]
        state["pos_embed"] = state["pos_embed"][None]
    state.setdefault("head.bias", torch.zeros(len(state["head.weight"]), dtype=state["head.weight"].dtype))
    return state


def no_attention_bias(state: State) -> State:
    """DINOv3's attention has a bias of zeros in most releases, and timm's has none; any other is refused."""
    for name in [name for name in state if name.endswith(".qkv.bias")]:
        if state.pop(name).nan_to_num().any():
            raise WeightsMismatch(f"{name} is not zero; models with a bias in the attention are not in the zoo")
    return state


def shift_merging(state: State) -> State:
    """Older files shrink the map at the end of a stage, timm at the start of the next."""
    if not any(name.startswith("layers.0.downsample.") for name in state):
        return state
    pattern = re.compile(r"layers\.(\d+)\.downsample\.(.*)")
    found = {name: pattern.fullmatch(name) for name in state}
    return {
        f"layers.{int(match[1]) + 1}.downsample.{match[2]}" if match else name: state[name]
        for name, match in found.items()
    }
