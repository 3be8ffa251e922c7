"""Our transformers have timm's names, random weights and every bit of its output and gradients."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from timm.layers.mlp import SwiGLUPacked
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from omlzoo.models._quick_gelu import QuickGELU
from omlzoo.models._transformer import Transformer

OURS: dict[str, Any] = {"grid": (4, 6), "patch": 8, "width": 32, "depth": 2, "heads": 4}
THEIRS: dict[str, Any] = {"img_size": (32, 48), "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 4}
CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "vit": ({"hidden": 128}, {"num_classes": 0}),
    "dinov2": (
        {"hidden": 176, "gated": True, "layer_scale": 1e-5, "registers": 4},
        {"num_classes": 0, "mlp_ratio": 176 / 32, "mlp_layer": SwiGLUPacked, "act_layer": nn.SiLU, "init_values": 1e-5,
         "reg_tokens": 4, "no_embed_class": True},
    ),
    "clip": (
        {"hidden": 128, "activation": QuickGELU, "pre_norm": True, "project": 24, "epsilon": 1e-5},
        {"num_classes": 24, "pre_norm": True, "norm_layer": nn.LayerNorm, "act_layer": QuickGELU},
    ),
    "siglip": (
        {"hidden": 100, "activation": lambda: nn.GELU(approximate="tanh"), "class_token": False, "pooled": True},
        {"num_classes": 0, "class_token": False, "global_pool": "map", "mlp_ratio": 100 / 32, "act_layer": "gelu_tanh"},
    ),
    "unicom": (
        {"hidden": 128, "activation": nn.ReLU6, "bias": False, "epsilon": 1e-5, "class_token": False},
        {"num_classes": 0, "class_token": False, "global_pool": "", "qkv_bias": False, "act_layer": nn.ReLU6,
         "norm_layer": nn.LayerNorm},
    ),
}  # fmt: skip


def pair(case: str) -> tuple[Any, Any]:
    """Ours and timm's, each built from the same random numbers."""
    ours, theirs = CASES[case]
    torch.manual_seed(3)
    mine = Transformer(**OURS, **ours)
    torch.manual_seed(3)
    return mine, VisionTransformer(**THEIRS, **theirs)


def through(model: Any) -> Callable[[Tensor], Tensor]:
    """Blocks, norm, and pooling or projection, which both have under the same names."""

    def run(tokens: Tensor) -> Tensor:
        tokens = model.norm(model.blocks(model.norm_pre(tokens)))
        return model.head(tokens if model.attn_pool is None else model.attn_pool(tokens))  # type: ignore[no-any-return]

    return run


@pytest.mark.parametrize("case", CASES)
def test_names_and_random_weights_are_those_of_timm(case: str) -> None:
    mine, theirs = (model.state_dict() for model in pair(case))
    assert list(mine) == list(theirs)
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in mine.items())


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_outputs_and_gradients_are_those_of_timm_to_the_bit(case: str, fused: bool) -> None:
    mine, theirs = pair(case)
    generator = torch.Generator().manual_seed(1)
    for name, tensor in mine.state_dict().items():  # norms and biases that are not 1 and 0
        theirs.state_dict()[name].copy_(tensor.add_(torch.rand(tensor.shape, generator=generator) / 4))
    tokens, images = torch.randn(3, 25, 32, generator=generator), torch.randn(2, 3, 32, 48, generator=generator)
    assert torch.equal(mine.patch_embed.proj(images), theirs.patch_embed.proj(images))
    for model in (mine, theirs):
        for part in model.modules():
            if hasattr(part, "fused_attn"):
                part.fused_attn = fused
    found, expected = through(mine)(tokens), through(theirs)(tokens)
    assert torch.equal(found, expected)
    found.square().mean().backward()
    expected.square().mean().backward()
    gradients = {name: parameter.grad for name, parameter in theirs.named_parameters()}
    for name, parameter in mine.named_parameters():
        other = gradients[name]
        assert (parameter.grad is None) == (other is None)
        assert other is None or torch.equal(parameter.grad, other), name
