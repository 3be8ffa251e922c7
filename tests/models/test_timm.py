"""Bodies of timm against timm's own create_model and its own evaluation transform."""

from typing import Any

import pytest
import timm
import torch
from PIL import Image
from torch import nn

from omlzoo.checkpoints.timm_config import from_name
from omlzoo.data.transforms import Transform
from omlzoo.errors import BadEntry, BadInput, UnknownName
from omlzoo.models._timm import TimmBody, timm_body, translated
from omlzoo.zoo.fingerprint import picture

FAMILIES = [
    "convnext_atto", "convnextv2_atto", "efficientnet_lite0", "mobilenetv3_small_050", "mobilenetv4_conv_small_050",
    "regnetx_002", "swinv2_cr_tiny_ns_224", "eva02_tiny_patch14_224", "fastvit_t8", "test_vit", "test_efficientnet",
]  # fmt: skip
LARGER = ["swinv2_tiny_window8_256", "hiera_tiny_224", "convnext_tiny.in12k", "vit_base_patch16_clip_224.openai",
          "swin_tiny_patch4_window7_224", "deit_tiny_distilled_patch16_224", "crossvit_tiny_240", "naflexvit_base_patch16_gap"]  # fmt: skip
PICTURES = [picture(), picture().resize((90, 300)), picture().convert("L"), Image.new("RGB", (300, 40), (9, 80, 200))]


def seeded(name: str, **arguments: Any) -> TimmBody:
    torch.manual_seed(0)
    return timm_body(name, **arguments).eval()


def check(name: str) -> None:
    """Pictures through timm's transform and model, and through ours, with the same random weights."""
    ours = seeded(name)
    theirs = timm.create_model(name, num_classes=0).eval()
    theirs.load_state_dict(ours.state_dict())  # the names are timm's
    prepare = timm.data.create_transform(**timm.data.resolve_model_data_config(theirs))
    entry = from_name(name)
    for image in PICTURES[:2]:
        expected = prepare(image)
        images = Transform(entry.preprocess)(image)
        assert torch.equal(images, expected) or (images - expected).abs().max() < 1e-6
        with torch.inference_mode():
            assert torch.equal(ours(expected[None]), theirs(expected[None]))
    assert (ours.dim, entry.dim) == (
        theirs.num_features if not hasattr(theirs, "head_hidden_size") else theirs.head_hidden_size,
    ) * 2
    assert entry.params == sum(parameter.numel() for parameter in theirs.parameters())


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_computes_what_timm_computes(name: str) -> None:
    check(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGER)
def test_a_larger_one_computes_what_timm_computes(name: str) -> None:
    check(name)


def test_every_configuration_of_timm_prepares_pictures_as_timm_does() -> None:
    """All distinct preprocessings of timm, on pictures of several shapes."""
    seen, refused = set(), []
    for name in timm.list_models(pretrained=True):
        said = timm.models.get_pretrained_cfg(name)
        key = (said.input_size, said.interpolation, said.crop_pct, said.crop_mode)
        if key in seen or said.input_size[1] > 256:
            continue
        seen.add(key)
        prepare = timm.data.create_transform(**timm.data.resolve_data_config(pretrained_cfg=said.to_dict()))
        from omlzoo.checkpoints.timm_config import preprocess_of

        try:
            transform = Transform(preprocess_of(said.to_dict(), name))
        except BadEntry:
            refused.append(name)
            continue
        for image in PICTURES[:2]:
            assert (transform(image) - prepare(image)).abs().max() < 1e-5, name
    assert len(seen) > 20
    assert refused == []


@pytest.mark.parametrize("name", ["convnext_atto", "test_vit", "test_efficientnet", "fastvit_t8"])
def test_stages_hold_every_parameter_once_from_the_images_on(name: str) -> None:
    model = seeded(name)
    stages = model.stages()
    held = [
        id(parameter)
        for stage in stages
        for part in stage
        for parameter in ([part] if isinstance(part, nn.Parameter) else part.parameters())
    ]
    assert sorted(held) == sorted(id(parameter) for parameter in model.parameters())
    first = next(iter(model.parameters()))
    assert any(
        first is parameter
        for part in stages[0]
        for parameter in ([part] if isinstance(part, nn.Parameter) else part.parameters())
    )


