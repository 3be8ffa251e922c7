"""The real Hub client against a server on loopback: right weights or one clear error, and nothing half-written."""

import os
import subprocess
import sys
import time
import warnings
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import constants
from loopback_hub import COMMIT, LoopbackHub
from references import random_vit
from safetensors.torch import load_file, save
from toys import toy, toy_entry

from omlzoo.checkpoints import cache as store
from omlzoo.checkpoints.entry import Entry, dump_entry
from omlzoo.checkpoints.fetch import fetch_entry, fetch_weights, install_weights, present
from omlzoo.checkpoints.folder import copy_folder
from omlzoo.checkpoints.sources import Upstream
from omlzoo.checkpoints.weights import Weights
from omlzoo.errors import OmlzooWarning, WeightsMismatch, WeightsUnavailable


@cache
def content() -> bytes:
    """The file that the loopback hub serves; made at the first call, since building a model imports torchvision."""
    return save({name: value.clone() for name, value in toy("resnet_toy").state_dict().items()})


@pytest.fixture
def entry(hub: LoopbackHub, request: pytest.FixtureRequest) -> Entry:
    """A pinned entry whose repository, new for each test, is on the loopback hub."""
    repo = f"zoo/test-{zlib.crc32(request.node.name.encode()):08x}"
    sha256 = hub.publish(repo, "model.safetensors", content())
    return toy_entry(repo=repo, file="model.safetensors", revision=COMMIT, sha256=sha256)


def cached(entry: Entry) -> list[Path]:
    folder = Path(constants.HF_HUB_CACHE) / f"models--{str(entry.repo).replace('/', '--')}"
    return [
        path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock" and "refs" not in path.parts
    ]


def left(folder: Path) -> list[Path]:
    """Files in our own cache but for locks, which are empty."""
    return [path for path in (folder / "home").rglob("*") if path.is_file() and path.suffix != ".lock"]


def child(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )


def test_a_file_is_fetched_once_and_then_needs_no_network(entry: Entry, hub: LoopbackHub) -> None:
    path = fetch_weights(entry)
    assert path.read_bytes() == content()
    asked = len(hub.requests)
    assert asked
    assert fetch_weights(entry) == path
    assert len(hub.requests) == asked


def test_wrong_bytes_of_the_right_length_are_refused_and_removed(entry: Entry, hub: LoopbackHub) -> None:
    hub.faults["corrupt"] = True
    with pytest.raises(WeightsUnavailable, match=r"has sha256 .*, the entry says .*; the file was removed"):
        fetch_weights(entry)
    assert not cached(entry)
    hub.faults.clear()
    assert fetch_weights(entry).read_bytes() == content()


def test_a_file_that_changes_in_the_cache_is_noticed(entry: Entry, hub: LoopbackHub) -> None:
    path = fetch_weights(entry)
    damaged = bytearray(content())
    damaged[-1] ^= 1
    path.resolve().write_bytes(damaged)
    with pytest.raises(WeightsUnavailable, match="has sha256"):
        fetch_weights(entry)
    assert fetch_weights(entry).read_bytes() == content()


def test_an_entry_that_promises_another_file_is_refused(entry: Entry) -> None:
    with pytest.raises(WeightsUnavailable, match=r"the entry says 0{16}\.\.\."):
        fetch_weights(replace(entry, sha256="0" * 64))


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
        fetch_weights(entry)
    assert str(caught.value).startswith(f"{entry.name}: {entry.repo}@{COMMIT[:12]}/model.safetensors: ")
    assert not cached(entry)
    hub.faults.clear()
    assert fetch_weights(entry).read_bytes() == content()


def test_the_next_call_succeeds_after_an_error_of_the_server(entry: Entry, hub: LoopbackHub) -> None:
    hub.faults["get_status"] = 500
    with pytest.raises(WeightsUnavailable, match="answered 500; try again later"):
        fetch_weights(entry)
    assert not cached(entry)
    hub.faults.clear()
    assert fetch_weights(entry).read_bytes() == content()


