"""A checkpoint's text tower comes from its own file, verified, and its vectors are those of the file's tensors."""

from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from loopback_hub import LoopbackHub
from reference_text import text_forward
from safetensors.torch import save_file
from text_entries import publish, with_text

import omlzoo
from omlzoo.cli import main
from omlzoo.errors import BadInput, OmlzooWarning, WeightsMismatch, WeightsUnavailable

TEXTS = ["Red shoe, with white sole!", "blue hat"]
TOKENS = torch.tensor([[2, 4, 6, 7, 8, 1], [3, 5, 1, 1, 1, 1]])


def test_texts_become_the_vectors_of_the_files_tensors(hub: LoopbackHub, tmp_path: Path) -> None:
    text, state = publish(hub, "texts/one", 16)
    with_text(text, tmp_path / "model")
    model = omlzoo.get_text_model(tmp_path / "model")
    wanted = text_forward(state, TOKENS, 4, causal=False, end=None, activation="exact", eps=1e-6)
    found = model(TEXTS)
    assert torch.allclose(found, wanted / wanted.norm(dim=1, keepdim=True), atol=1e-6)
    assert model.dim == 16
    assert torch.equal(model("blue hat"), model(["blue hat"]))
    assert torch.allclose(model(TEXTS * 200)[-2:], found, atol=1e-6), "in batches"
    asked = len(hub.requests)
    hub.files.clear()
    assert torch.equal(omlzoo.get_text_model(tmp_path / "model")(TEXTS), found), "from the cache"
    assert len(hub.requests) == asked


def test_local_files_serve_too(hub: LoopbackHub, tmp_path: Path) -> None:
    text, state = publish(hub, "texts/local", 16)
    with_text(replace(text, repo=None, file=None, revision=None, sha256=None), tmp_path / "model")
    with pytest.raises(
        WeightsUnavailable, match=r"no repository with its text tower .* omlzoo.get_text_model\('model', weights"
    ):
        omlzoo.get_text_model(tmp_path / "model")
    save_file(state, tmp_path / "theirs.safetensors")
    model = omlzoo.get_text_model(tmp_path / "model", tmp_path / "theirs.safetensors")
    assert model(TEXTS).shape == (2, 16)
    asked = len(hub.requests)
    (tmp_path / "own.json").write_bytes(hub.files[f"/{text.tokenizer.repo}/resolve/tokenizer.json"])
    own = omlzoo.get_text_model(tmp_path / "model", tmp_path / "theirs.safetensors", tokenizer=tmp_path / "own.json")
    assert torch.equal(own(TEXTS), model(TEXTS))
    assert len(hub.requests) == asked, "with both files at hand nobody is asked"
    state["text.ln_final.bias"][0] = float("nan")
    save_file(state, tmp_path / "broken.safetensors")
    with pytest.raises(WeightsMismatch, match="NaN"):
        omlzoo.get_text_model(tmp_path / "model", tmp_path / "broken.safetensors")
    with pytest.raises(BadInput, match=r"nowhere.pth: there is no such file"):
        omlzoo.get_text_model(tmp_path / "model", "nowhere.pth")


def test_other_bytes_are_refused_and_removed(hub: LoopbackHub, tmp_path: Path) -> None:
    text, _ = publish(hub, "texts/changed", 16)
    with_text(replace(text, tokenizer=replace(text.tokenizer, sha256="0" * 64)), tmp_path / "tokens")
    with pytest.raises(
        WeightsUnavailable, match=r"tokenizer.json has sha256 .*, the entry says 0000.*; the file was rem"
    ):
        omlzoo.get_text_model(tmp_path / "tokens")
    with_text(replace(text, sha256="0" * 64), tmp_path / "tower")
    with pytest.raises(WeightsUnavailable, match=r"has sha256 .*, the entry says 0000"):
        omlzoo.get_text_model(tmp_path / "tower")
    with_text(text, tmp_path / "right")
    assert omlzoo.get_text_model(tmp_path / "right").dim == 16, "nothing of the refused ones was kept"


