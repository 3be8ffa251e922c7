"""wrap(), and folders, repositories and runs of bodies that are not the zoo's, there and back."""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torchvision
from loopback_hub import LoopbackHub
from own_package import write_package
from safetensors.torch import save
from torch import nn
from toys import PREPROCESS

import omlzoo
from omlzoo.checkpoints.entry import dump_entry
from omlzoo.checkpoints.folder import open_entry
from omlzoo.data.preprocess import Preprocess
from omlzoo.errors import BadEntry, BadInput, OmlzooError, UnknownName, WeightsMismatch, WeightsUnavailable
from omlzoo.models._extractor import Extractor

QUICK: dict[str, Any] = {"epochs": 1, "n_labels": 4, "n_instances": 3, "augment": "none", "log": "none"}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    write_package(tmp_path / "site")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    yield import_module("mypackage.nets")
    for name in [name for name in sys.modules if name.partition(".")[0] == "mypackage"]:
        del sys.modules[name]


def equal(one: Extractor, other: Extractor) -> bool:
    height, width = one.entry.preprocess.crop
    images = torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        return torch.allclose(one(images), other(images), atol=1e-6)


def test_a_module_of_ones_own_is_saved_and_opened(package: Any, tmp_path: Path) -> None:
    model = omlzoo.wrap(package.Net(6), dim=6, preprocess=PREPROCESS, name="mine", arguments={"width": 6})
    assert (model.entry.name, model.entry.arch, model.dim) == ("mine", "module:mypackage.nets.Net", 6)
    model.save(tmp_path / "saved")
    with pytest.raises(BadInput, match="the class mypackage.nets.Net"):
        omlzoo.get_model(tmp_path / "saved")
    for opened in (
        omlzoo.get_model(tmp_path / "saved", trust="mypackage"),
        omlzoo.get_model(tmp_path / "saved", trust=["x", "mypackage.nets"]),
        omlzoo.get_model(tmp_path / "saved", module=package.Net),
        omlzoo.get_model(tmp_path / "saved", module=package.Net(6)),
    ):
        assert equal(model, opened)
        assert not opened.training
    with (
        pytest.raises(OmlzooError, match="params is|do not fit"),
        pytest.warns(match="handed over is a mypackage.nets.Tied"),
    ):
        omlzoo.get_model(tmp_path / "saved", module=package.Tied())
    for wrong in (3, dict, "mypackage.nets.Net", omlzoo.wrap):
        with pytest.raises(BadInput, match=r"must be a torch.nn.Module"):
            omlzoo.get_model(tmp_path / "saved", module=wrong)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="needs no module"):
        omlzoo.get_model("resnet_small_omniglot", module=package.Net())


def test_a_class_that_needs_no_arguments_needs_none(package: Any, tmp_path: Path) -> None:
    model = omlzoo.wrap(package.Tied(), preprocess=PREPROCESS)
    model.save(tmp_path / "saved")  # two names of one tensor
    opened = omlzoo.get_model(tmp_path / "saved", trust="mypackage")
    assert equal(model, opened)
    assert opened.module.again.weight is opened.module.fc.weight, "two names of one parameter stay one"


def test_a_class_that_its_arguments_do_not_build_is_said(package: Any, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="has other tensors"):
        omlzoo.wrap(package.Net(6), preprocess=PREPROCESS, arguments={"width": 5})
    with pytest.raises(BadInput, match="cannot be built with the arguments"):
        omlzoo.wrap(package.Net(6), preprocess=PREPROCESS, arguments={"depth": 5})
    for odd in ({"width": [6]}, {"width": {"a": 6}}, {"width": float("nan")}, {"width": "x" * 300}):
        with pytest.raises(BadEntry, match="must be a number or a text"):
            omlzoo.wrap(package.Net(6), preprocess=PREPROCESS, arguments=odd)
    with pytest.warns(match="opens by get_model\\(folder, module=...\\) alone"):
        omlzoo.wrap(package.Net(6), preprocess=PREPROCESS).save(tmp_path / "saved")
    with pytest.raises((BadEntry, WeightsMismatch)):
        omlzoo.get_model(tmp_path / "saved", trust="mypackage")
    assert omlzoo.get_model(tmp_path / "saved", module=package.Net(6)).dim == 6