@pytest.mark.parametrize("fault", [{"truncate": 1000}, {"truncate": 0}])
def test_a_body_that_breaks_off_leaves_nothing(entry: Entry, hub: LoopbackHub, fault: dict[str, Any]) -> None:
    hub.faults.update(fault)
    with pytest.raises(WeightsUnavailable, match="broke off|answered"):
        fetch_weights(entry)
    assert not cached(entry)


@pytest.mark.slow
@pytest.mark.parametrize("fault", [{"status": (503, None)}, {"stall": 5}])
def test_an_overloaded_or_slow_server_is_named(entry: Entry, hub: LoopbackHub, fault: dict[str, Any]) -> None:
    hub.faults.update(fault)  # the client tries again for half a minute
    with pytest.raises(WeightsUnavailable, match="answered 503|broke off"):
        fetch_weights(entry)
    assert not cached(entry)


def test_an_answer_without_a_hash_is_refused(entry: Entry, hub: LoopbackHub) -> None:
    hub.faults["no_etag"] = True
    with pytest.raises(WeightsUnavailable, match="not in the local cache"):
        fetch_weights(entry)


def test_an_unpinned_entry_is_verified_against_the_announced_hash_and_said(entry: Entry, hub: LoopbackHub) -> None:
    loose = replace(entry, revision=None, sha256=None)
    with pytest.warns(OmlzooWarning, match="is unpinned: its entry has no revision and sha256; .* the Hub announced"):
        assert fetch_weights(loose).read_bytes() == content()
    hub.clear()


def test_an_unpinned_entry_with_wrong_bytes_is_refused(entry: Entry, hub: LoopbackHub) -> None:
    hub.faults["corrupt"] = True
    with pytest.warns(OmlzooWarning, match="unpinned"), pytest.raises(WeightsUnavailable, match="has sha256"):
        fetch_weights(replace(entry, sha256=None))
    assert not cached(entry)


def test_a_pin_of_one_source_gives_way_to_the_hub_and_another_does_not(entry: Entry, hub: LoopbackHub) -> None:
    wrong = replace(entry, sha256="a" * 64, pin="one source")
    with pytest.warns(OmlzooWarning, match=r"the Hub announces sha256 .* the entry says aaaa.*, which one source only"):
        assert fetch_weights(wrong).read_bytes() == content()
    assert present(wrong)[1] == entry.sha256  # what the file has, not what the entry says
    for pin in ("two sources", "publisher", "measured", None):
        with pytest.raises(WeightsUnavailable, match="has sha256 .*, the entry says aaaa"):
            fetch_weights(replace(wrong, pin=pin))
    hub.faults["corrupt"] = True
    with pytest.warns(OmlzooWarning, match="one source"), pytest.raises(WeightsUnavailable, match="has sha256"):
        fetch_weights(wrong)
    assert not cached(entry)


