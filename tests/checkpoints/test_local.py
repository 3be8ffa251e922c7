"""The doctor: what is here, what is broken, what applies."""

from pathlib import Path

import pytest
import torch
from loopback_hub import LoopbackHub
from safetensors.torch import save
from toys import toy_entry

from omlzoo.checkpoints import cache, local, manifest
from omlzoo.checkpoints.fetch import fetch_weights, present
from omlzoo.checkpoints.folder import save_folder


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("OMLZOO_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def of(name: str, check: bool = False) -> local.State:
    return next(state for state in local.states(check) if state.name == name)


def test_the_bundled_checkpoint_is_here_and_whole() -> None:
    state = of("resnet_small_omniglot", check=True)
    assert state.path is not None
    assert state.path.is_file()
    assert (state.pinned, state.problem) == (True, None)
    assert of("vits16_dino").path is None
    assert len(local.states()) == len(manifest.names())


def test_a_kept_file_is_found_and_damage_is_seen_when_asked() -> None:
    entry = manifest.find("vits16_sop")
    save_folder({"x": torch.ones(4)}, entry, cache.folder(entry.name))
    assert of("vits16_sop").path == cache.folder("vits16_sop") / "model.safetensors"
    path = cache.folder("vits16_sop") / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert of("vits16_sop").problem is None  # nobody looked inside
    assert "has sha256" in str(of("vits16_sop", check=True).problem)


def test_a_file_in_the_hub_clients_cache_is_found(hub: LoopbackHub) -> None:
    content = save({"x": torch.ones(3)})
    sha256 = hub.publish("zoo/doctor", "model.safetensors", content)
    entry = toy_entry(repo="zoo/doctor", file="model.safetensors", sha256=sha256, revision="a" * 40)
    assert present(entry) == (None, sha256)
    path = fetch_weights(entry)
    assert present(entry) == (path, sha256)


def test_leftovers_of_killed_downloads_are_listed(home: Path) -> None:
    (home / "weights" / "x" / ".download.abc").mkdir(parents=True)
    ours = [path for path in local.leftovers() if path.is_relative_to(home)]  # other tests share the client's cache
    assert ours == [home / "weights" / "x" / ".download.abc"]


def test_settings_are_told_and_the_token_is_not(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    facts = local.environment()
    assert facts["HF_TOKEN"] == "set"
    assert "secret" not in str(facts)
    assert str(home) in facts["own folder"]
    assert "writable" in facts["own folder"]
    assert facts["HF_ENDPOINT in effect"].startswith("http://127.0.0.1")
    assert {"torch", "timm", "huggingface-hub"} <= facts.keys()
