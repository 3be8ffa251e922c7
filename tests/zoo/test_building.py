"""The architecture is that which the entry describes, or nothing is built."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from mutations import watched
from safetensors.torch import save_file
from toys import toy, toy_entry

import omlzoo
from omlzoo.checkpoints import manifest
from omlzoo.checkpoints.entry import dump_entry
from omlzoo.errors import BadEntry, WeightsMismatch
from omlzoo.files import file_digest
from omlzoo.zoo.building import build_model, build_with


def folder(path: Path, state: dict[str, torch.Tensor], **changes: Any) -> Path:
    """A run folder of a stranger, whose entry says what it likes."""
    path.mkdir()
    save_file(state, path / "model.safetensors")
    entry = toy_entry(sha256=file_digest(path / "model.safetensors"), file="model.safetensors", **changes)
    (path / "entry.json").write_text(dump_entry(entry))
    return path


@pytest.mark.parametrize("name", ["resnet_small_omniglot", "vits16_inshop", "resnet50_moco_v2", "dinov3_vits16"])
def test_the_zoos_entries_build(name: str) -> None:
    if name not in manifest.names():
        pytest.skip("not in the zoo")
    assert build_model(manifest.find(name), blank=True).dim == manifest.find(name).dim


@pytest.mark.parametrize(("key", "value"), [("dim", 7), ("dim", 128), ("params", 91_215), ("params", 1)])
def test_dim_and_params_are_those_of_the_model(key: str, value: int, tmp_path: Path) -> None:
    run = folder(tmp_path / "x", toy("resnet_toy").state_dict(), **{key: value})
    with pytest.raises(BadEntry, match=f"{key} is .*; resnet_toy with its arguments has"):
        omlzoo.get_model(run)
    with pytest.raises(BadEntry, match=f"{key} is"):
        omlzoo.get_model(run, weights=None)


@pytest.mark.parametrize(
    ("arch", "arguments", "said"),
    [
        ("resnet_small", {"turns": "x"}, "turns is 'x'; it must be of type int"),
        ("resnet_small", {"turns": 1.0}, "it must be of type int"),
        ("resnet_small", {"turn": 1}, "has unknown turn"),
        ("resnet_toy", {"gem": "5"}, "it must be of type float"),
        ("vits16", {"resizing": "zoom"}, "it must be one of offset"),
        ("vits16", {"heads": 7}, "do not suit it: ValueError: 384 numbers cannot be split into 7 heads"),
        ("swin_l", {"image": 7, "window": 7}, "do not suit it|params is"),
        ("projected", {"arch": "vit_toy", "dim": 65_536, "arch_args": {"normalize": "x"}}, "dim is|params is|do not suit"),
        ("projected", {"arch": "projected", "arch_args": {"arch": "vit_toy", "dim": 65_536}, "dim": 65_536}, "need far more"),
    ],
)  # fmt: skip
def test_arguments_are_those_of_the_architecture(arch: str, arguments: dict[str, Any], said: str) -> None:
    with watched(seconds=20), pytest.raises(BadEntry, match=said):
        build_model(replace(toy_entry(), arch=arch, arch_args=arguments), blank=True)


def test_a_file_that_is_too_small_for_its_params_is_refused_before_a_model_is_built(tmp_path: Path) -> None:
    run = folder(tmp_path / "x", toy("resnet_toy").state_dict(), params=10**12)
    with pytest.raises(BadEntry, match="cannot hold so many"):
        omlzoo.get_model(run)


@pytest.mark.parametrize("dtype", [torch.int8, torch.int32, torch.bool, torch.complex64, torch.float8_e4m3fn])
def test_numbers_of_another_kind_are_refused_by_name(dtype: torch.dtype, tmp_path: Path) -> None:
    state = toy("resnet_toy").state_dict()
    state["conv1.weight"] = state["conv1.weight"].to(dtype)
    with pytest.raises(WeightsMismatch, match=r"conv1\.weight has torch\.\w+ numbers|conv1\.weight has whole numbers"):
        build_with(toy_entry(), state)
    with pytest.raises(WeightsMismatch, match=r"conv1\.weight has"):
        omlzoo.get_model(folder(tmp_path / "x", state))
    torch.save(state, tmp_path / "x.pth")
    with pytest.raises(WeightsMismatch, match=r"conv1\.weight has|its pickle has"):
        omlzoo.get_model(folder(tmp_path / "y", toy("resnet_toy").state_dict()), weights=tmp_path / "x.pth")
    counts = toy("resnet_toy").state_dict()
    counts["bn1.num_batches_tracked"] = counts["bn1.num_batches_tracked"].float()
    with pytest.raises(
        WeightsMismatch, match=r"num_batches_tracked has floating-point numbers and must have whole ones"
    ):
        build_with(toy_entry(), counts)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_floating_point_numbers_of_other_sizes_are_turned_into_the_models(dtype: torch.dtype) -> None:
    state = {
        name: value.to(dtype) if value.is_floating_point() else value
        for name, value in toy("resnet_toy").state_dict().items()
    }
    model = build_with(toy_entry(), state)
    assert next(model.parameters()).dtype == torch.float32
    assert torch.equal(model.state_dict()["conv1.weight"], state["conv1.weight"].float())