@pytest.mark.parametrize(
    "builder", [torchvision.models.resnet18, pytest.param(torchvision.models.convnext_tiny, marks=pytest.mark.slow)]
)
def test_torchvision_is_wrapped_as_it_is(builder: Any, tmp_path: Path) -> None:
    weights = torchvision.models.get_model_weights(builder).DEFAULT.transforms()
    module = builder().eval()
    model = omlzoo.wrap(module, dim=1000, preprocess=weights, name="tv")
    image = torchvision.transforms.functional.to_pil_image(torch.randint(0, 256, (3, 280, 250), dtype=torch.uint8))
    assert (model.transforms()(image) - weights(image)).abs().max() < 1e-5
    images = weights(image)[None]
    with torch.inference_mode():
        assert torch.equal(model(images), module(images))
    with pytest.warns(match="alone"):
        model.save(tmp_path / "tv")
    assert equal(model, omlzoo.get_model(tmp_path / "tv", module=builder()))


def test_the_preprocessing_is_the_modules_or_is_said(package: Any) -> None:
    body = timm.create_model("test_vit", num_classes=0)
    assert omlzoo.wrap(body).entry.preprocess == omlzoo.get_weights("timm:test_vit").preprocess
    with pytest.warns(match="says nothing of its preprocessing; ImageNet's is taken, at 224 pixels"):
        assert omlzoo.wrap(package.Net()).entry.preprocess.crop == (224, 224)
    with pytest.raises(BadInput, match="says no sizes"):
        omlzoo.wrap(package.Net(), preprocess=torch.nn.Identity())


def test_what_gives_no_vectors_is_refused(package: Any) -> None:
    for module, message in (
        (package.Unpooled(), r"gives a tensor \(1, 8, 15, 15\)"),
        (nn.Conv2d(9, 3, 1), "fails on an image"),
        (nn.Flatten(), "no weights"),
        (lambda images: images, "no torch.nn.Module"),
        (None, "no torch.nn.Module"),
        (omlzoo.get_model("timm:test_vit", weights=None), "an extractor already"),
    ):
        with pytest.raises(BadInput, match=message):
            omlzoo.wrap(module, preprocess=PREPROCESS)  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="dim is 512; Net gives 8 numbers"):
        omlzoo.wrap(package.Net(), dim=512, preprocess=PREPROCESS)
    assert omlzoo.wrap(package.Named(), preprocess=PREPROCESS).dim == 8


def test_what_no_import_gives_works_and_is_not_saved(package: Any, tmp_path: Path, drawn: Path) -> None:
    row = nn.Sequential(nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1))
    for module, message in (
        (row, "Sequential is torch's"),
        (package.local(), "inside another class or a function"),
        (package.Outer.Inner(), "inside another class"),
        (type("Main", (nn.Sequential,), {"__module__": "__main__"})(*row), "in the script"),
    ):
        model = omlzoo.wrap(module, preprocess=PREPROCESS)
        assert omlzoo.embed(model, [Path(drawn.parent / "images").rglob("*.png").__next__()], progress=False).good.all()
        with pytest.raises(BadInput, match=message):
            model.save(tmp_path / "saved")
        with pytest.raises(BadInput, match=message):
            omlzoo.finetune(model, drawn, out=tmp_path / "run", **QUICK)
        assert not (tmp_path / "saved").exists()
        assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("settings", [{"freeze": 1}, {"project": 4, "layer_decay": 0.5}])
def test_a_module_is_fine_tuned_searched_and_exported(
    settings: dict[str, Any], package: Any, tmp_path: Path, drawn: Path
) -> None:
    model = omlzoo.wrap(package.Net(6), preprocess=PREPROCESS, arguments={"width": 6})
    run = omlzoo.finetune(model, drawn, out=tmp_path / "run", progress=False, **QUICK, **settings)
    opened = run.model(trust="mypackage")
    assert equal(opened, run.model(module=package.Net))
    embeddings = omlzoo.embed(opened, tmp_path.parent / drawn.parent / "images", progress=False)
    omlzoo.build_index(embeddings).save(tmp_path / "index")
    picture = str(next((drawn.parent / "images").rglob("*.png")))
    with pytest.raises(BadInput, match="the class mypackage"):
        omlzoo.open_index(tmp_path / "index").search([picture], k=1)
    assert len(omlzoo.open_index(tmp_path / "index", trust="mypackage").search([picture], k=1).table()) == 1
    assert omlzoo.export(opened, tmp_path / "model.pt").difference < 1e-4


def test_a_run_of_a_body_of_timm_opens_and_embeds_equally(tmp_path: Path, drawn: Path) -> None:
    model = omlzoo.get_model("timm:mobilenetv3_small_050", weights=None, image_size=48)
    run = omlzoo.finetune(model, drawn, out=tmp_path / "run", progress=False, **QUICK, freeze=2)
    pictures = sorted((drawn.parent / "images").rglob("*.png"))[:5]
    opened = omlzoo.get_model(tmp_path / "run")
    assert opened.entry.arch == "timm:mobilenetv3_small_050.lamb_in1k"
    theirs = timm.create_model("mobilenetv3_small_050", num_classes=0).eval()
    theirs.load_state_dict(opened.state_dict())
    batch = torch.stack([opened.transforms()(image) for image in map(_open, pictures)])
    with torch.inference_mode():
        expected = theirs(batch).numpy()
    assert omlzoo.embed(run.model(), pictures, progress=False, precision="fp32").vectors == pytest.approx(
        expected, abs=1e-5
    )


