"""Weights in installed distributions are found, verified and converted; entries of strangers are held to the rules."""

import json
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from places import has_photos
from toys import toy

import omlzoo
from omlzoo.checkpoints import fetch, manifest, package
from omlzoo.checkpoints.entry import Entry, dump_entry
from omlzoo.checkpoints.package import brought, is_installed, locate
from omlzoo.checkpoints.sources import Package
from omlzoo.errors import BadEntry, OmlzooWarning, UnknownName, WeightsUnavailable
from omlzoo.files import file_digest

RESERVED = frozenset({"embed", "losses", "vits16_dino"})


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed distributions, as ``pip install --target`` makes one."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("OMLZOO_HOME", str(tmp_path / "home"))
    manifest.forget()
    yield folder
    manifest.forget()


def installed(site: Path, name: str, points: dict[str, str], version: str = "1.0.0") -> Path:
    """A distribution with entry points, without anything else."""
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = "".join(f"{point} = {value}\n" for point, value in points.items())
    (info / "entry_points.txt").write_text(f"[{package.GROUP}]\n{lines}")
    return info


def shipped(site: Path, name: str = "shoes", /, **changes: Any) -> Entry:
    """A distribution omlzoo-NAME with a toy model, its entry changed."""
    folder = site / f"omlzoo_{name}"
    toy("resnet_toy").save(folder)
    entry = json.loads((folder / "entry.json").read_text())
    weights = folder / "model.safetensors"
    entry |= {
        "name": name, "file": None,
        "package": {"distribution": f"omlzoo-{name}", "version": "1.0.0", "file": f"omlzoo_{name}/model.safetensors",
                    "sha256": file_digest(weights), "size": weights.stat().st_size},
    }  # fmt: skip
    (folder / "entry.json").write_text(json.dumps(entry | changes))
    installed(site, f"omlzoo-{name}", {name: f"omlzoo_{name}"})
    return entry


def test_what_is_installed_is_listed_and_built_offline(site: Path) -> None:
    shipped(site)
    assert "shoes" in omlzoo.list_models()
    assert "shoes" in dir(omlzoo)
    model = omlzoo.shoes()
    wanted = toy("resnet_toy").state_dict()
    assert all(torch.equal(value, wanted[key]) for key, value in model.state_dict().items())
    assert model.weights.pinned
    assert fetch.present(model.weights.entry)[0] == site / "omlzoo_shoes/model.safetensors"
    assert not [name for name in sys.modules if name.startswith("omlzoo_shoes")], "nothing of it is imported"


@pytest.mark.parametrize(("name", "said"), [
    ("embed", "omlzoo itself has this name"), ("losses", "omlzoo itself has this name"), ("vits16_dino", "omlzoo itself has this name"),
    ("two-words", "a name is a letter with letters, digits and _ behind it"), ("_x", "a name is a letter"),
])  # fmt: skip
def test_names_that_are_taken_or_odd_are_refused(site: Path, name: str, said: str) -> None:
    installed(site, "omlzoo-odd", {name: "omlzoo_odd"})
    with pytest.warns(OmlzooWarning, match="a checkpoint of an installed package is left out: "):
        found = brought(RESERVED)
    assert not found.entries
    assert said in found.refused[name]


@pytest.mark.parametrize("value", ["../etc", "omlzoo shoes", "/etc", "a/b", "os:system", "a..b"])
def test_a_value_that_is_no_folder_is_refused(site: Path, value: str) -> None:
    installed(site, "omlzoo-odd", {"odd": value})
    with pytest.warns(OmlzooWarning, match="left out"):
        assert "it must be a folder" in brought(RESERVED).refused["odd"]


@pytest.mark.parametrize(("changes", "said"), [
    ({"surprise": 1}, "surprise"), ({"name": "boots"}, "is the entry of 'boots'"), ({"package": None}, "names another package"),
    ({"arch_args": {"width": 10**9}}, "arch_args"),
    ({"package": {"distribution": "other", "version": "1", "file": "x", "sha256": "0" * 64, "size": 1}}, "names another package"),
    ({"package": {"distribution": "omlzoo-shoes", "version": "1", "file": "../x", "sha256": "0" * 64, "size": 1}}, "path of a file inside"),
    ({"package": {"distribution": "a b; rm", "version": "1", "file": "x", "sha256": "0" * 64, "size": 1}}, "name of a distribution"),
    ({"package": {"distribution": "omlzoo-shoes", "version": "1'", "file": "x", "sha256": "0" * 64, "size": 1}}, "must be a version"),
])  # fmt: skip
def test_an_entry_that_breaks_a_rule_is_refused_and_others_stay(site: Path, changes: dict[str, Any], said: str) -> None:
    shipped(site, "good")
    shipped(site, "shoes", **changes)
    with pytest.warns(OmlzooWarning, match="left out"):
        names = omlzoo.list_models()
    assert "good" in names
    assert "shoes" not in names
    with pytest.raises(BadEntry, match="'shoes' of omlzoo-shoes: ") as caught:
        omlzoo.get_model("shoes")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_two_packages_of_one_name_are_both_refused(site: Path) -> None:
    shipped(site)
    installed(site, "omlzoo-other", {"shoes": "omlzoo_shoes"})
    with pytest.warns(OmlzooWarning, match="2 entries have this name; uninstall all but one"):
        assert not brought(RESERVED).entries


