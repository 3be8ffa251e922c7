"""The real Hub client against a server on loopback: right weights or one clear error, and nothing half-written."""

import os
import subprocess
import sys
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import constants
from loopback_hub import COMMIT, LoopbackHub
from references import random_vit
from safetensors.torch import load_file, save
from toys import toy, toy_entry

from omlzoo import hub as hub_room
from omlzoo import manifest
from omlzoo.errors import OmlzooWarning, WeightsMismatch, WeightsUnavailable
from omlzoo.manifest import Entry, Upstream
from omlzoo.weights import Weights

CONTENT = save({name: value.clone() for name, value in toy("resnet_toy").state_dict().items()})


@pytest.fixture
def entry(hub: LoopbackHub, request: pytest.FixtureRequest) -> Entry:
    """A pinned entry whose repository, new for each test, is on the loopback hub."""
    repo = f"zoo/test-{zlib.crc32(request.node.name.encode()):08x}"
    sha256 = hub.publish(repo, "model.safetensors", CONTENT)
    return toy_entry(repo=repo, file="model.safetensors", revision=COMMIT, sha256=sha256)


def cached(entry: Entry) -> list[Path]:
    folder = Path(constants.HF_HUB_CACHE) / f"models--{str(entry.repo).replace('/', '--')}"
    return [
        path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock" and "refs" not in path.parts
    ]


def child(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )


def test_a_file_is_fetched_once_and_then_needs_no_network(entry: Entry, hub: LoopbackHub) -> None:
    path = hub_room.fetch(entry)
    assert path.read_bytes() == CONTENT
    asked = len(hub.requests)
    assert asked
    assert hub_room.fetch(entry) == path
    assert len(hub.requests) == asked


def test_wrong_bytes_of_the_right_length_are_refused_and_removed(entry: Entry, hub: LoopbackHub) -> None:
    hub.faults["corrupt"] = True
    with pytest.raises(WeightsUnavailable, match=r"has sha256 .*, the entry says .*; the file was removed"):
        hub_room.fetch(entry)
    assert not cached(entry)
    hub.faults.clear()
    assert hub_room.fetch(entry).read_bytes() == CONTENT


def test_a_file_that_changes_in_the_cache_is_noticed(entry: Entry, hub: LoopbackHub) -> None:
    path = hub_room.fetch(entry)
    damaged = bytearray(CONTENT)
    damaged[-1] ^= 1
    path.resolve().write_bytes(damaged)
    with pytest.raises(WeightsUnavailable, match="has sha256"):
        hub_room.fetch(entry)
    assert hub_room.fetch(entry).read_bytes() == CONTENT


def test_an_entry_that_promises_another_file_is_refused(entry: Entry) -> None:
    with pytest.raises(WeightsUnavailable, match=r"the entry says 0{16}\.\.\."):
        hub_room.fetch(replace(entry, sha256="0" * 64))


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ((404, "RepoNotFound"), "has no repository .*, or it is private; check the name, or set HF_TOKEN"),
        ((404, "RevisionNotFound"), "no such revision"),
        ((404, "EntryNotFound"), "has no such file; check the entry's file"),
        ((403, "GatedRepo"), "is gated; accept its licence at .*, then log in"),
        ((401, "GatedRepo"), "is gated"),
        ((401, None), r"answered 401 \(not logged in\); try again later, or set HF_TOKEN|or it is private"),
        ((403, None), r"answered 403 \(forbidden\)"),
    ],
)
def test_a_refusal_says_what_to_do(entry: Entry, hub: LoopbackHub, fault: tuple[int, str | None], message: str) -> None:
    hub.faults["status"] = fault
    with pytest.raises(WeightsUnavailable, match=message) as caught:
        hub_room.fetch(entry)
    assert str(caught.value).startswith(f"{entry.name}: {entry.repo}@{COMMIT[:12]}/model.safetensors: ")
    assert not cached(entry)
    hub.faults.clear()
    assert hub_room.fetch(entry).read_bytes() == CONTENT


def test_the_next_call_succeeds_after_an_error_of_the_server(entry: Entry, hub: LoopbackHub) -> None:
    hub.faults["get_status"] = 500
    with pytest.raises(WeightsUnavailable, match="answered 500; try again later"):
        hub_room.fetch(entry)
    assert not cached(entry)
    hub.faults.clear()
    assert hub_room.fetch(entry).read_bytes() == CONTENT