def _open(path: Path) -> Any:
    from PIL import Image

    return Image.open(path).convert("RGB")


@pytest.mark.parametrize("size", [192, (160, 96)])
def test_a_body_of_another_size_is_saved_with_it(size: Any, tmp_path: Path) -> None:
    model = omlzoo.get_model("timm:test_vit", weights=None, image_size=size)
    model.save(tmp_path / "saved")
    opened = omlzoo.get_model(tmp_path / "saved")
    assert equal(model, opened)
    assert opened.entry.preprocess.crop == ((192, 192) if size == 192 else size)
    assert equal(
        omlzoo.get_model(tmp_path / "saved", image_size=160), omlzoo.get_model(tmp_path / "saved", image_size=160)
    )


def serve(hub: LoopbackHub, name: str, repo: str, **more: bytes) -> dict[str, torch.Tensor]:
    torch.manual_seed(3)
    state = timm.create_model(name).state_dict()
    hub.publish(repo, "model.safetensors", save(state))
    for file, content in more.items():
        hub.publish(repo, f"{file}.json", content)
    return state


def test_default_weights_are_timms_file(hub: LoopbackHub) -> None:
    state = serve(hub, "test_convnext", "timm/test_convnext.r160_in1k")
    with pytest.warns(match="is unpinned"):
        model = omlzoo.get_model("timm:test_convnext", progress=False)
    theirs = timm.create_model("test_convnext").eval()
    theirs.load_state_dict(state)
    theirs.reset_classifier(0)
    images = torch.randn(2, 3, 160, 160)
    with torch.inference_mode():
        assert torch.equal(model(images), theirs(images))
    assert not model.changed
    assert model.weights.address == "timm:test_convnext.r160_in1k"
    assert "classifier" in model.entry.source


def test_a_body_without_published_weights_says_so() -> None:
    with pytest.raises(WeightsUnavailable, match="timm publishes no weights of it; give a file, or weights=None"):
        omlzoo.get_model("timm:nf_regnet_b0")
    upstream = omlzoo.get_weights("timm:gcvit_xxtiny").entry.upstream  # in no repository, but on timm's own pages
    assert upstream is not None
    assert (upstream.hash, upstream.layout) == ("sha256:d1d86009", "timm")


def test_a_repository_of_timm_opens_without_an_entry(hub: LoopbackHub) -> None:
    said = timm.models.get_pretrained_cfg("test_convnext2").to_dict()
    config = {"architecture": "test_convnext2", "num_classes": 1000, "global_pool": "avg", "pretrained_cfg": said}
    state = serve(hub, "test_convnext2", "timm/any_name", config=json.dumps(config, default=str).encode())
    with pytest.warns(match="is unpinned"):
        model = omlzoo.get_model("hf-hub:timm/any_name", progress=False)
    assert (model.entry.arch, model.entry.layout) == ("timm:test_convnext2.r160_in1k", "timm")
    theirs = timm.create_model("test_convnext2").eval()
    theirs.load_state_dict(state)
    theirs.reset_classifier(0)
    images = torch.randn(2, 3, 160, 160)
    with torch.inference_mode():
        assert torch.equal(model(images), theirs(images))


def test_a_file_of_ones_own_training_with_timm_is_read(tmp_path: Path) -> None:
    state = timm.create_model("test_convnext").state_dict()
    torch.save(
        {"state_dict": {f"module.{key}": value for key, value in state.items()}, "epoch": 3}, tmp_path / "last.pth"
    )
    with pytest.warns(match="in the layout timm; left out: head.fc.bias, head.fc.weight"):
        model = omlzoo.get_model("timm:test_convnext", tmp_path / "last.pth")
    assert torch.equal(model.state_dict()["stem.0.weight"], state["stem.0.weight"])
    torch.save(timm.create_model("test_vit").state_dict(), tmp_path / "other.pth")
    with pytest.raises(OmlzooError, match="do not fit"), pytest.warns():
        omlzoo.get_model("timm:test_convnext", tmp_path / "other.pth")


