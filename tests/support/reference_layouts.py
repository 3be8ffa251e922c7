"""The layouts in which others publish the same tensors: each function gives what ``torch.load`` would of such a file.

The input is a state dict of ``random_vit`` (or ``random_giant``) or ``random_resnet``. The names are those of the
authors' code; nothing of omlzoo is used.
"""

import re
from typing import Any

import torch
from torch import Tensor

State = dict[str, Tensor]
OML_PREFIXES = ("", "model.", "extractor.model.", "module.model.")

VIT_BLOCK = {
    "norm1": "layernorm_before", "attn.proj": "attention.output.dense", "norm2": "layernorm_after",
    "mlp.fc1": "intermediate.dense", "mlp.fc2": "output.dense",
}  # fmt: skip
DINOV2_BLOCK = {
    "norm1": "norm1", "attn.proj": "attention.output.dense", "norm2": "norm2", "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2", "mlp.w12": "mlp.weights_in", "mlp.w3": "mlp.weights_out",
    "ls1.gamma": "layer_scale1.lambda1", "ls2.gamma": "layer_scale2.lambda1",
}  # fmt: skip
TORCHVISION_BLOCK = {
    "norm1": "ln_1", "attn.qkv.weight": "self_attention.in_proj_weight", "attn.qkv.bias": "self_attention.in_proj_bias",
    "attn.proj": "self_attention.out_proj", "norm2": "ln_2", "mlp.fc1": "mlp.0", "mlp.fc2": "mlp.3",
}  # fmt: skip
EMBEDDINGS = {
    "cls_token": "embeddings.cls_token", "mask_token": "embeddings.mask_token",
    "register_tokens": "embeddings.register_tokens", "pos_embed": "embeddings.position_embeddings",
    "patch_embed.proj": "embeddings.patch_embeddings.projection", "norm": "layernorm",
}  # fmt: skip


def renamed(key: str, names: dict[str, str]) -> str:
    """A key whose name, or whose name before ``.weight`` or ``.bias``, is in the table."""
    module, _, kind = key.rpartition(".")
    return names[key] if key in names else f"{names[module]}.{kind}"


def prefixed(prefix: str, state: State) -> State:
    """The same tensors, each key with something before it."""
    return {prefix + key: value for key, value in state.items()}


def other(state: State) -> State:
    """The same keys with other values: a second network of the file, which must not be taken."""
    return {key: value + 1 for key, value in state.items()}


def headless(state: State) -> State:
    """A ResNet without its classifier."""
    return {key: value for key, value in state.items() if not key.startswith("fc.")}


def width_of(state: State) -> int:
    """The length of an embedding."""
    return len(state["norm.weight"]) if "norm.weight" in state else state["fc.weight"].shape[1]


def head(
    name: str, width: int, at: tuple[str, ...], norms: tuple[str, ...] = (), bare: str = "", bias: bool = True
) -> State:
    """A head's linear layers and batch norms as its ``Sequential`` names them; a ``bare`` norm learns nothing."""
    state: State = {}
    for i in at:
        state[f"{name}.{i}.weight"] = torch.full((width, width), 0.5)
        if bias:
            state[f"{name}.{i}.bias"] = torch.full((width,), 0.5)
    for i in (*norms, *bare):
        for key in ("running_mean", "running_var") if i == bare else ("weight", "bias", "running_mean", "running_var"):
            state[f"{name}.{i}.{key}"] = torch.ones(width)
        state[f"{name}.{i}.num_batches_tracked"] = torch.tensor(1)
    return state


def layer(name: str, width: int) -> State:
    """One linear layer."""
    return {f"{name}.weight": torch.full((width, width), 0.5), f"{name}.bias": torch.full((width,), 0.5)}


def dino_head(name: str, width: int, layers: str = "mlp") -> State:
    """The head that DINO, iBOT and DINOv2 train: three layers, then one whose weight has its norm apart."""
    last = {f"{name}.last_layer.weight_g": torch.ones(8, 1), f"{name}.last_layer.weight_v": torch.ones(8, width)}
    return head(f"{name}.{layers}", width, ("0", "2", "4")) | last


def lightning(state: State, **parameters: Any) -> dict[str, Any]:
    """What Lightning writes around a state dict."""
    return {
        "epoch": 99, "global_step": 1000, "pytorch-lightning_version": "2.1.0", "state_dict": state, "loops": {},
        "callbacks": {}, "optimizer_states": [{"state": {}, "param_groups": []}], "lr_schedulers": [],
        "hparams_name": "kwargs", "hyper_parameters": parameters,
    }  # fmt: skip