def test_outputs_have_names() -> None:
    images = torch.randn(2, 3, 160, 160)
    outputs = seeded("test_vit").features(images)
    assert {key: tuple(value.shape) for key, value in outputs.items()} == {
        "embedding": (2, 64), "tokens": (2, 100, 64), "class_token": (2, 64)}  # fmt: skip
    outputs = seeded("test_convnext").features(images)
    assert (outputs["map"].shape, outputs["embedding"].shape) == ((2, 64, 5, 5), (2, 64))


def test_another_size_is_timms_own_change_of_size() -> None:
    ours = seeded("test_vit")
    theirs = timm.create_model("test_vit", num_classes=0, img_size=192).eval()
    source = timm.create_model("test_vit", num_classes=0).eval()
    source.load_state_dict(ours.state_dict())
    source.set_input_size(img_size=(192, 192))
    theirs.load_state_dict(source.state_dict())
    assert ours.fit((192, 192))
    images = torch.randn(1, 3, 192, 192)
    with torch.inference_mode():
        assert torch.equal(ours(images), theirs(images))
    assert not seeded("test_convnext").fit((96, 64)), "a convolutional net takes any size"


def test_a_size_that_a_body_does_not_take_is_refused_in_a_line() -> None:
    model = seeded("pit_ti_224")
    with pytest.raises(
        BadInput, match=r"image_size is 256 x 256; PoolingVisionTransformer was built for 224 x 224 pixels"
    ):
        model.fit((256, 256))


@pytest.mark.parametrize("name", ["fastvit_t8", "repvit_m0_9", "test_convnext"])
def test_merged_branches_compute_the_same(name: str) -> None:
    model = seeded(name)
    for module in model.modules():  # statistics that are not those of a new net
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 1.5)  # type: ignore[union-attr]
    images = torch.randn(2, 3, 96, 96)
    with torch.inference_mode():
        expected, merged = model(images), model.merged()
        assert (merged(images) - expected).abs().max() / expected.abs().max() < 1e-4
        assert torch.equal(model(images), expected), "the model itself stays as it was"


def test_a_file_of_timm_loses_its_classifier_and_nothing_else() -> None:
    whole = timm.create_model("test_convnext").state_dict()
    names = timm.create_model("test_convnext", num_classes=0).state_dict().keys()
    kept = translated("test_convnext", {}, whole, names)
    assert kept.keys() == set(names)
    assert {key for key in whole if key not in kept} == {"head.fc.weight", "head.fc.bias"}
    projected = timm.create_model("test_convnext", num_classes=7).state_dict()
    assert translated("test_convnext", {"num_classes": 7}, projected, projected.keys()).keys() == projected.keys()


def test_an_older_file_is_translated_by_timm() -> None:
    """Files of Swin from before timm renamed its parts: masks are in them, and the downsampling is one layer earlier."""
    torch.manual_seed(0)
    arguments: dict[str, Any] = {"num_classes": 0}
    new = timm.create_model("swin_tiny_patch4_window7_224", **arguments).state_dict()
    old = {}
    for key, value in new.items():
        parts = key.split(".")
        if "downsample" in key:
            parts[1] = str(int(parts[1]) - 1)
        old[".".join(parts)] = value
    old["layers.0.blocks.1.attn_mask"] = torch.zeros(64, 49, 49)
    old |= {"head.weight": torch.zeros(1000, 768), "head.bias": torch.zeros(1000)}
    kept = translated("swin_tiny_patch4_window7_224", {}, old, new.keys())
    assert kept.keys() == new.keys()
    assert all(torch.equal(kept[key], new[key]) for key in new)