@pytest.mark.parametrize("fault", [{"truncate": 1000}, {"truncate": 0}])
def test_a_body_that_breaks_off_leaves_nothing(entry: Entry, hub: LoopbackHub, fault: dict[str, Any]) -> None:
    hub.faults.update(fault)
    with pytest.raises(WeightsUnavailable, match="broke off|answered"):
        hub_room.fetch(entry)
    assert not cached(entry)


@pytest.mark.slow
@pytest.mark.parametrize("fault", [{"status": (503, None)}, {"stall": 5}])
def test_an_overloaded_or_slow_server_is_named(entry: Entry, hub: LoopbackHub, fault: dict[str, Any]) -> None:
    hub.faults.update(fault)  # the client tries again for half a minute
    with pytest.raises(WeightsUnavailable, match="answered 503|broke off"):
        hub_room.fetch(entry)
    assert not cached(entry)


def test_an_answer_without_a_hash_is_refused(entry: Entry, hub: LoopbackHub) -> None:
    hub.faults["no_etag"] = True
    with pytest.raises(WeightsUnavailable, match="not in the local cache"):
        hub_room.fetch(entry)


def test_an_unpinned_entry_is_verified_against_the_announced_hash_and_said(entry: Entry, hub: LoopbackHub) -> None:
    loose = replace(entry, revision=None, sha256=None)
    with pytest.warns(OmlzooWarning, match="is unpinned: its entry has no revision and sha256; .* the Hub announced"):
        assert hub_room.fetch(loose).read_bytes() == CONTENT
    hub.clear()


def test_an_unpinned_entry_with_wrong_bytes_is_refused(entry: Entry, hub: LoopbackHub) -> None:
    hub.faults["corrupt"] = True
    with pytest.warns(OmlzooWarning, match="unpinned"), pytest.raises(WeightsUnavailable, match="has sha256"):
        hub_room.fetch(replace(entry, sha256=None))
    assert not cached(entry)


