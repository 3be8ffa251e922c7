"""A text tower that lies beside the weights opens without network, and goes wherever its folder goes."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from loopback_hub import LoopbackHub
from text_entries import publish, with_text_beside

import omlzoo
from omlzoo.checkpoints.folder import open_entry
from omlzoo.cli import main
from omlzoo.errors import BadEntry, BadInput, OmlzooWarning, WeightsUnavailable
from omlzoo.zoo.packing import pack
from omlzoo.zoo.publishing import push

TEXTS = ["Red shoe, with white sole!", "blue hat"]


@pytest.fixture
def folder(hub: LoopbackHub, tmp_path: Path) -> Path:
    text, state = publish(hub, "texts/beside", 16, pinned=False)
    tokenizer = hub.files["/texts/beside/resolve/tokenizer.json"]
    with_text_beside(text, state, tokenizer, tmp_path / "run")
    hub.clear()
    return tmp_path / "run"


def test_it_opens_without_network_and_is_verified(folder: Path, hub: LoopbackHub) -> None:
    text = open_entry(folder).text
    assert text is not None
    assert (text.repo, text.file, text.beside) == (None, "text.safetensors", True)
    assert text.sha256 is not None
    assert text.tokenizer.sha256 is not None
    model = omlzoo.get_text_model(folder)
    assert model(TEXTS).shape == (2, 16)
    assert model.learned == {"logit_scale": 1.0}
    assert not hub.requests
    with (folder / "text.safetensors").open("ab") as file:
        file.write(b" ")
    with pytest.raises(WeightsUnavailable, match=r"run.text: .*text.safetensors has \d+ bytes, the entry says"):
        omlzoo.get_text_model(folder)
    (folder / "text.safetensors").unlink()
    with pytest.raises(WeightsUnavailable, match=r"run.text: .*text.safetensors .*; copy the folder again, as a whole"):
        omlzoo.get_text_model(folder)


def test_a_copy_has_it_and_changed_weights_do_not(folder: Path, tmp_path: Path) -> None:
    wanted, model = omlzoo.get_text_model(folder)(TEXTS), omlzoo.get_model(folder)
    model.save(tmp_path / "copy")
    assert torch.equal(omlzoo.get_text_model(tmp_path / "copy")(TEXTS), wanted)
    with torch.no_grad():
        next(model.parameters()).add_(1)
    model.save(tmp_path / "changed")
    assert omlzoo.get_weights(tmp_path / "changed").entry.text is None
    assert not (tmp_path / "changed" / "text.safetensors").exists()
    with pytest.warns(OmlzooWarning, match="run: its text tower lies in its folder and is not carried"):
        longer = omlzoo.get_model(folder).with_views()
    assert longer.entry.text is None


def test_it_is_pushed_and_opens_from_there(folder: Path, hub: LoopbackHub) -> None:
    wanted = omlzoo.get_text_model(folder)(TEXTS)
    push(folder, "me/described")
    assert {"text.safetensors", "tokenizer.json"} <= {path.rpartition("/")[2] for path in hub.files}
    assert torch.equal(omlzoo.get_text_model("hf-hub:me/described")(TEXTS), wanted)
    tower = (folder / "text.safetensors").rename(folder.parent / "elsewhere.safetensors")
    (folder / "text.safetensors").symlink_to(tower)
    with pytest.raises(BadInput, match="text.safetensors is missing or a link out of the folder"):
        push(folder, "me/linked")


def test_a_wheel_has_it(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys
    import zipfile

    from omlzoo.checkpoints import manifest

    wanted = omlzoo.get_text_model(folder)(TEXTS)
    wheel = pack(folder, tmp_path / "dist", name="described")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    (entry,) = (tmp_path / "site").glob("*/entry.json")
    assert json.loads(entry.read_text())["text"]["file"] == "text.safetensors"
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site"), *sys.path])
    packed = replace(open_entry(entry.parent), name="described")
    monkeypatch.setattr(manifest, "names", lambda: ["described"])
    monkeypatch.setattr(manifest, "find", lambda name: packed)
    assert torch.equal(omlzoo.get_text_model("described")(TEXTS), wanted)


def test_fetch_names_the_files_and_says_how_to_carry_them(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["fetch", str(folder), "--text"]) == 0
    assert [Path(line).name for line in capsys.readouterr().out.splitlines()] == [
        "model.safetensors", "text.safetensors", "tokenizer.json"
    ]  # fmt: skip
    assert main(["fetch", str(folder), "--text", "--to", str(tmp_path / "usb")]) == 2
    assert "run: its text tower lies beside its weights; copy the folder as it is" in capsys.readouterr().err


def test_an_entry_without_its_sha256_is_refused(folder: Path) -> None:
    entry = open_entry(folder)
    assert entry.text is not None
    with pytest.raises(BadEntry, match="text: repo is null, so the file lies beside the weights, and sha256 is null"):
        replace(entry.text, sha256=None)
    with pytest.raises(WeightsUnavailable, match="its text tower lies beside its weights; open the folder that has"):
        omlzoo.get_model(folder)  # opened, and its entry used alone
        from omlzoo.checkpoints.fetch_text import fetch_text

        fetch_text(entry, entry.text)