def trained(arch: str, state: State) -> dict[str, Any]:
    """What the training scripts after PyTorch's ImageNet example write."""
    return {"epoch": 200, "arch": arch, "state_dict": state, "optimizer": {"state": {}, "param_groups": []}}


def in_transformers(state: State, block: dict[str, str], heads: int) -> State:
    """The names of a transformers model; queries, keys and values are three layers."""
    out: State = {}
    for key, value in state.items():
        inside = re.fullmatch(r"blocks\.(\d+)\.(.+)", key)
        if inside is None:
            out[renamed(key, EMBEDDINGS)] = value
            continue
        start, name = f"encoder.layer.{inside[1]}", inside[2]
        if not name.startswith("attn.qkv."):
            out[f"{start}.{renamed(name, block)}"] = value
            continue
        # the forward pass reads the rows as (3, heads, width of a head)
        thirds = value.reshape(3, heads, -1, *value.shape[1:]).flatten(1, 2)
        for part, third in zip(("query", "key", "value"), thirds, strict=True):
            out[f"{start}.attention.attention.{part}.{name.removeprefix('attn.qkv.')}"] = third.clone()
    return out


def as_transformers_dinov2(state: State, heads: int) -> State:
    """``Dinov2Model`` or ``Dinov2WithRegistersModel``, as in facebook/dinov2-*."""
    return in_transformers(state, DINOV2_BLOCK, heads)


def as_transformers_vit(state: State, heads: int = 1) -> State:
    """``ViTModel`` as in facebook/dino-vits16, with the pooler that some of such files hold."""
    return in_transformers(state, VIT_BLOCK, heads) | layer("pooler.dense", width_of(state))


def as_torchvision_vit(state: State, legacy: bool = False) -> State:
    """torchvision's ``VisionTransformer``; what it wrote first, and still reads, are the ``legacy`` names."""
    first = {
        "cls_token": "class_token", "pos_embed": "encoder.pos_embedding", "patch_embed.proj": "conv_proj",
        "norm": "encoder.ln",
    }  # fmt: skip
    block = TORCHVISION_BLOCK | ({"mlp.fc1": "mlp.linear_1", "mlp.fc2": "mlp.linear_2"} if legacy else {})
    out: State = {}
    for key, value in state.items():
        inside = re.fullmatch(r"blocks\.(\d+)\.(.+)", key)
        found = f"encoder.layers.encoder_layer_{inside[1]}.{renamed(inside[2], block)}" if inside else None
        out[found or renamed(key, first)] = value
    return out | layer("heads.head", width_of(state))


def as_moco_v3_vit(state: State) -> dict[str, Any]:
    """MoCo v3 of a vision transformer: the head has three layers without bias, the last norm no weights."""
    width = width_of(state)
    return moco_v3("vit_small", state | head("head", width, ("0", "3", "6"), ("1", "4"), "7", bias=False), width)


def as_moco_v3_resnet(state: State) -> dict[str, Any]:
    """MoCo v3 of a ResNet: the same with two layers, in the place of the classifier."""
    width = width_of(state)
    return moco_v3("resnet50", headless(state) | head("fc", width, ("0", "3"), ("1",), "4", bias=False), width)


def moco_v3(arch: str, encoder: State, width: int) -> dict[str, Any]:
    """The base encoder is the one to take; the momentum encoder follows it."""
    both = prefixed("module.base_encoder.", encoder) | prefixed("module.momentum_encoder.", other(encoder))
    both |= head("module.predictor", width, ("0", "3"), ("1",), "4", bias=False)
    return trained(arch, both) | {"scaler": {"scale": 65536.0, "growth_factor": 2.0}}


def as_moco_v2_resnet(state: State, mlp: bool = True) -> dict[str, Any]:
    """MoCo v2; without ``mlp`` MoCo v1, whose head is one layer."""
    width = width_of(state)
    encoder = headless(state) | (head("fc", width, ("0", "2")) if mlp else layer("fc", width))
    both = prefixed("module.encoder_q.", encoder) | prefixed("module.encoder_k.", other(encoder))
    queue = {"module.queue": torch.ones(width, 16), "module.queue_ptr": torch.zeros(1, dtype=torch.long)}
    return trained("resnet50", both | queue)


def as_pcl(state: State, mlp: bool = True) -> dict[str, Any]:
    """PCL, built on MoCo's code; v1 is without ``mlp``."""
    return as_moco_v2_resnet(state, mlp)


