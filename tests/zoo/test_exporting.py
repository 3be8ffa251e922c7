"""What was exported computes the model's own embeddings in another engine, for any batch, and carries the entry."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from toys import toy, toy_entry

import omlzoo
from omlzoo.checkpoints import cache
from omlzoo.checkpoints.entry import dump_entry
from omlzoo.checkpoints.weights import Weights
from omlzoo.errors import BadInput, WeightsMismatch
from omlzoo.models._extractor import Extractor
from omlzoo.models.clip import ClipViT
from omlzoo.models.dinov3 import DinoV3
from omlzoo.models.siglip import SigLip
from omlzoo.models.swin import Swin
from omlzoo.models.unicom import Unicom
from omlzoo.models.vit import ViT
from omlzoo.zoo import exporting
from omlzoo.zoo.exporting import export, read_entry

SMALL = {"image": 48, "patch": 8, "width": 48, "depth": 3, "heads": 4}
FAMILIES: dict[str, tuple[int, Callable[[], Extractor]]] = {
    "clip": (48, lambda: ClipViT(**SMALL, dim=32)),
    "siglip": (48, lambda: SigLip(**SMALL)),
    "unicom": (48, lambda: Unicom(**SMALL, dim=24)),
    "dinov3": (64, lambda: DinoV3(patch=16, width=64, depth=3, heads=4)),
    "swin": (128, lambda: Swin(image=128, width=24, depths=(2, 2, 2, 2), heads=(2, 2, 4, 4), window=4)),
    "giant": (48, lambda: ViT(**SMALL, gated=True, layer_scale=1e-5, registers=4, resizing="antialias")),  # type: ignore[arg-type]
    "vit": (32, lambda: toy("vit_toy")),
    "resnet": (32, lambda: toy("resnet_toy")),
    "drawings": (64, lambda: omlzoo.resnet_small_omniglot()),
}


def built(family: str) -> Extractor:
    size, make = FAMILIES[family]
    torch.manual_seed(0)
    model = make().eval()
    entry = model.weights.entry if model.weights else toy_entry("vit_toy", dim=model.dim)
    model.weights = Weights(
        replace(entry, preprocess=replace(entry.preprocess, resize=(size, size), crop=(size, size)))
    )
    return model


def run_onnx(path: Path, images: torch.Tensor) -> np.ndarray:
    session = pytest.importorskip("onnxruntime").InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {"images": images.numpy()})[0])


@pytest.mark.parametrize("family", [pytest.param(name, marks=pytest.mark.slow) for name in FAMILIES])
def test_onnx_of_every_family(family: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    model = built(family)
    done = export(model, tmp_path / "m.onnx")
    assert done.size == (FAMILIES[family][0],) * 2
    images = torch.randn(5, 3, *done.size)  # a batch that export did not try
    with torch.inference_mode():
        wanted = model(images).numpy()
    assert np.abs(run_onnx(tmp_path / "m.onnx", images) - wanted).max() < 1e-4 * np.abs(wanted).max()
    assert read_entry(tmp_path / "m.onnx") == json.loads(dump_entry(model.weights.entry))  # type: ignore[union-attr]
    assert [path.name for path in tmp_path.iterdir()] == ["m.onnx"]


@pytest.mark.parametrize(
    "family", [name if name in ("vit", "clip") else pytest.param(name, marks=pytest.mark.slow) for name in FAMILIES]
)
def test_torchscript_of_every_family(family: str, tmp_path: Path) -> None:
    model = built(family)
    export(model, tmp_path / "m.pt")
    images = torch.randn(5, 3, *(FAMILIES[family][0],) * 2)
    with torch.inference_mode():
        assert torch.allclose(exporting._load_torchscript(tmp_path / "m.pt")(images), model(images), atol=1e-5)
    kept = read_entry(tmp_path / "m.pt")
    assert kept["preprocess"] == json.loads(json.dumps(asdict(model.weights.entry.preprocess)))  # type: ignore[union-attr]


def test_int8_has_integers_and_is_near(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    done = export(built("vit"), tmp_path / "s.onnx", int8=True)
    kinds = {each.data_type for each in onnx.load(str(done.path)).graph.initializer}
    assert onnx.TensorProto.INT8 in kinds
    assert 0.98 < done.cosine < 1
    assert [path.name for path in tmp_path.iterdir()] == ["s.onnx"]


def test_what_computes_something_else_is_refused_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "_runner", lambda path, kind: lambda images: built("vit")(images) + 0.01)
    with pytest.raises(WeightsMismatch, match="what was exported differs from the model by"):
        export(built("vit"), tmp_path / "m.pt")
    monkeypatch.setattr(exporting, "_runner", lambda path, kind: lambda images: 1 / 0)
    with pytest.raises(WeightsMismatch, match="does not run: division by zero"):
        export(built("vit"), tmp_path / "m.pt")
    assert not list(tmp_path.iterdir())


def test_wrong_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"must end in \.onnx, \.pt "):
        export(built("vit"), tmp_path / "m.tflite")
    with pytest.raises(BadInput, match=r"int8 is for \.onnx"):
        export(built("vit"), tmp_path / "m.pt", int8=True)
    for name in ("x.pt", "x.onnx"):
        (tmp_path / name).write_bytes(b"no model")
        with pytest.raises(BadInput, match="has no entry of ours"):
            read_entry(tmp_path / name)


def test_changed_weights_do_not_bear_the_entrys_address_and_the_model_stays_as_it_is(tmp_path: Path) -> None:
    model = built("vit")
    with torch.no_grad():
        next(model.parameters()).add_(1)
    model.train()
    export(model, tmp_path / "m.pt")
    assert model.training
    assert read_entry(tmp_path / "m.pt")["source"].startswith("weights of one's own, started from")


def test_embed_computes_with_onnx_runtime_what_torch_computes(tmp_path: Path, drawn: Path) -> None:
    pytest.importorskip("onnxruntime")
    toy("vit_toy", normalize=True).save(tmp_path / "m")
    model = omlzoo.get_model(tmp_path / "m")
    wanted = omlzoo.embed(model, drawn, progress=False)
    found = omlzoo.embed(model, drawn, runtime="onnx", progress=False)
    assert np.abs(found.vectors - wanted.vectors).max() < 1e-5
    assert found.record == wanted.record
    compiled = list((cache.home() / "engines").glob("*.onnx"))
    again = omlzoo.embed_shards(tmp_path / "m", drawn, tmp_path / "v", runtime="onnx", progress=False)
    assert np.abs(again.load().vectors - wanted.vectors).max() < 1e-5
    assert list((cache.home() / "engines").glob("*.onnx")) == compiled
    with pytest.raises(BadInput, match="runtime 'onnx' computes in fp32 on the CPU; precision is 'bf16'"):
        omlzoo.embed(model, drawn, runtime="onnx", precision="bf16")
    with pytest.raises(BadInput, match="runtime is 'tensorrt'"):
        omlzoo.embed(model, drawn, runtime="tensorrt")  # type: ignore[arg-type]
