"""ExecuTorch programs compute what the model does, where ExecuTorch is installed."""

import importlib.util
from pathlib import Path

import pytest
import torch
from toys import toy

import omlzoo
from omlzoo.errors import BadInput, MissingExtra
from omlzoo.zoo.executorch import load_program
from omlzoo.zoo.exporting import read_entry

HAS = importlib.util.find_spec("executorch") is not None


@pytest.mark.slow
@pytest.mark.skipif(not HAS, reason="executorch is not installed")
@pytest.mark.parametrize("name", ["vit_toy", "resnet_toy", "resnet_small_omniglot"])
def test_a_program_is_the_model_and_carries_its_entry(name: str, tmp_path: Path) -> None:
    model = toy(name) if name.endswith("_toy") else omlzoo.get_model(name)
    done = omlzoo.export(model, tmp_path / "m.pte")
    assert done.difference < 1e-4
    images = torch.rand(3, 3, *done.size)
    with torch.inference_mode():
        assert torch.allclose(load_program(tmp_path / "m.pte")(images), model(images), atol=1e-4)
    entry = read_entry(tmp_path / "m.pte")
    assert model.weights is not None
    assert entry["dim"] == model.dim
    assert entry["preprocess"]["crop"] == list(done.size)


@pytest.mark.skipif(HAS, reason="executorch is installed")
def test_without_the_package_it_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(MissingExtra, match=r"executorch is not installed; run: pip install 'omlzoo\[executorch\]'"):
        omlzoo.export(toy("vit_toy"), tmp_path / "m.pte")
    assert list(tmp_path.iterdir()) == []


def test_int8_is_for_another_engine(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="int8 is for .onnx"):
        omlzoo.export(toy("vit_toy"), tmp_path / "m.pte", int8=True)