def test_a_repository_that_names_a_class_imports_nothing(hub: LoopbackHub, package: Any, tmp_path: Path) -> None:
    omlzoo.wrap(package.Net(), preprocess=PREPROCESS).save(tmp_path / "saved")
    for file in ("entry.json", "model.safetensors"):
        hub.publish("me/net", file, (tmp_path / "saved" / file).read_bytes())
    del sys.modules["mypackage.nets"]
    with pytest.raises(BadInput, match="the class mypackage.nets.Net"):
        omlzoo.get_model("hf-hub:me/net", progress=False)
    assert "mypackage.nets" not in sys.modules
    assert omlzoo.get_model("hf-hub:me/net", progress=False, trust="mypackage").dim == 8


@pytest.mark.parametrize(
    "settings", [{"image_size": 64}, {"lora": 2, "freeze": 0}, {"drop_path": 0.2, "recompute": True}]
)
def test_a_vit_of_timm_is_trained_in_each_way(settings: dict[str, Any], tmp_path: Path, drawn: Path) -> None:
    model = omlzoo.get_model("timm:test_vit", weights=None, image_size=48)
    run = omlzoo.finetune(model, drawn, out=tmp_path / "run", progress=False, **QUICK, **settings)
    side = settings.get("image_size", 48)
    assert run.model()(torch.zeros(1, 3, side, side)).shape == (1, 64)
    assert omlzoo.evaluate(run.model(), drawn, progress=False, precision="fp32").metrics["cmc@1"] == pytest.approx(
        run.report.metrics["cmc@1"]
    )


def rewritten(folder: Path, **changes: Any) -> Path:
    path = folder / "entry.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return folder


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arch": "module:os.system", "arch_args": {"dim": 64, "arguments": {"command": "touch HERE"}}}, "the class os.system"),
        ({"arch": "projected", "arch_args": {"arch": "module:os.system", "dim": 64, "arch_args": {"dim": 3}}}, "the class os.system"),
        ({"arch": "module:os"}, "arch is 'module:os'"),
        ({"arch": "module:a/b.c"}, "arch is 'module:a/b.c'"),
        ({"arch": "module:a..b"}, "arch is"),
        ({"arch": "python:a.b"}, "arch is"),
        ({"arch": "timm:hf-hub:a/b"}, "arch is"),
        ({"arch": "timm:../x"}, "arch is"),
        ({"arch": "timm:local-dir:/tmp/x"}, "arch is"),
        ({"arch": "timm:nope"}, "has no 'nope'"),
        ({"arch_args": {"checkpoint_path": "/tmp/x.pth"}}, "checkpoint_path"),
        ({"arch_args": {"pretrained": True}}, "pretrained"),
        ({"arch_args": {"pretrained_cfg": {"file": "/tmp/x.pth"}}}, "pretrained_cfg"),
        ({"arch_args": {"pretrained_cfg_overlay": {"hf_hub_id": "a/b"}}}, "pretrained_cfg_overlay"),
        ({"arch_args": {"cache_dir": "/tmp"}}, "cache_dir"),
        ({"arch_args": {"num_classes": 65_000}}, "dim is 64"),
        ({"arch_args": {"img_size": 60_000}}, "need far more|dim is|params|do not suit"),
        ({"arch_args": {"global_pool": "os.system"}}, "do not suit"),
    ],
)  # fmt: skip
def test_a_folder_decides_nothing(
    changes: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    omlzoo.get_model("timm:test_vit", weights=None).save(tmp_path / "folder")
    before = set(sys.modules)
    with pytest.raises((BadEntry, BadInput, UnknownName), match=message):
        omlzoo.get_model(rewritten(tmp_path / "folder", **changes))
    assert not (tmp_path / "HERE").exists()
    assert not {name for name in set(sys.modules) - before if name.startswith(("os", "subprocess"))}


@pytest.mark.parametrize(
    "arguments", [{"width": {"a": 1}}, {"width": [8]}, {"a b": 1}, {"width": "x" * 1000}, {"width": 10**12}]
)
def test_odd_arguments_of_a_class_are_refused(arguments: dict[str, Any], package: Any, tmp_path: Path) -> None:
    omlzoo.wrap(package.Net(), preprocess=PREPROCESS).save(tmp_path / "folder")
    rewritten(tmp_path / "folder", arch_args={"dim": 8, "arguments": arguments})
    with pytest.raises((BadEntry, BadInput)):
        omlzoo.get_model(tmp_path / "folder", trust="mypackage")


def test_an_entry_keeps_its_form(package: Any, tmp_path: Path) -> None:
    omlzoo.wrap(package.Net(), preprocess=PREPROCESS, name="a name/with a slash").save(tmp_path / "folder")
    entry = open_entry(tmp_path / "folder")
    assert json.loads(dump_entry(entry))["arch_args"] == {"dim": 8}
    assert replace(entry).preprocess == Preprocess(**vars(PREPROCESS))