def test_a_read_only_home_is_said_and_does_no_harm(
    entry: Entry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("OMLZOO_HOME", str(tmp_path / "file" / "below"))  # a file in the way: nothing can be written
    with pytest.warns(OmlzooWarning, match="so weights are hashed at every load; set OMLZOO_HOME"):
        assert hub_room.fetch(entry).read_bytes() == CONTENT


def test_offline_without_cache_says_so_at_once(hub: LoopbackHub) -> None:
    code = "import omlzoo\ntry: omlzoo.vits16_dino()\nexcept OSError as error: print(error)"
    found = child(code, HF_HUB_OFFLINE="1")
    assert "vits16_dino: timm/vit_small_patch16_224.dino@main/model.safetensors" in found.stdout
    assert "HF_HUB_OFFLINE is set" in found.stdout
    assert not hub.requests


def test_offline_with_cache_works(entry: Entry, hub: LoopbackHub) -> None:
    path = hub_room.fetch(entry)
    code = f"from omlzoo import hub, manifest; import pathlib; entry = manifest.read(pathlib.Path({str(path.parent / 'e.json')!r}))"
    (path.parent / "e.json").write_text(manifest.dump(entry))
    found = child(code + "\nprint(hub.fetch(entry))", HF_HUB_OFFLINE="1")
    assert found.stdout.strip() == str(path), found.stderr


# -- the authors' own file ------------------------------------------------------------------------------------------


@pytest.fixture
def upstream(hub: LoopbackHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Entry]:
    """Serve a ``.pth`` and return an entry that names it."""
    monkeypatch.setenv("OMLZOO_HOME", str(tmp_path / "home"))

    def serve(raw: object, hash_: str | None = "right", layout: str = "oml_vit") -> Entry:
        torch.save(raw, tmp_path / "raw.pth")
        content = (tmp_path / "raw.pth").read_bytes()
        url = hub.serve("vits16_test.ckpt", content)
        if hash_ == "right":
            import hashlib

            hash_ = f"md5:{hashlib.md5(content).hexdigest()[:6]}"
        return toy_entry("vit_toy", upstream=Upstream(url, hash_, layout))

    return serve


VIT = random_vit(16, 2, 8, 4, seed=1)
OML = {
    "state_dict": {f"extractor.model.{key}": value for key, value in VIT.items()} | {"criterion.weight": torch.ones(1)}
}


def test_the_authors_file_is_converted_once(upstream: Callable[..., Entry], hub: LoopbackHub) -> None:
    entry = upstream(OML)
    path = hub_room.fetch(entry)
    assert path.suffix == ".safetensors"
    assert all(torch.equal(load_file(path)[key], VIT[key]) for key in VIT)
    assert sorted(p.name for p in path.parent.iterdir()) == ["entry.json", "model.safetensors"]
    asked = len(hub.requests)
    assert hub_room.fetch(entry) == path
    assert len(hub.requests) == asked
    assert Weights(entry).fetch() == path


def test_a_file_of_another_hash_is_refused_and_removed(upstream: Callable[..., Entry], tmp_path: Path) -> None:
    entry = upstream(OML, hash_="md5:000000")
    with pytest.raises(WeightsUnavailable, match=r"has md5 .*, published is 000000; the download was removed"):
        hub_room.fetch(entry)
    assert not [path for path in (tmp_path / "home").rglob("*") if path.is_file()]


def test_a_file_without_a_published_hash_is_said(upstream: Callable[..., Entry]) -> None:
    with pytest.warns(OmlzooWarning, match="is unpinned: nobody published a hash"):
        hub_room.fetch(upstream(OML, hash_=None))


class Payload:
    """What a malicious pickle would run."""

    def __reduce__(self) -> tuple[Callable[..., None], tuple[str]]:
        return os.system, ("touch payload_ran",)


def test_a_pickle_is_never_run(upstream: Callable[..., Entry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        WeightsMismatch, match="no checkpoint of plain tensors, and other pickled objects are not loaded"
    ):
        hub_room.fetch(upstream({"state_dict": Payload()}))
    assert not (tmp_path / "payload_ran").exists()


def test_a_web_page_is_no_checkpoint(upstream: Callable[..., Entry], hub: LoopbackHub) -> None:
    entry = upstream(OML)
    hub.serve("vits16_test.ckpt", b"<html>moved</html>")
    with pytest.raises(WeightsUnavailable, match="has md5"):
        hub_room.fetch(entry)
    with pytest.warns(OmlzooWarning, match="unpinned"), pytest.raises(WeightsMismatch, match="no checkpoint"):
        hub_room.fetch(replace(entry, upstream=replace(entry.upstream, hash=None)))


@pytest.mark.parametrize("fault", [{"get_status": 404}, {"truncate": 100}, {"stall": 3}])
def test_a_broken_download_leaves_nothing_and_the_next_works(
    upstream: Callable[..., Entry], hub: LoopbackHub, tmp_path: Path, fault: dict[str, Any]
) -> None:
    entry = upstream(OML)
    hub.faults.update(fault)
    with pytest.raises(WeightsUnavailable, match="answered 404|could not be downloaded"):
        hub_room.fetch(entry)
    assert not [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    hub.faults.clear()
    assert hub_room.fetch(entry).is_file()


def test_a_damaged_conversion_is_noticed(upstream: Callable[..., Entry]) -> None:
    entry = upstream(OML)
    path = hub_room.fetch(entry)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsUnavailable, match=r"remove .* and fetch again"):
        hub_room.fetch(entry)


# -- our own forms --------------------------------------------------------------------------------------------------


def test_a_repository_with_our_files_is_an_entry(hub: LoopbackHub) -> None:
    sha256 = hub.publish("me/shoes", "model.safetensors", CONTENT)
    entry = toy_entry(name="shoes", file="model.safetensors", sha256=sha256)
    hub.publish("me/shoes", "entry.json", manifest.dump(entry).encode())
    found = hub_room.fetch_entry("me/shoes")
    assert (found.repo, found.revision, found.sha256) == ("me/shoes", COMMIT, sha256)
    assert hub_room.fetch(found).read_bytes() == CONTENT


def test_an_entry_without_any_source_is_refused() -> None:
    with pytest.raises(WeightsUnavailable, match="names no repository, upstream file or bundled file"):
        hub_room.fetch(toy_entry())
    with pytest.raises(WeightsUnavailable, match="is missing; install omlzoo again"):
        hub_room.fetch(toy_entry(file="gone.safetensors"))
