"""Foreign keys become ours, by prefix and not by replacing, or the file is refused with what was found."""

import pytest
import torch
from references import random_resnet, random_vit
from torch import Tensor

from omlzoo import layouts
from omlzoo.errors import UnknownName, WeightsMismatch

VIT = random_vit(16, 2, 8, 4, seed=1)
RESNET = random_resnet((1, 1, 1, 1), (64, 16, 16, 16), False, seed=1)


def prefixed(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + key: value for key, value in state.items()}


def backbone(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key: value for key, value in state.items() if not key.startswith("fc.")}


HEAD = {"head.last_layer.weight": torch.ones(2)}
FORMS = {
    "oml_vit": [
        {"state_dict": prefixed("model.", VIT) | {"criterion.weight": torch.ones(3)}},
        {"state_dict": prefixed("extractor.model.", VIT), "epoch": 3},
        prefixed("module.model.", VIT),
    ],
    "dino_vit": [VIT],
    "dino_vit_full": [
        {
            "student": prefixed("module.backbone.", random_vit(16, 2, 8, 4, 2)),
            "teacher": prefixed("backbone.", VIT) | HEAD,
        },
    ],
    "moco_resnet": [
        {
            "epoch": 800, "arch": "resnet50",
            "state_dict": prefixed("module.encoder_q.", {**backbone(RESNET), "fc.0.weight": torch.ones(1)})
            | prefixed("module.encoder_k.", random_resnet((1, 1, 1, 1), (64, 16, 16, 16), False, 2))
            | {"module.queue": torch.ones(4), "module.queue_ptr": torch.ones(1)},
        },
    ],
    "timm_resnet": [RESNET],
}  # fmt: skip


@pytest.mark.parametrize(("layout", "form"), [(name, i) for name, forms in FORMS.items() for i in range(len(forms))])
def test_every_form_is_recognised_and_becomes_the_backbone(layout: str, form: int) -> None:
    raw = FORMS[layout][form]
    assert layouts.recognise(raw, "x.pth") == layout
    found = layouts.convert(raw, layout, "x.pth")
    wanted = backbone(RESNET) if "resnet" in layout else VIT
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[key], wanted[key]) for key in wanted)


def test_registers_take_the_position_of_the_class_token_along() -> None:
    state = random_vit(16, 2, 8, 5, seed=1, layer_scale=True, registers=4)
    found = layouts.convert(state, "dinov2_vit", "x.pth")
    assert layouts.recognise(state, "x.pth") == "dinov2_vit"
    assert torch.equal(found["cls_token"], state["cls_token"] + state["pos_embed"][:, :1])
    assert torch.equal(found["pos_embed"], state["pos_embed"][:, 1:])
    assert torch.equal(found["reg_token"], state["register_tokens"])
    assert not {"mask_token", "register_tokens"} & found.keys()


def test_a_prefix_is_not_replaced_inside_a_name() -> None:
    raw = {"state_dict": prefixed("model.", VIT) | prefixed("momentum_model.", VIT)}
    assert layouts.convert(raw, "oml_vit", "x").keys() == VIT.keys()


def test_an_unknown_file_is_refused_with_its_keys() -> None:
    with pytest.raises(WeightsMismatch, match=r"x\.pth: fits none of .*; its first keys are decoder\.weight"):
        layouts.recognise({"decoder.weight": torch.ones(1)}, "x.pth")


def test_a_file_of_another_layout_is_refused() -> None:
    with pytest.raises(WeightsMismatch, match=r"no key starts with module\.encoder_q\. as layout moco_resnet has"):
        layouts.convert(VIT, "moco_resnet", "x.pth")
    with pytest.raises(UnknownName, match="did you mean"):
        layouts.convert(VIT, "dino_vits", "x.pth")