def test_a_read_only_home_is_said_and_does_no_harm(
    entry: Entry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("OMLZOO_HOME", str(tmp_path / "file" / "below"))  # a file in the way: nothing can be written
    with pytest.warns(OmlzooWarning, match="so weights are hashed at every load; set OMLZOO_HOME"):
        assert fetch_weights(entry).read_bytes() == content()


def test_offline_without_cache_says_so_at_once(hub: LoopbackHub) -> None:
    code = "import omlzoo\ntry: omlzoo.vits16_dino()\nexcept OSError as error: print(error)"
    found = child(code, HF_HUB_OFFLINE="1")
    assert "vits16_dino: none of its 2 sources served: timm/vit_small_patch16_224.dino@main/" in found.stdout
    assert "HF_HUB_OFFLINE is set" in found.stdout
    assert not hub.requests


def test_offline_with_cache_works(entry: Entry, hub: LoopbackHub) -> None:
    path = fetch_weights(entry)
    code = f"from omlzoo.checkpoints.entry import read_entry; from omlzoo.checkpoints.fetch import fetch_weights; import pathlib; entry = read_entry(pathlib.Path({str(path.parent / 'e.json')!r}))"
    (path.parent / "e.json").write_text(dump_entry(entry))
    found = child(code + "\nprint(fetch_weights(entry))", HF_HUB_OFFLINE="1")
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
    path = fetch_weights(entry)
    assert path.suffix == ".safetensors"
    assert all(torch.equal(load_file(path)[key], VIT[key]) for key in VIT)
    assert sorted(p.name for p in path.parent.iterdir()) == ["entry.json", "model.safetensors"]
    asked = len(hub.requests)
    assert fetch_weights(entry) == path
    assert len(hub.requests) == asked
    assert Weights(entry).fetch() == path


def test_a_file_of_another_hash_is_refused_and_removed(upstream: Callable[..., Entry], tmp_path: Path) -> None:
    entry = upstream(OML, hash_="md5:000000")
    with pytest.raises(WeightsUnavailable, match=r"has md5 .*, published is 000000; the download was removed"):
        fetch_weights(entry)
    assert not left(tmp_path)


def test_a_file_without_a_published_hash_is_said(upstream: Callable[..., Entry]) -> None:
    with pytest.warns(OmlzooWarning, match="is unpinned: nobody published a hash"):
        fetch_weights(upstream(OML, hash_=None))


class Payload:
    """What a malicious pickle would run."""

    def __reduce__(self) -> tuple[Callable[..., None], tuple[str]]:
        return os.system, ("touch payload_ran",)


def test_a_pickle_is_never_run(upstream: Callable[..., Entry], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        WeightsMismatch, match="no checkpoint of plain tensors, and other pickled objects are not loaded"
    ):
        fetch_weights(upstream({"state_dict": Payload()}))
    assert not (tmp_path / "payload_ran").exists()


def test_a_web_page_is_no_checkpoint(upstream: Callable[..., Entry], hub: LoopbackHub) -> None:
    entry = upstream(OML)
    hub.serve("vits16_test.ckpt", b"<html>moved</html>")
    with pytest.raises(WeightsUnavailable, match="has md5"):
        fetch_weights(entry)
    with pytest.warns(OmlzooWarning, match="unpinned"), pytest.raises(WeightsMismatch, match="no checkpoint"):
        fetch_weights(replace(entry, upstream=replace(entry.upstream, hash=None)))


@pytest.mark.parametrize("fault", [{"get_status": 404}, {"truncate": 100}, {"stall": 3}])
def test_a_broken_download_leaves_nothing_and_the_next_works(
    upstream: Callable[..., Entry], hub: LoopbackHub, tmp_path: Path, fault: dict[str, Any]
) -> None:
    entry = upstream(OML)
    hub.faults.update(fault)
    with pytest.raises(WeightsUnavailable, match="answered 404|could not be downloaded"):
        fetch_weights(entry)
    assert not left(tmp_path)
    hub.faults.clear()
    assert fetch_weights(entry).is_file()


def test_a_damaged_conversion_is_noticed(upstream: Callable[..., Entry]) -> None:
    entry = upstream(OML)
    path = fetch_weights(entry)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsUnavailable, match="the file was removed; fetch again"):
        fetch_weights(entry)


# -- our own forms --------------------------------------------------------------------------------------------------


def test_a_repository_with_our_files_is_an_entry(hub: LoopbackHub) -> None:
    sha256 = hub.publish("me/shoes", "model.safetensors", content())
    entry = toy_entry(name="shoes", file="model.safetensors", sha256=sha256)
    hub.publish("me/shoes", "entry.json", dump_entry(entry).encode())
    found = fetch_entry("me/shoes")
    assert (found.repo, found.revision, found.sha256) == ("me/shoes", COMMIT, sha256)
    assert fetch_weights(found).read_bytes() == content()


def test_an_entry_without_any_source_is_refused() -> None:
    with pytest.raises(WeightsUnavailable, match="names no repository, upstream file or bundled file"):
        fetch_weights(toy_entry())
    with pytest.raises(WeightsUnavailable, match="is missing; install omlzoo again"):
        fetch_weights(toy_entry(file="gone.safetensors"))