def test_a_package_without_its_folder_or_file_is_one_line(site: Path) -> None:
    installed(site, "omlzoo-empty", {"empty": "omlzoo_empty"})
    shipped(site)
    (site / "omlzoo_shoes/model.safetensors").unlink()
    with pytest.warns(OmlzooWarning, match="'empty' of omlzoo-empty: .*entry.json"):
        omlzoo.list_models()
    with pytest.raises(
        WeightsUnavailable, match="although omlzoo-shoes is installed; run: pip install --force-reinstall"
    ):
        omlzoo.get_model("shoes")


def test_other_bytes_are_refused(site: Path) -> None:
    shipped(site)
    path = site / "omlzoo_shoes/model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\0" if path.read_bytes()[-1] else path.read_bytes()[:-1] + b"\1")
    with pytest.raises(
        WeightsUnavailable, match="has sha256 .* run: pip install --force-reinstall 'omlzoo-shoes==1.0.0'"
    ):
        omlzoo.get_model("shoes")


def test_what_is_not_installed_names_the_one_install() -> None:
    wanted = Package("no-such-package", "1.2", "a/b.safetensors", "0" * 64, 5)
    with pytest.raises(WeightsUnavailable, match="which is not installed; run: pip install 'no-such-package==1.2'"):
        locate(wanted, "shoes")
    assert not is_installed(wanted)


def test_a_pickle_of_a_foreign_layout_is_converted_once(site: Path, tmp_path: Path) -> None:
    """The layout of the photo model, on random weights with timm's names as the expected value."""
    body = omlzoo.get_model("timm:tf_efficientnet_lite0", weights=None)
    state = body.state_dict()
    renamed = as_first_ports(state)
    (site / "lite").mkdir()
    torch.save({**renamed, "_fc.weight": torch.zeros(10, 1280), "_fc.bias": torch.zeros(10)}, site / "lite/x.pth")
    installed(site, "lite", {})
    entry = replace(
        body.entry, name="lite", layout="efficientnet_lite", repo=None, file=None, upstream=None,
        package=Package("lite", "1.0.0", "lite/x.pth", file_digest(site / "lite/x.pth"), (site / "lite/x.pth").stat().st_size),
    )  # fmt: skip
    path = fetch.fetch_weights(entry)
    assert path.is_relative_to(tmp_path / "home")
    again = omlzoo.Weights(entry).tensors(path, state.keys())
    assert again.keys() == state.keys()
    assert all(torch.equal(again[key], state[key]) for key in state)
    before = path.stat().st_mtime_ns
    assert fetch.fetch_weights(entry) == path
    assert path.stat().st_mtime_ns == before
    assert fetch.present(entry)[0] == path


def as_first_ports(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """timm's names of an EfficientNet as the first ports of it to PyTorch have them, blocks numbered through."""
    outer = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1"}
    first = {"conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"}
    later = {
        "conv_pw": "_expand_conv",
        "bn1": "_bn0",
        "conv_dw": "_depthwise_conv",
        "bn2": "_bn1",
        "conv_pwl": "_project_conv",
        "bn3": "_bn2",
    }
    blocks = sorted({tuple(map(int, key.split(".")[1:3])) for key in state if key.startswith("blocks.")})
    renamed = {}
    for key, value in state.items():
        parts = key.split(".")
        if parts[0] == "blocks":
            stage, block = int(parts[1]), int(parts[2])
            names = first if stage == 0 else later
            renamed[f"_blocks.{blocks.index((stage, block))}.{names[parts[3]]}.{parts[4]}"] = value
        else:
            renamed[f"{outer[parts[0]]}.{parts[1]}"] = value
    return renamed


@pytest.mark.skipif(not has_photos(), reason="omlzoo[photos] is not installed")
def test_the_photo_model_is_what_its_fingerprint_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from omlzoo.zoo import fingerprint

    monkeypatch.setenv("OMLZOO_HOME", str(tmp_path))
    model = omlzoo.efficientnet_lite0_in1k()
    assert model.dim == 1280
    assert model.entry.fingerprint is not None
    fingerprint.check(model, model.entry.fingerprint, "efficientnet_lite0_in1k")


def test_a_folder_of_such_weights_has_no_package(site: Path, tmp_path: Path) -> None:
    shipped(site)
    omlzoo.shoes().save(tmp_path / "copy")
    entry = omlzoo.get_weights(tmp_path / "copy").entry
    assert entry.package is None
    assert dump_entry(entry)
    assert asdict(entry)["package"] is None


def test_an_unknown_name_is_still_unknown(site: Path) -> None:
    with pytest.raises(UnknownName):
        omlzoo.get_model("no_such_checkpoint")