def test_what_is_not_pinned_is_said(hub: LoopbackHub, tmp_path: Path) -> None:
    text, _ = publish(hub, "texts/unpinned", 16, pinned=False)
    with_text(text, tmp_path / "model")
    with pytest.warns(OmlzooWarning) as said:
        omlzoo.get_text_model(tmp_path / "model")
    assert sorted(str(one.message).split(":")[0] for one in said) == [
        "model.text is unpinned",
        "model.text is unpinned",
    ]


def test_a_tokenizer_of_another_tower_is_refused(hub: LoopbackHub, tmp_path: Path) -> None:
    text, _ = publish(hub, "texts/other", 16)
    arguments = text.arch_args | {"vocabulary": 8}
    with_text(replace(text, arch_args=arguments), tmp_path / "model")
    with pytest.raises(
        WeightsMismatch, match=r"do not fit siglip_text; .* token_embedding.weight is \(12, 16\) and must"
    ):
        omlzoo.get_text_model(tmp_path / "model")


def test_without_a_text_tower_those_that_have_one_are_named() -> None:
    with pytest.raises(BadInput, match=r"vits16_dino has no text tower; those that have: .*siglip_vitb16_224"):
        omlzoo.get_text_model("vits16_dino")


def test_a_model_keeps_its_tower_until_its_weights_change(hub: LoopbackHub, tmp_path: Path) -> None:
    text, _ = publish(hub, "texts/kept", 16)
    model = with_text(text, tmp_path / "model")
    model.save(tmp_path / "copy")
    assert asdict(omlzoo.get_weights(tmp_path / "copy").entry)["text"] == asdict(text)
    with torch.no_grad():
        next(model.parameters()).add_(1)
    model.save(tmp_path / "trained")
    assert omlzoo.get_weights(tmp_path / "trained").entry.text is None


@pytest.mark.parametrize("pinned", [True, False])
@pytest.mark.filterwarnings("ignore::omlzoo.errors.OmlzooWarning")
def test_a_tower_is_carried_to_a_machine_without_network(
    hub: LoopbackHub, tmp_path: Path, pinned: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text, _ = publish(hub, f"texts/carried{pinned}", 16, pinned=pinned)
    with_text(text, tmp_path / "model")
    wanted = omlzoo.get_text_model(tmp_path / "model")(TEXTS)
    usb, fetch = str(tmp_path / "usb"), ["fetch", str(tmp_path / "model"), "--text"]
    assert main([*fetch, "--to", usb]) == 0
    assert sorted(Path(line).relative_to(usb).as_posix() for line in capsys.readouterr().out.splitlines()) == [
        "model", "model.text/model.safetensors", "model.text/tokenizer.json"
    ]  # fmt: skip
    hub.files.clear()
    for name in ("OMLZOO_HOME", "HF_HUB_CACHE", "HF_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "another machine" / name))
    tokenizer = tmp_path / "usb" / "model.text" / "tokenizer.json"
    content = tokenizer.read_bytes()
    tokenizer.unlink()
    assert main([*fetch, "--from", usb]) == 2
    assert "tokenizer.json is not there; `omlzoo fetch model --text --to" in capsys.readouterr().err
    tokenizer.write_bytes(content + b" ")
    assert main([*fetch, "--from", usb]) == (2 if pinned else 0)
    tokenizer.write_bytes(content)
    assert main([*fetch, "--from", usb]) == 0
    assert torch.equal(omlzoo.get_text_model(tmp_path / "model")(TEXTS), wanted)
    other, _ = publish(hub, f"texts/other{pinned}", 16, pinned=pinned)
    with_text(other, tmp_path / "elsewhere" / "model")  # another model of that name
    omlzoo.get_text_model(tmp_path / "elsewhere" / "model")
    assert pinned or any("texts/other" in asked and "tokenizer.json" in asked for asked in hub.requests), hub.requests