def as_solo_learn(state: State, name: str = "backbone") -> dict[str, Any]:
    """solo-learn's BYOL; older files say ``encoder`` for ``backbone``."""
    width, backbone = width_of(state), headless(state)
    both = prefixed(f"{name}.", backbone) | prefixed(f"momentum_{name}.", other(backbone)) | layer("classifier", width)
    for part in ("projector", "momentum_projector", "predictor"):
        both |= head(part, width, ("0", "3"), ("1",))
    return lightning(both, method="byol", backbone={"name": "resnet50"})


def as_lightly(state: State) -> dict[str, Any]:
    """lightly's DINO benchmark, where ``backbone`` is the teacher."""
    width, backbone = width_of(state), headless(state)
    network = prefixed("backbone.", backbone) | dino_head("projection_head", width, "layers")
    both = network | prefixed("student_", other(network)) | layer("online_classifier.linear", width)
    return lightning(both, batch_size_per_device=128, num_classes=1000)


def as_msn(state: State) -> dict[str, Any]:
    """MSN: the target encoder is the one to take."""
    width = width_of(state)
    encoder = state | head("fc", width, ("fc1", "fc2", "fc3"), ("bn1", "bn2")) | layer("pred.pred1", width)
    return {
        "encoder": prefixed("module.", other(encoder)), "opt": {"state": {}, "param_groups": []},
        "prototypes": torch.ones(8, width), "target_encoder": prefixed("module.", encoder), "epoch": 800,
        "loss": 1.5, "batch_size": 16, "world_size": 64, "lr": 0.001, "temperature": 0.1,
    }  # fmt: skip


def as_mae(state: State) -> dict[str, Any]:
    """MAE with its decoder, whose blocks are named as the encoder's are."""
    width = width_of(state)
    decoder = {f"decoder_{k}": v for k, v in other(state).items() if k.startswith(("blocks.", "norm.", "pos_embed"))}
    decoder |= layer("decoder_embed", width) | layer("decoder_pred", width)
    return {"model": state | {"mask_token": torch.ones(1, 1, width)} | decoder, "epoch": 1599}


def as_ibot(state: State, full: bool = False) -> dict[str, Any]:
    """iBOT's extracted backbone, or the ``full`` checkpoint of the training with a student and a teacher."""
    if not full:
        return {"state_dict": dict(state)}
    width = width_of(state)
    masked = other(state) | {"masked_embed": torch.ones(1, width)}
    return {
        "student": prefixed("module.backbone.", masked) | other(dino_head("module.head", width)),
        "teacher": prefixed("backbone.", state) | dino_head("head", width),
        "optimizer": {"state": {}, "param_groups": []}, "epoch": 800,
        "ibot_loss": {"center": torch.ones(1, 8), "center2": torch.ones(1, 1, 8)},
        "fp16_scaler": {"scale": 65536.0},
    }  # fmt: skip


def as_dinov2_training(state: State, chunks: int = 2) -> dict[str, Any]:
    """DINOv2's ``teacher_checkpoint.pth``: the blocks in chunks, in which each keeps its number of the whole."""
    depth = len({key.split(".")[1] for key in state if key.startswith("blocks.")})

    def chunked(key: str) -> str:
        return re.sub(r"^blocks\.(\d+)\.", lambda m: f"blocks.{int(m[1]) // (depth // chunks)}.{m[1]}.", key)

    width, backbone = width_of(state), {f"backbone.{chunked(key)}": value for key, value in state.items()}
    return {"teacher": backbone | dino_head("dino_head", width) | dino_head("ibot_head", width)}


def as_swav(state: State) -> State:
    """SwAV, and DeepCluster v2 and SeLa v2 of the same code: a plain state dict."""
    width = width_of(state)
    heads = head("module.projection_head", width, ("0", "3"), ("1",))
    return prefixed("module.", headless(state)) | heads | {"module.prototypes.weight": torch.ones(8, width)}


def as_simclr(state: State) -> dict[str, Any]:
    """SimCLR v1 after its conversion from TensorFlow, with the classifier."""
    return {"state_dict": dict(state)}


def as_oml(state: State, prefix: str = "", plain: bool = False, projection: bool = False) -> dict[str, Any]:
    """Open Metric Learning with one of ``OML_PREFIXES``; with a ``projection`` a layer follows the ViT."""
    width = width_of(state)
    out = prefixed(prefix, state) | (layer("projection.0", width) if projection else {})
    out |= {"criterion.weight": torch.ones(8, width)}
    return out if plain else lightning(out)