@pytest.mark.parametrize("name", ["nope", "mobilenetv3_small_05", "hf-hub:timm/resnet18", "local-dir:/tmp/x", "../x", "",
                                  "resnet18.nope", "timm/resnet18.a1_in1k", "resnet18.a1_in1k.x", "resnet18\n"])  # fmt: skip
def test_what_timm_does_not_register_never_reaches_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timm, "create_model", None)
    with pytest.raises(UnknownName, match="timm 1"):
        timm_body(name)


def test_near_names_are_suggested() -> None:
    with pytest.raises(UnknownName, match="did you mean .*mobilenetv3_small_050"):
        timm_body("mobilenetv3_small_05")
    with pytest.raises(UnknownName, match=r"convnext_tiny\.in12k"):
        timm_body("convnext_tiny.in12")


def test_what_gives_no_vector_is_refused() -> None:
    with torch.device("meta"), pytest.raises(BadEntry, match="gives no pooled vector"):
        timm_body("mobilenetv5_300m_enc")


@pytest.mark.parametrize(
    ("name", "aligned"), [("vit_base_patch16_radio_v3", True), ("vit_large_patch16_radio_v3", False)]
)
def test_radios_positions_are_resampled_by_its_own_rule(name: str, aligned: bool) -> None:
    with torch.device("meta"):
        state = dict(timm_body(name).state_dict())
    width = state["pos_embed"].shape[2]
    grid = torch.randn(1, 128, 128, width, generator=torch.Generator().manual_seed(0))
    found = translated(name, {}, state | {"pos_embed": grid.view(1, 128 * 128, width)}, state.keys())
    wanted = torch.nn.functional.interpolate(
        grid.permute(0, 3, 1, 2), size=(32, 32), mode="bilinear", align_corners=aligned
    )
    assert torch.allclose(found["pos_embed"], wanted.flatten(2).transpose(1, 2), atol=1e-6)
    native = torch.randn(1, 32 * 32, width)
    assert torch.equal(translated(name, {}, state | {"pos_embed": native}, state.keys())["pos_embed"], native)


def test_the_authors_keys_of_mobileclip_b_are_translated_where_timm_defines_the_name() -> None:
    """Its class is the plain vision transformer, whose module knows nothing of these keys."""
    name, arguments = "vit_base_mci_224.apple_mclip", {"num_classes": 512}
    with torch.device("meta"):
        names = dict(timm_body(name, **arguments).state_dict())
    theirs = {
        "norm1.": "pre_norm_mha.0.", "attn.qkv.": "pre_norm_mha.1.qkv_proj.", "attn.proj.": "pre_norm_mha.1.out_proj.",
        "norm2.": "pre_norm_ffn.0.", "mlp.fc1.": "pre_norm_ffn.1.", "mlp.fc2.": "pre_norm_ffn.4.",
    }  # fmt: skip
    raw: dict[str, torch.Tensor] = {"text_encoder.projection_layer": torch.empty(3, device="meta")}
    for key, value in names.items():
        if key.startswith("blocks."):
            for ours, their in theirs.items():
                key = key.replace(f".{ours}", f".{their}")
            key = key.replace("blocks.", "transformer.")
        elif key.startswith("patch_embed.backbone."):
            key = key.replace("patch_embed.backbone.", "patch_emb.").replace("conv.", "block.conv.", 1)
            key = key.replace("bn.", "block.norm.")
        key = "post_transformer_norm." + key.removeprefix("norm.") if key.startswith("norm.") else key
        if key == "pos_embed":
            key, value = "pos_embed.pos_embed.pos_embed", value[None]
        if key == "head.weight":
            key, value = "classifier.proj", value.T
        if key != "head.bias":
            raw[f"image_encoder.model.{key}"] = value
    found = translated(name, arguments, raw, names.keys())
    assert {key: value.shape for key, value in found.items()} == {key: value.shape for key, value in names.items()}
