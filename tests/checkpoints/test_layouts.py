"""Foreign keys become ours, by prefix and not by replacing, or the file is refused with what was found."""

from typing import Any

import pytest
import reference_layouts as ref
import torch
from reference_clip import as_transformers_clip, random_clip
from reference_dinov3 import random_dinov3
from reference_siglip import random_siglip
from reference_swiglu import random_giant
from reference_swin import random_swin
from reference_unicom import random_unicom
from references import random_resnet, random_vit
from torch import Tensor

from omlzoo.checkpoints import layouts, wrappings
from omlzoo.errors import UnknownName, WeightsMismatch

VIT = random_vit(16, 2, 8, 4, seed=1)
RESNET = random_resnet((1, 1, 1, 1), (64, 16, 16, 16), False, seed=1)


def prefixed(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + key: value for key, value in state.items()}


def backbone(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key: value for key, value in state.items() if not key.startswith("fc.")}


def recognised(raw: Any) -> str:
    """The layout of the first way to read a file."""
    return next(wrappings.readings(raw, "x.pth")).layout


CLIP = random_clip(16, 2, 8, 4, 8, 1)
GIANT = random_giant(16, 4, 8, 4, seed=1, registers=4)
REGISTERS = random_vit(16, 4, 8, 4, seed=1, layer_scale=True, registers=4)
SCALED = random_vit(16, 4, 8, 4, seed=1, layer_scale=True)