# -- the order of sources ---------------------------------------------------------------------------------------------


@pytest.fixture
def own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("OMLZOO_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_a_mirror_serves_where_the_hub_does_not_and_it_is_said(entry: Entry, hub: LoopbackHub, own_home: Path) -> None:
    url = hub.serve("mirror/model.safetensors", content())
    mirrored = replace(entry, repo="zoo/gone", mirrors=(f"{hub.url}/plain/nothing", url))
    with pytest.warns(OmlzooWarning) as said:
        path = fetch_weights(mirrored)
    assert path.read_bytes() == content()
    assert [str(warning.message).endswith("Another source served") for warning in said] == [True, True]
    asked = len(hub.requests)
    assert fetch_weights(mirrored) == path  # kept in our folder: nobody is asked again
    assert len(hub.requests) == asked


def test_a_mirror_with_other_bytes_is_refused_and_the_next_asked(
    entry: Entry, hub: LoopbackHub, own_home: Path
) -> None:
    bad = hub.serve("bad/model.safetensors", content()[:-1] + b"x")
    good = hub.serve("good/model.safetensors", content())
    with pytest.warns(OmlzooWarning, match="the download was removed; use another mirror"):
        path = fetch_weights(replace(entry, repo=None, file=None, revision=None, mirrors=(bad, good)))
    assert path.read_bytes() == content()


def test_where_no_source_serves_each_refusal_is_told(entry: Entry, hub: LoopbackHub, own_home: Path) -> None:
    lost = replace(entry, repo="zoo/gone", mirrors=(f"{hub.url}/plain/a", f"{hub.url}/plain/b"))
    with pytest.raises(
        WeightsUnavailable, match="none of its 3 sources served: zoo/gone.*; .*plain/a answered 404.*; .*plain/b"
    ):
        fetch_weights(lost)
    assert not left(own_home.parent)


def test_the_authors_file_serves_where_the_hub_does_not(upstream: Callable[..., Entry], hub: LoopbackHub) -> None:
    entry = replace(upstream(OML), repo="zoo/gone", file="model.safetensors", sha256="a" * 64, layout="timm_vit")
    with pytest.warns(OmlzooWarning, match="Another source served"):
        path = fetch_weights(entry)
    asked = len(hub.requests)
    assert fetch_weights(entry) == path
    assert len(hub.requests) == asked


def test_a_wrong_etag_does_no_harm(entry: Entry, hub: LoopbackHub) -> None:
    hub.faults["etag"] = "b" * 64
    assert fetch_weights(entry).read_bytes() == content()  # the entry's sha256 decides
    hub.faults.clear()


def test_an_unpinned_file_under_a_wrong_etag_is_refused(entry: Entry, hub: LoopbackHub) -> None:
    hub.faults["etag"] = "b" * 64
    with pytest.warns(OmlzooWarning, match="unpinned"), pytest.raises(WeightsUnavailable, match="has sha256"):
        fetch_weights(replace(entry, sha256=None))
    assert not cached(entry)


# -- carrying weights to a machine without network ---------------------------------------------------------------------


@pytest.mark.parametrize("pinned", [True, False])
def test_a_bundle_is_written_and_taken(
    entry: Entry, own_home: Path, tmp_path: Path, pinned: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = entry if pinned else replace(entry, sha256=None, revision=None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OmlzooWarning)
        path = fetch_weights(wanted)
    copy_folder(path, store.kept(wanted) or wanted, tmp_path / "usb" / entry.name)
    monkeypatch.setenv("OMLZOO_HOME", str(tmp_path / "another machine"))
    installed = install_weights(wanted, tmp_path / "usb")
    assert installed.read_bytes() == content()
    assert fetch_weights(wanted) == installed


def test_a_damaged_or_foreign_bundle_is_refused(entry: Entry, own_home: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsUnavailable, match="has no model.safetensors; write it with"):
        install_weights(entry, tmp_path / "usb")
    copy_folder(fetch_weights(entry), entry, tmp_path / "usb" / entry.name)
    with pytest.raises(WeightsUnavailable, match="holds other weights than the entry promises"):
        install_weights(replace(entry, sha256="0" * 64), tmp_path / "usb")
    file = tmp_path / "usb" / entry.name / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(WeightsUnavailable, match="copy the bundle again"):
        install_weights(entry, tmp_path / "usb")
    assert not (own_home / "weights").exists()


# -- several processes, and killed ones ---------------------------------------------------------------------------------

FETCH = """
import pathlib, sys
from omlzoo.checkpoints.entry import read_entry
from omlzoo.checkpoints.fetch import fetch_weights
print(fetch_weights(read_entry(pathlib.Path(sys.argv[1]))))
"""


def start(entry: Entry, folder: Path) -> "subprocess.Popen[str]":
    (folder / "entry.json").write_text(dump_entry(entry))
    return subprocess.Popen(
        [sys.executable, "-c", FETCH, str(folder / "entry.json")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("kind", ["hub", "authors"])
def test_two_processes_fetch_the_same_file_at_once(
    kind: str, entry: Entry, upstream: Callable[..., Entry], hub: LoopbackHub, tmp_path: Path
) -> None:
    wanted = entry if kind == "hub" else upstream(OML)
    both = [start(wanted, tmp_path) for _ in range(2)]
    told = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    assert told[0][0] == told[1][0]
    assert len([line for line in hub.requests if line.endswith(".ckpt")]) == (kind == "authors")


@pytest.mark.parametrize("kind", ["hub", "authors"])
def test_after_a_killed_download_the_next_call_succeeds(
    kind: str, entry: Entry, upstream: Callable[..., Entry], hub: LoopbackHub, tmp_path: Path
) -> None:
    wanted = entry if kind == "hub" else upstream(OML)
    hub.faults["stall"] = 1.5
    process = start(wanted, tmp_path)
    deadline = time.monotonic() + 30
    while not any(line.startswith("GET") for line in hub.requests) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.communicate()
    hub.faults.clear()
    path = fetch_weights(wanted)
    assert path.is_file()
    assert not [file for file in left(tmp_path) if ".download." in str(file)]


REFUSED = """
import resource, signal, sys
from pathlib import Path
from omlzoo.checkpoints.entry import read_entry
from omlzoo.checkpoints.fetch import fetch_weights
if len(sys.argv) > 2:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
try:
    print(fetch_weights(read_entry(Path(sys.argv[1]))))
except OSError as error:
    print(type(error).__name__, error)
"""


@pytest.mark.parametrize("place", ["read-only", "full"])
def test_a_cache_of_the_client_that_cannot_be_written_is_one_clear_error(
    place: str, entry: Entry, hub: LoopbackHub, tmp_path: Path
) -> None:
    (tmp_path / "entry.json").write_text(dump_entry(entry))
    (tmp_path / "file").touch()
    cache = tmp_path / "file" / "below" if place == "read-only" else tmp_path / "cache"
    limit = ["20000"] if place == "full" else []  # the largest file the process may write: what a full disk does
    environment = {**os.environ, "HF_HUB_CACHE": str(cache), "OMLZOO_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-c", REFUSED, str(tmp_path / "entry.json")]
    found = subprocess.run([*command, *limit], capture_output=True, text=True, check=False, env=environment)
    assert found.stdout.startswith(f"WeightsUnavailable {entry.name}: "), found.stdout + found.stderr
    assert "Traceback" not in found.stderr
    assert len(found.stdout.splitlines()) == 1
    assert not [
        path
        for path in tmp_path.rglob("*")
        if path.is_file() and path.stat().st_size > 1000 and path.name != "entry.json"
    ]
    (tmp_path / "file").unlink()
    found = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert Path(found.stdout.strip()).read_bytes() == content(), found.stderr
