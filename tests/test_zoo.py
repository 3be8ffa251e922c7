"""Names to facts and to models, over the whole zoo."""

import json
import pydoc
import subprocess
import sys
from dataclasses import replace
from functools import cache
from inspect import signature
from pathlib import Path

import pytest
import torch
from loopback_hub import COMMIT, LoopbackHub
from references import random_vit
from safetensors.torch import load_file, save_file
from toys import PREPROCESS, toy, toy_entry

import omlzoo
from omlzoo.checkpoints import manifest
from omlzoo.checkpoints.entry import dump_entry
from omlzoo.checkpoints.folder import ENTRY, WEIGHTS, open_entry, save_folder
from omlzoo.checkpoints.weights import Weights
from omlzoo.errors import BadEntry, BadInput, OmlzooWarning, UnknownName, WeightsMismatch
from omlzoo.files import file_digest
from omlzoo.models._architecture import architecture
from omlzoo.models._extractor import Extractor
from omlzoo.zoo.registry import Checkpoint, checkpoint

NAMES = manifest.names()


@cache
def shape(arch: str, arguments: str) -> tuple[int, int, set[str]]:
    """Dim and number of parameters of an architecture, built without memory, and the names of its arguments."""
    build = architecture(arch)
    with torch.device("meta"):
        model: Extractor = build(**json.loads(arguments))
    return model.dim, sum(parameter.numel() for parameter in model.parameters()), set(signature(build).parameters)


@pytest.mark.parametrize("name", NAMES)
def test_every_entry_builds_what_it_says(name: str) -> None:
    entry = manifest.find(name)
    dim, params, arguments = shape(entry.arch, json.dumps(entry.arch_args))
    assert (entry.dim, entry.params) == (dim, params)
    assert "normalize" in arguments


@pytest.mark.parametrize("name", NAMES)
def test_facts_are_read_without_weights(name: str) -> None:
    facts = omlzoo.get_weights(name)
    assert (facts.name, facts.dim, facts.license) == (name, manifest.find(name).dim, manifest.find(name).license)
    assert facts.meta["source"]
    assert facts.address == name
    assert facts.transforms().preprocess == facts.preprocess
    assert facts.transforms(variant="oml").preprocess == (facts.entry.preprocess_oml or facts.preprocess)


def test_a_checkpoint_is_a_function() -> None:
    model = omlzoo.vits16_dino(pretrained=False, image_size=(64, 96), normalize=True)
    assert not model.training
    assert model.transforms().preprocess.crop == (64, 96)
    with torch.inference_mode():
        assert model(torch.rand(2, 3, 64, 96)).norm(dim=1).tolist() == pytest.approx([1, 1], abs=1e-5)
    assert model.weights.entry.sha256 is None
    assert omlzoo.vits16_dino.__name__ == "vits16_dino"
    with pytest.raises(TypeError):
        omlzoo.vits16_dino(False)  # type: ignore[call-arg]


def test_help_describes_the_checkpoint_and_not_its_class() -> None:
    text = pydoc.plain(pydoc.render_doc(omlzoo.vits16_dino))
    for fact in ("vits16_dino", "384", "vits16,", "224 x 224", "apache-2.0", "Family: dino", "pretrained:"):
        assert fact in text
    assert "__setattr__" not in text
    assert repr(omlzoo.vits16_dino) == "Checkpoint(vits16_dino: vits16, dim 384, apache-2.0)"
    assert (Checkpoint.__doc__ or "").startswith("A checkpoint of the zoo")


@pytest.mark.parametrize("name", NAMES)
def test_every_checkpoint_has_help_of_its_own(name: str) -> None:
    one = checkpoint(name)
    assert (one.__doc__ or "").startswith(f"{name}: ")
    assert f"dimension {one.weights.dim}," in (one.__doc__ or "")
    assert len(repr(one)) < 120
    assert one == checkpoint(name)


def test_help_needs_no_torch() -> None:
    code = "import sys, pydoc, omlzoo; pydoc.render_doc(omlzoo.vits16_dino); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_lists_are_filtered() -> None:
    assert omlzoo.list_models() == sorted(NAMES)
    assert omlzoo.list_models("vits16_[cis]*", family="oml") == [
        "vits16_cars",
        "vits16_cub",
        "vits16_inshop",
        "vits16_sop",
    ]
    assert omlzoo.list_models("resnet*v1", license="bsd-3-clause") == omlzoo.list_models("resnet*imagenet1k_v1")
    assert omlzoo.list_models("nothing*") == []
    with pytest.raises(UnknownName, match="did you mean dinov2"):
        omlzoo.list_models(family="dinov22")
    with pytest.raises(UnknownName, match="variant has no 'omml'"):
        omlzoo.get_weights("vits16_dino").transforms(variant="omml")


