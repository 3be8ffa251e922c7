"""Which checkpoint of the zoo a file is like: timm's models in every wrapping compute here what they compute there."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor

import omlzoo
from omlzoo.errors import OmlzooWarning, UnknownName, WeightsMismatch
from omlzoo.zoo.conversion import convert
from omlzoo.zoo.examples import examples_of

State = dict[str, Tensor]
PICTURES = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
BODIES = {"resnet18": "resnet18", "vits16": "vit_small_patch16_224"}


@pytest.fixture(scope="module", params=BODIES)
def body(request: pytest.FixtureRequest) -> tuple[str, State, Tensor]:
    """Name here, state dict with a classifier, and embeddings, of a timm model with random weights."""
    torch.manual_seed(1)
    model = timm.create_model(BODIES[request.param], num_classes=10).eval()
    with torch.inference_mode():
        embeddings = model.forward_head(model.forward_features(PICTURES), pre_logits=True)
    return request.param, model.state_dict(), embeddings


def before(prefix: str, state: Mapping[str, Tensor]) -> State:
    return {prefix + key: value.clone() for key, value in state.items()}


def other(state: Mapping[str, Tensor]) -> State:
    return {key: value + 1 for key, value in state.items()}


def headless(state: Mapping[str, Tensor]) -> State:
    return {key: value for key, value in state.items() if not key.startswith(("head.", "fc."))}


WRAPPINGS: dict[str, Callable[[State], Any]] = {
    "as timm has it": lambda s: s,
    "without its head": headless,
    "DataParallel": lambda s: before("module.", s),
    "compiled": lambda s: {"model": before("_orig_mod.", s)},
    "an average beside it": lambda s: {"state_dict": before("module.", s), "state_dict_ema": other(s)},
    "only an average": lambda s: {"state_dict_ema": s},
    "two dicts, two prefixes": lambda s: {"checkpoint": {"model": before("module.backbone.", s)}},
    "Lightning": lambda s: {"state_dict": before("net.", s) | {"criterion.weight": torch.ones(2)}, "epoch": 1},
    "a new head": lambda s: before("encoder.", headless(s)) | {"classifier.weight": torch.ones(2, 2)},
    "a student": lambda s: {"student": other(s), "teacher": before("backbone.", s)},
    "a student by prefix": lambda s: before("student.backbone.", other(s)) | before("teacher.backbone.", s),
}


@pytest.mark.parametrize("kind", [".pth", ".safetensors"])
@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_the_model_is_timms_in_every_wrapping(
    body: tuple[str, State, Tensor], wrapping: str, kind: str, tmp_path: Path
) -> None:
    arch, state, wanted = body
    raw, file = WRAPPINGS[wrapping](state), tmp_path / f"x{kind}"
    if kind == ".safetensors" and not all(isinstance(value, Tensor) for value in raw.values()):
        pytest.skip("safetensors holds no dicts in dicts")
    (save_file if kind == ".safetensors" else torch.save)(raw, file)
    convert(file, arch, tmp_path / "mine")
    with torch.inference_mode():
        assert torch.equal(omlzoo.get_model(tmp_path / "mine")(PICTURES), wanted)


@pytest.mark.parametrize("change", ["less", "more", "another shape", "beside"])
def test_a_file_that_fits_only_in_part_is_refused(body: tuple[str, State, Tensor], change: str, tmp_path: Path) -> None:
    arch, state, _ = body
    key = "blocks.3.norm1.weight" if arch == "vits16" else "layer2.0.bn1.weight"
    raw: State = {
        "less": {k: v for k, v in state.items() if k != key},
        "more": state | {"neck.weight": torch.ones(3)},
        "another shape": state | {key: torch.ones(3)},
        "beside": before("model.", state) | {"neck.weight": torch.ones(3)},
    }[change]
    torch.save(raw, tmp_path / "x.pth")
    said = {"less": f"1 of .* differ: {key} is missing", "more": "1 of .* differ: neck.weight is not part of it",
            "another shape": rf"1 of .* differ: {key} is \(3,\) and must be \(\d+,\)",
            "beside": "neck.weight lies beside model "}  # fmt: skip
    with pytest.raises(WeightsMismatch, match=said[change]):
        convert(tmp_path / "x.pth", arch, tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


def test_a_projection_of_the_architecture_is_kept_and_a_classifier_is_none(tmp_path: Path) -> None:
    small = omlzoo.get_model("resnet_small_omniglot")
    torch.save({"model": before("module.", small.state_dict())}, tmp_path / "x.pth")
    entry, _ = convert(tmp_path / "x.pth", "resnet_small", tmp_path / "mine")
    drawing = PICTURES[:, :, :64, :64]
    with torch.inference_mode():
        assert torch.equal(omlzoo.get_model(tmp_path / "mine")(drawing), small(drawing))
    assert "Left out" not in (entry.notes or "")
    other_head = small.state_dict() | {"fc.weight": torch.ones(1000, 736), "fc.bias": torch.ones(1000)}
    torch.save(other_head, tmp_path / "y.pth")
    with pytest.raises(WeightsMismatch, match=r"fc.bias is \(1000,\) and must be \(128,\)"):
        convert(tmp_path / "y.pth", "resnet_small", tmp_path / "other")


def test_the_checkpoint_that_fits_is_suggested(tmp_path: Path) -> None:
    state = timm.create_model("vit_small_patch16_224", num_classes=10).state_dict()
    torch.save(state, tmp_path / "x.pth")
    with pytest.raises(
        WeightsMismatch,
        match=r"head.weight is \(10, 384\) .*; it fits (vits16_\w+): omlzoo convert --arch vits16 --like \1",
    ):
        convert(tmp_path / "x.pth", "vits16", tmp_path / "mine", like="vits16_224_mlp_384_inshop")
    with pytest.raises(WeightsMismatch, match="it fits vits16_.*--arch vits16 --like"):
        convert(tmp_path / "x.pth", "vitb16", tmp_path / "mine")
    with pytest.raises(WeightsMismatch, match="as resnet18_a1 has it; 77 of 120 .*running_mean is not part of it$"):
        torch.save(timm.create_model("resnet26", num_classes=0).state_dict(), tmp_path / "y.pth")
        convert(tmp_path / "y.pth", "resnet18", tmp_path / "mine")


def test_a_file_in_a_layout_that_a_checkpoint_has_takes_its_arguments(tmp_path: Path) -> None:
    state = headless(timm.create_model("vit_small_patch16_224", num_classes=0).state_dict())
    raw = {"state_dict": before("module.base_encoder.", state) | {"module.predictor.0.weight": torch.ones(2, 2)}}
    torch.save(raw, tmp_path / "x.pth")
    entry, layout = convert(tmp_path / "x.pth", "vits16", tmp_path / "mine")
    assert layout == "moco_v3"
    assert entry.arch_args["heads"] == 12, "six heads would load, and compute something else"


def test_the_key_is_taken_and_the_same_is_said_of_weights(tmp_path: Path) -> None:
    state = timm.create_model("resnet18", num_classes=10).eval().state_dict()
    torch.save({"state_dict": other(state), "state_dict_ema": state}, tmp_path / "x.pth")
    entry, _ = convert(tmp_path / "x.pth", "resnet18", tmp_path / "mine", key="state_dict_ema")
    assert (entry.notes or "").startswith("Taken from state_dict_ema. Also in the file: state_dict;")
    assert torch.equal(omlzoo.get_model(tmp_path / "mine").state_dict()["bn1.weight"], state["bn1.weight"])
    with pytest.raises(UnknownName, match="it has state_dict, state_dict_ema|did you mean state_dict_ema"):
        convert(tmp_path / "x.pth", "resnet18", tmp_path / "other", key="ema")
    with pytest.warns(OmlzooWarning, match=r"Taken from state_dict\. Also in the file: state_dict_ema;.* fc \(2 tens"):
        model = omlzoo.get_model("resnet18_a1", weights=tmp_path / "x.pth")
    assert torch.equal(model.state_dict()["bn1.weight"], state["bn1.weight"] + 1)


def test_examples_are_all_checkpoints_of_the_architecture() -> None:
    assert [each.entry.name for each in examples_of("resnet18", None)] == ["resnet18_a1", "resnet18_imagenet1k_v1"]
    assert [each.layout for each in examples_of("vits16", "vits16_moco_v3")] == ["moco_v3"]
