"""Renames of the keys of each model family, as patterns, and functions for changes that patterns cannot express.

In a pattern, ``*`` stands for any text, ``#`` for a number, and ``?`` for a number that is dropped. Both sides of a
rename have the same ``*`` and ``#`` in the same order.
"""

import re
from functools import cache
from math import isqrt

import torch
from torch import Tensor

from omlzoo.errors import WeightsMismatch

__all__ = [
    "Names",
    "State",
    "renamed",
    "stages_of_blocks",
]

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
TRANSFORMERS_CLIP_NAMES: Names = (
    ("vision_model.embeddings.class_embedding", "cls_token"),
    ("vision_model.embeddings.position_embedding.weight", "pos_embed"),
    ("vision_model.embeddings.patch_embedding.*", "patch_embed.proj.*"),
    ("vision_model.pre_layrnorm.*", "norm_pre.*"),  # transformers' own spelling
    ("vision_model.post_layernorm.*", "norm.*"),
    ("vision_model.encoder.layers.#.layer_norm1.*", "blocks.#.norm1.*"),
    ("vision_model.encoder.layers.#.layer_norm2.*", "blocks.#.norm2.*"),
    ("vision_model.encoder.layers.#.self_attn.out_proj.*", "blocks.#.attn.proj.*"),
    ("vision_model.encoder.layers.#.self_attn.q_proj.*", "blocks.#.attn.query.*"),
    ("vision_model.encoder.layers.#.self_attn.k_proj.*", "blocks.#.attn.key.*"),
    ("vision_model.encoder.layers.#.self_attn.v_proj.*", "blocks.#.attn.value.*"),
    ("vision_model.encoder.layers.#.mlp.*", "blocks.#.mlp.*"),
    ("visual_projection.weight", "head.weight"),
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
    """Rename a key by the first pattern that matches the whole key. A key that none matches is returned unchanged.

    Args:
        key: A key of a state dict.
        names: Pairs of a pattern and its replacement, tried in order.
    """
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
    """Add the class token's position embedding to the token itself, for models with registers.

    timm adds no position embedding to the class token of such models.
    """
    count = state["pos_embed"].shape[1]
    if "reg_token" in state and isqrt(count - 1) ** 2 == count - 1:  # one position more than a square grid of patches
        state["cls_token"] = state["cls_token"] + state["pos_embed"][:, :1]
        state["pos_embed"] = state["pos_embed"][:, 1:].contiguous()
    return state


def join_attention(state: State) -> State:
    """Join the query, key and value matrices of transformers into timm's single matrix, and convert the registers."""
    for name in [name for name in state if ".attn.query." in name]:
        parts = [state.pop(name.replace(".query.", f".{part}.")) for part in ("query", "key", "value")]
        state[name.replace(".query.", ".qkv.")] = torch.cat(parts)
    return split_registers(state)


def clip_head(state: State) -> State:
    """Convert CLIP's projection, a matrix that multiplies from the right, to timm's linear layer with a bias."""
    if "proj" in state:
        state["head.weight"] = state.pop("proj").T.contiguous()
    if "cls_token" in state and state["cls_token"].ndim == 1:
        state["cls_token"] = state["cls_token"][None, None]
        state["pos_embed"] = state["pos_embed"][None]
    state.setdefault("head.bias", torch.zeros(len(state["head.weight"]), dtype=state["head.weight"].dtype))
    return state


def transformers_clip(state: State) -> State:
    """Join the attention matrices of transformers' CLIP, and give its projection timm's bias."""
    return clip_head(join_attention(state))


def no_attention_bias(state: State) -> State:
    """Remove the attention bias of DINOv3, which is zero in most releases and which timm does not have.

    Raises:
        WeightsMismatch: A bias is not zero.
    """
    for name in [name for name in state if name.endswith(".qkv.bias")]:
        if state.pop(name).nan_to_num().any():
            raise WeightsMismatch(f"{name} is not zero; models with a bias in the attention are not in the zoo")
    return state


def shift_merging(state: State) -> State:
    """Rename the downsampling layers of older Swin files, which are at the end of a stage, to the start of the next."""
    if not any(name.startswith("layers.0.downsample.") for name in state):
        return state
    pattern = re.compile(r"layers\.(\d+)\.downsample\.(.*)")
    matches = {name: pattern.fullmatch(name) for name in state}
    return {
        f"layers.{int(match[1]) + 1}.downsample.{match[2]}" if match else name: state[name]
        for name, match in matches.items()
    }


def stages_of_blocks(state: State) -> State:
    """Name the blocks of an EfficientNet, which are numbered through, by stage and block, and its layers, as timm does.

    A stage begins where a block gives another number of channels than the one before it.
    """
    ends = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"}
    places = _places(state)
    found: State = {}
    for name, tensor in state.items():
        head, _, rest = name.partition(".")
        if head != "_blocks":
            found[f"{ends[head]}.{rest}"] = tensor
            continue
        number, layer, rest = rest.split(".", 2)
        layers, timms = ["_depthwise_conv", "_bn1", "_project_conv", "_bn2"], ["conv_dw", "bn1", "conv_pw", "bn2"]
        if f"_blocks.{number}._expand_conv.weight" in state:
            layers, timms = ["_expand_conv", "_bn0", *layers], ["conv_pw", "bn1", "conv_dw", "bn2", "conv_pwl", "bn3"]
        found[f"{places[number]}.{timms[layers.index(layer)]}.{rest}"] = tensor
    return found


def _places(state: State) -> dict[str, str]:
    """The stage and block of each block of an EfficientNet, by its number."""
    places: dict[str, str] = {}
    stage, block, channels = -1, 0, -1
    for number in range(1 + max(int(name.split(".")[1]) for name in state if name.startswith("_blocks."))):
        given = len(state[f"_blocks.{number}._project_conv.weight"])
        stage, block = (stage, block + 1) if given == channels else (stage + 1, 0)
        places[str(number)], channels = f"blocks.{stage}.{block}", given
    return places