def test_a_saved_model_opens_by_the_same_call(tmp_path: Path, model: Extractor) -> None:
    model.save(tmp_path / "shoes")
    opened = omlzoo.get_model(str(tmp_path / "shoes"))
    images = torch.rand(2, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(opened(images), model(images))
    assert opened.weights.name == "shoes"
    assert opened.weights.address == str(tmp_path / "shoes")
    again = omlzoo.get_model(str(tmp_path / "shoes"), image_size=64, normalize=True)
    assert again.transforms().preprocess.resize == (72, 72)
    again.save(tmp_path / "again")
    assert omlzoo.get_weights(str(tmp_path / "again")).entry.normalize


def test_an_unknown_name_or_folder_is_answered() -> None:
    with pytest.raises(UnknownName, match="the zoo has no 'vits16_inshp'; did you mean vits16_inshop"):
        omlzoo.get_model("vits16_inshp")
    with pytest.raises(BadEntry, match="runs/nothing: there is no such folder; a repository of the Hub is hf-hub:runs"):
        omlzoo.get_model("runs/nothing")
    with pytest.raises(UnknownName, match="did you mean vits16_dino"):
        checkpoint("vits16_dinoo")


def test_weights_from_another_file_in_a_known_layout(tmp_path: Path) -> None:
    state = random_vit(384, 12, 16, 14, seed=2)
    torch.save({"state_dict": {f"model.{key}": value for key, value in state.items()}}, tmp_path / "their.pth")
    with pytest.warns(OmlzooWarning, match="was read in the layout oml_vit"):
        model = omlzoo.get_model("vits16_dino", weights=tmp_path / "their.pth")
    assert torch.equal(model.state_dict()["norm.bias"], state["norm.bias"])
    save_file(state, tmp_path / "plain.safetensors")
    again = omlzoo.get_model("vits16_dino", weights=str(tmp_path / "plain.safetensors"))
    assert torch.equal(again.state_dict()["cls_token"], state["cls_token"])
    assert again.weights.entry.metrics == ()
    state["norm.bias"][3] = float("nan")
    save_file(state, tmp_path / "broken.safetensors")
    with pytest.raises(WeightsMismatch, match=r"broken.safetensors: 1 values of norm.bias are NaN or infinite"):
        omlzoo.get_model("vits16_dino", weights=tmp_path / "broken.safetensors")
    with pytest.raises(BadInput, match=r"gone.pth: there is no such file; weights is 'DEFAULT'"):
        omlzoo.get_model("vits16_dino", weights=tmp_path / "gone.pth")


def test_weights_that_do_not_fit_are_refused_by_name(tmp_path: Path, model: Extractor) -> None:
    model.save(tmp_path / "m")
    path = tmp_path / "m" / WEIGHTS
    good = {name: value.clone() for name, value in load_file(path).items()}

    def broken(changes: dict[str, torch.Tensor | None]) -> str:
        state = {name: value for name, value in (good | changes).items() if value is not None}
        entry = open_entry(tmp_path / "m")
        save_folder(state, entry, tmp_path / "m", overwrite=True)  # type: ignore[arg-type]
        with pytest.raises(WeightsMismatch) as caught:
            omlzoo.get_model(str(tmp_path / "m"))
        return str(caught.value)

    assert "conv1.weight is missing" in broken({"conv1.weight": None})
    assert "extra is not part of it" in broken({"extra": torch.ones(1)})
    assert "bn1.bias is (3,) and must be (64,)" in broken({"bn1.bias": torch.ones(3)})
    path.write_bytes(b"\xff" * 100)
    entry = replace(open_entry(tmp_path / "m"), sha256=file_digest(path), size=100)
    (tmp_path / "m" / ENTRY).write_text(dump_entry(entry))
    with pytest.raises(WeightsMismatch, match="not a whole safetensors file"):
        omlzoo.get_model(str(tmp_path / "m"))


def test_weights_of_another_architecture_are_refused() -> None:
    with pytest.raises(
        WeightsMismatch, match=r"vits8_dino is a vits8, vits16_dino a vits16; call get_model\('vits8_dino'\)"
    ):
        omlzoo.get_model("vits16_dino", weights=omlzoo.get_weights("vits8_dino"))


def test_half_precision_files_become_float32_models(tmp_path: Path, model: Extractor) -> None:
    state = {name: value.half() if value.is_floating_point() else value for name, value in model.state_dict().items()}
    save_folder(state, toy_entry(), tmp_path / "half")
    opened = omlzoo.get_model(str(tmp_path / "half"))
    assert {parameter.dtype for parameter in opened.parameters()} == {torch.float32}
    assert torch.equal(opened.state_dict()["conv1.weight"], model.state_dict()["conv1.weight"].half().float())


def test_someones_repository_opens(hub: LoopbackHub, tmp_path: Path, model: Extractor) -> None:
    model.save(tmp_path / "shoes")
    for name in ("model.safetensors", "entry.json"):
        hub.publish("me/zoo-shoes", name, (tmp_path / "shoes" / name).read_bytes())
    opened = omlzoo.get_model("hf-hub:me/zoo-shoes")
    assert opened.weights.address == "hf-hub:me/zoo-shoes"
    assert opened.weights.entry.revision == COMMIT
    images = torch.rand(1, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(opened(images), model(images))


def test_training_in_the_loaded_weights_does_not_touch_the_file(tmp_path: Path, model: Extractor) -> None:
    model.save(tmp_path / "m")
    before = (tmp_path / "m" / WEIGHTS).read_bytes()
    opened = omlzoo.get_model(str(tmp_path / "m"))
    with torch.no_grad():
        for parameter in opened.parameters():
            parameter.add_(1)
    assert (tmp_path / "m" / WEIGHTS).read_bytes() == before
    assert Weights(toy_entry()).preprocess == PREPROCESS
    assert toy("vit_toy").weights.pinned is False
