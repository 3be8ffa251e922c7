"""Our own folder: what serves an entry, one process at a time, nothing left behind, NaN seen."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from toys import toy_entry

import omlzoo
from omlzoo.checkpoints import cache
from omlzoo.checkpoints.folder import ENTRY, save_folder
from omlzoo.checkpoints.sources import Upstream
from omlzoo.errors import BadEntry, WeightsMismatch, WeightsUnavailable
from omlzoo.files import file_digest

HUB = {"repo": "o/n", "file": "model.safetensors"}
UPSTREAM = Upstream("https://example.org/x.pth", "md5:abcdef", "timm_vit")


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("OMLZOO_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize(
    ("local", "entry", "serves"),
    [
        ({"sha256": "a" * 64}, {"sha256": "a" * 64}, True),  # the promised bytes
        ({"sha256": "b" * 64}, {"sha256": "a" * 64}, False),
        ({"sha256": "b" * 64, **HUB}, {"sha256": None, **HUB}, True),  # nothing is promised
        ({"sha256": "b" * 64, **HUB, "repo": "o/m"}, {"sha256": None, **HUB}, False),
        ({"sha256": "b" * 64, "upstream": UPSTREAM}, {"sha256": "a" * 64, **HUB, "upstream": UPSTREAM}, True),
        ({"sha256": "b" * 64, "upstream": replace(UPSTREAM, hash=None)}, {"upstream": UPSTREAM}, False),
        ({"sha256": "b" * 64, "upstream": replace(UPSTREAM, hash="md5:abcdef0123")}, {"upstream": UPSTREAM}, True),
        ({"sha256": "b" * 64, "upstream": replace(UPSTREAM, hash="md5:abcde0")}, {"upstream": UPSTREAM}, False),
        ({"sha256": "b" * 64, **HUB}, {"sha256": "a" * 64, "pin": "one source", **HUB}, True),
        ({"sha256": "b" * 64, **HUB}, {"sha256": "a" * 64, "pin": "two sources", **HUB}, False),
        ({"sha256": None, "upstream": UPSTREAM}, {"upstream": UPSTREAM}, False),  # bytes that nobody can check
        ({"sha256": "a" * 64, "name": "other"}, {"sha256": "a" * 64}, False),
    ],
)
def test_what_serves_an_entry(local: dict[str, object], entry: dict[str, object], serves: bool) -> None:
    assert cache.serves(toy_entry(**local), toy_entry(**entry)) is serves


def test_a_damaged_entry_in_our_folder_counts_as_none(home: Path) -> None:
    entry = toy_entry("vit_toy", upstream=UPSTREAM)
    save_folder({"x": torch.ones(2)}, entry, cache.folder(entry.name))
    assert cache.kept(entry) is not None
    (cache.folder(entry.name) / ENTRY).write_text("{}")
    assert cache.kept(entry) is None


def test_scratch_is_gone_and_no_empty_folder_stays(home: Path) -> None:
    with pytest.raises(KeyError), cache.work("x") as scratch:
        (scratch / "half").write_bytes(b"1")
        raise KeyError
    assert not cache.folder("x").exists()


def test_what_a_killed_process_left_is_removed_and_its_lock_is_free(home: Path) -> None:
    code = "from omlzoo.checkpoints import cache; import time\nwith cache.work('x') as s: (s / 'half').write_bytes(b'1'); print('in', flush=True); time.sleep(60)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=os.environ.copy())
    assert process.stdout is not None
    assert process.stdout.readline() == b"in\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert list(home.rglob("half"))
    start = time.monotonic()
    with cache.work("x"):
        assert not list(home.rglob("half"))
    assert time.monotonic() - start < 5


def test_a_home_that_cannot_be_written_is_one_clear_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("OMLZOO_HOME", str(tmp_path / "file" / "below"))
    with (
        pytest.raises(WeightsUnavailable, match="x: .* cannot be written .*; free space there, or set OMLZOO_HOME"),
        cache.work("x"),
    ):
        pass


def test_a_full_disk_while_writing_is_one_clear_error(tmp_path: Path) -> None:
    with (
        pytest.raises(WeightsUnavailable, match="No space left on device"),
        cache.work("x"),
        Path("/dev/full").open("w", buffering=1) as file,
    ):
        file.write("x\n")


def test_weights_with_nan_are_refused_though_their_hash_is_right(tmp_path: Path) -> None:
    save_file({"a": torch.ones(3), "b": torch.tensor([1.0, float("nan"), float("inf")])}, tmp_path / "x.safetensors")
    sha256 = file_digest(tmp_path / "x.safetensors")
    with pytest.raises(WeightsMismatch, match="2 values of b are NaN or infinite"):
        cache.verify(tmp_path / "x.safetensors", sha256, "x", remedy="")


def test_a_verified_file_is_hashed_again_only_when_asked_or_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.safetensors"
    save_file({"a": torch.ones(3)}, path)
    sha256 = file_digest(path)
    hashed = []
    digest = file_digest
    monkeypatch.setattr(cache, "file_digest", lambda p: hashed.append(p) or digest(p))
    cache.verify(path, sha256, "x", remedy="")
    cache.verify(path, sha256, "x", remedy="")
    assert len(hashed) == 1
    cache.verify(path, sha256, "x", remedy="", afresh=True)
    os.utime(path, (1, 1))
    cache.verify(path, sha256, "x", remedy="")
    assert len(hashed) == 3


def test_what_is_no_file_or_has_another_size_is_refused_before_it_is_read(tmp_path: Path) -> None:
    """A link to /dev/zero has no end, and a pipe does not even open."""
    path = tmp_path / "model.safetensors"
    os.mkfifo(path)
    with pytest.raises(WeightsUnavailable, match="is a pipe; give a regular file; fetch it again"):
        cache.verify(path, "a" * 64, "x", "fetch it again")
    path.unlink()
    path.symlink_to("/dev/zero")
    with pytest.raises(WeightsUnavailable, match="is a device"):
        cache.verify(path, "a" * 64, "x", "fetch it again")
    path.unlink()
    with pytest.raises(WeightsUnavailable, match="cannot be read"):
        cache.verify(path, "a" * 64, "x", "fetch it again")
    with path.open("wb") as file:
        file.truncate(10**13)  # ten terabytes that take no room; to hash them would take hours
    with pytest.raises(WeightsUnavailable, match="has 10000000000000 bytes, the entry says 5"):
        cache.verify(path, "a" * 64, "x", "fetch it again", size=5)


def test_a_run_folder_whose_weights_are_a_device_does_not_open(tmp_path: Path) -> None:
    save_folder({"x": torch.ones(1)}, toy_entry(), tmp_path)
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "model.safetensors").symlink_to("/dev/zero")
    with pytest.raises(WeightsUnavailable, match="is a device"):
        omlzoo.get_model(tmp_path)
    (tmp_path / "entry.json").unlink()
    os.mkfifo(tmp_path / "entry.json")
    with pytest.raises(BadEntry, match="is a pipe"):
        omlzoo.get_model(tmp_path)