def without_mask(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Our keys of a DINOv2 checkpoint, by the rule of its own layout, which the parity tests check."""
    return layouts.convert(dict(state), "dinov2_vit", "x")


FORMS: dict[str, list[tuple[Any, dict[str, Tensor]]]] = {
    "oml_vit": [
        *((ref.as_oml(VIT, prefix), VIT) for prefix in ref.OML_PREFIXES if prefix),
        ({"state_dict": prefixed("model.", VIT) | {"criterion.weight": torch.ones(3)}}, VIT),
        (prefixed("module.model.", VIT), VIT),
    ],
    "timm_vit": [(VIT, VIT), (VIT | {"head.weight": torch.ones(2)}, VIT)],
    "dino_vit_full": [
        (
            {
                "student": prefixed("module.backbone.", random_vit(16, 2, 8, 4, 2)),
                "teacher": prefixed("backbone.", VIT) | {"head.last_layer.weight": torch.ones(2)},
            },
            VIT,
        ),
        (ref.as_ibot(VIT, full=True), VIT),
    ],
    "ibot_vit": [(ref.as_ibot(VIT), VIT)],
    "msn_vit": [(ref.as_msn(VIT), VIT)],
    "mae_vit": [(ref.as_mae(VIT), VIT)],
    "dinov2_vit": [(SCALED, without_mask(SCALED)), (REGISTERS, without_mask(REGISTERS))],
    "dinov2_vit_full": [
        (ref.as_dinov2_training(SCALED), without_mask(SCALED)),
        (ref.as_dinov2_training(GIANT, chunks=4), without_mask(GIANT)),
    ],
    "transformers_dinov2": [
        (ref.as_transformers_dinov2(SCALED, 4), without_mask(SCALED)),
        (ref.as_transformers_dinov2(REGISTERS, 4), without_mask(REGISTERS)),
        (ref.as_transformers_dinov2(GIANT, 4), without_mask(GIANT)),
        (prefixed("dinov2.", ref.as_transformers_dinov2(SCALED, 4)), without_mask(SCALED)),
    ],
    "transformers_vit": [
        (ref.as_transformers_vit(VIT), VIT),
        (prefixed("vit.", ref.as_transformers_vit(VIT)) | {"classifier.weight": torch.ones(1)}, VIT),
    ],
    "torchvision_vit": [(ref.as_torchvision_vit(VIT), VIT), (ref.as_torchvision_vit(VIT, legacy=True), VIT)],
    "transformers_clip": [(as_transformers_clip(CLIP), layouts.convert(dict(CLIP), "clip", "x"))],
    "moco_v3": [(ref.as_moco_v3_vit(VIT), VIT), (ref.as_moco_v3_resnet(RESNET), backbone(RESNET))],
    "moco_resnet": [
        (ref.as_moco_v2_resnet(RESNET), backbone(RESNET)),
        (ref.as_moco_v2_resnet(RESNET, mlp=False), backbone(RESNET)),
        (ref.as_pcl(RESNET), backbone(RESNET)),
    ],
    "solo_learn": [(ref.as_solo_learn(VIT), VIT), (ref.as_solo_learn(RESNET), backbone(RESNET))],
    "solo_learn_old": [(ref.as_solo_learn(RESNET, name="encoder"), backbone(RESNET))],
    "lightly": [(ref.as_lightly(RESNET), backbone(RESNET))],
    "swav_resnet": [(ref.as_swav(RESNET), backbone(RESNET)), ({"state_dict": ref.as_swav(RESNET)}, backbone(RESNET))],
    "simclr_resnet": [(ref.as_simclr(RESNET), backbone(RESNET))],
    "torchvision_resnet": [(RESNET, backbone(RESNET))],
    "resnet_backbone": [(backbone(RESNET), backbone(RESNET))],
}
CHECKED_ELSEWHERE = {  # by their embeddings in test_exactness.py and test_renames.py
    "clip", "timm_clip", "open_clip_timm", "timm_siglip", "unicom", "dinov3_vit", "timm_dinov3", "swin", "oml_vit_mlp",
    "clip_reid", "transreid",  # in tests/models/test_reid.py
    "efficientnet_lite",  # in tests/checkpoints/test_package.py
    "timm",  # in tests/models/test_timm.py and tests/zoo/test_wrapping.py
}  # fmt: skip


def test_every_layout_has_its_forms() -> None:
    assert FORMS.keys() | CHECKED_ELSEWHERE == layouts.LAYOUTS.keys()
    assert not FORMS.keys() & CHECKED_ELSEWHERE


@pytest.mark.parametrize(("layout", "form"), [(name, i) for name, forms in FORMS.items() for i in range(len(forms))])
def test_every_form_is_recognised_and_becomes_the_backbone(layout: str, form: int) -> None:
    raw, wanted = FORMS[layout][form]
    assert recognised(raw) == layout
    found = layouts.convert(raw, layout, "x.pth")
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[key], wanted[key]) for key in wanted)


@pytest.mark.parametrize(
    ("raw", "layout"),
    [
        (random_clip(16, 2, 8, 4, 8, 1), "clip"),
        (layouts.convert(random_clip(16, 2, 8, 4, 8, 1), "clip", "x"), "timm_clip"),
        (random_siglip(16, 2, 8, 4, 1), "open_clip_timm"),
        (layouts.convert(random_siglip(16, 2, 8, 4, 1), "open_clip_timm", "x"), "timm_siglip"),
        (random_unicom(16, 2, 8, 4, 8, 1), "unicom"),
        (random_dinov3(16, 2, 2, 8, 4, 1, biases=False), "dinov3_vit"),
        (layouts.convert(random_dinov3(16, 2, 2, 8, 4, 1, biases=False), "dinov3_vit", "x"), "timm_dinov3"),
        (random_swin(16, (2, 2, 2, 2), (2, 2, 2, 2), 4, 128, 1), "swin"),
        (ref.as_oml(VIT, "extractor.model.", projection=True), "oml_vit_mlp"),
    ],
)
def test_the_layouts_of_other_bodies_are_recognised(raw: Any, layout: str) -> None:
    assert recognised(raw) == layout
    layouts.convert(raw, layout, "x.pth")


def test_a_bias_in_dinov3s_attention_is_refused() -> None:
    with pytest.raises(WeightsMismatch, match=r"blocks\.0\.attn\.qkv\.bias is not zero"):
        layouts.convert(random_dinov3(16, 2, 2, 8, 4, 1, biases=True), "dinov3_vit", "x")


def test_two_keys_that_become_one_are_refused() -> None:
    raw = {"class_token": torch.ones(1), "cls_token": torch.ones(1), "encoder.layers.encoder_layer_0.x": torch.ones(1)}
    with pytest.raises(WeightsMismatch, match="two keys become one"):
        layouts.convert(raw, "torchvision_vit", "x")


def test_nothing_is_copied_but_what_is_joined() -> None:
    raw = ref.as_moco_v2_resnet(RESNET)
    found = layouts.convert(raw, "moco_resnet", "x")
    assert all(
        value.data_ptr() == raw["state_dict"][f"module.encoder_q.{key}"].data_ptr() for key, value in found.items()
    )


def test_registers_take_the_position_of_the_class_token_along() -> None:
    state = random_vit(16, 2, 8, 5, seed=1, layer_scale=True, registers=4)
    found = layouts.convert(state, "dinov2_vit", "x.pth")
    assert recognised(state) == "dinov2_vit"
    assert torch.equal(found["cls_token"], state["cls_token"] + state["pos_embed"][:, :1])
    assert torch.equal(found["pos_embed"], state["pos_embed"][:, 1:])
    assert torch.equal(found["reg_token"], state["register_tokens"])
    assert not {"mask_token", "register_tokens"} & found.keys()


def test_a_prefix_is_not_replaced_inside_a_name() -> None:
    raw = {"state_dict": prefixed("model.", VIT) | prefixed("momentum_model.", VIT)}
    assert layouts.convert(raw, "oml_vit", "x").keys() == VIT.keys()


def test_an_unknown_file_is_refused_with_its_keys() -> None:
    with pytest.raises(WeightsMismatch, match=r"x\.pth: fits none of .*; its first keys are decoder\.weight"):
        raise wrappings.unreadable({"decoder.weight": torch.ones(1)}, "x.pth")


def test_a_file_of_another_layout_is_refused() -> None:
    with pytest.raises(WeightsMismatch, match=r"no key starts with module\.encoder_q\. as layout moco_resnet has"):
        layouts.convert(VIT, "moco_resnet", "x.pth")
    with pytest.raises(UnknownName, match="did you mean"):
        layouts.convert(VIT, "timm_vits", "x.pth")
