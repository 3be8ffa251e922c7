"""Downloads and uploads by the real clients against a server on loopback."""

import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import constants
from loopback_hub import LoopbackHub

from omlzoo.checkpoints import hub as room
from omlzoo.errors import WeightsUnavailable

CONTENT = bytes(range(256)) * 4000  # 1 MB


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_body_that_is_cut_is_continued_where_it_broke_off(hub: LoopbackHub, tmp_path: Path, share: float) -> None:
    url = hub.serve("x.pth", CONTENT)
    hub.faults["cuts"] = [int(share * len(CONTENT))]
    room.download_url(url, tmp_path / "x", "x", progress=False)
    assert (tmp_path / "x").read_bytes() == CONTENT
    assert len(hub.requests) == 2


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_the_hubs_client_continues_too(hub: LoopbackHub, share: float) -> None:
    hub.publish(f"zoo/cut{int(share * 100)}", "x.safetensors", CONTENT)
    hub.faults["cuts"] = [int(share * len(CONTENT))]
    path = room.download(f"zoo/cut{int(share * 100)}", "x.safetensors", None, "x", progress=False)
    assert path.read_bytes() == CONTENT


def test_a_server_that_cannot_continue_is_asked_for_all_again(hub: LoopbackHub, tmp_path: Path) -> None:
    url = hub.serve("x.pth", CONTENT)
    (tmp_path / "x").write_bytes(b"")
    hub.faults["cuts"] = [1000, 500, 70_000]
    room.download_url(url, tmp_path / "x", "x", progress=False)
    assert (tmp_path / "x").read_bytes() == CONTENT


@pytest.mark.parametrize("codes", [[429], [500], [503, 502]])
def test_a_busy_server_is_asked_again(hub: LoopbackHub, tmp_path: Path, codes: list[int]) -> None:
    url = hub.serve("x.pth", CONTENT)
    hub.faults["busy"] = list(codes)
    room.download_url(url, tmp_path / "x", "x", progress=False)
    assert (tmp_path / "x").read_bytes() == CONTENT
    assert len(hub.requests) == len(codes) + 1


@pytest.mark.parametrize("codes", [[429], [503]])
def test_the_hubs_client_asks_a_busy_server_again(hub: LoopbackHub, codes: list[int]) -> None:
    hub.publish(f"zoo/busy{codes[0]}", "x.safetensors", CONTENT)
    hub.faults["busy"] = list(codes)
    assert room.download(f"zoo/busy{codes[0]}", "x.safetensors", None, "x", progress=False).read_bytes() == CONTENT


def test_a_loop_of_redirects_ends(hub: LoopbackHub, tmp_path: Path) -> None:
    hub.faults["loop"] = True
    with pytest.raises(WeightsUnavailable, match="x: .* answered 302"):
        room.download_url(f"{hub.url}/plain/x", tmp_path / "x", "x", progress=False)
    with pytest.raises(WeightsUnavailable, match="x: zoo/loop@main/x"):
        room.download("zoo/loop", "x", None, "x", progress=False)


def test_an_unreachable_server_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(WeightsUnavailable, match="cannot be reached .Connection refused.; connect once"):
        room.download_url("http://127.0.0.1:9/x", tmp_path / "x", "x", progress=False)


def test_offline_says_how_to_bring_the_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsUnavailable, match="HF_HUB_OFFLINE is set; unset it once, or bring the weights"):
        room.download_url("http://127.0.0.1:9/x", tmp_path / "x", "x", progress=False)


LIMITED = """
import pathlib, resource, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from omlzoo.checkpoints import hub
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))  # as a disk with so many bytes left
try:
    hub.download_url(sys.argv[1], pathlib.Path(sys.argv[2]), "x", progress=False)
except OSError as error:
    print(type(error).__name__, error)
"""


def test_a_full_disk_is_not_tried_again(hub: LoopbackHub, tmp_path: Path) -> None:
    url = hub.serve("x.pth", CONTENT)
    found = subprocess.run(
        [sys.executable, "-c", LIMITED, url, str(tmp_path / "x")], capture_output=True, text=True, check=True
    )
    assert "File too large" in found.stdout
    assert len(hub.requests) == 1


def test_the_first_file_that_is_there_is_taken(hub: LoopbackHub) -> None:
    hub.publish("zoo/second", "config.json", b"{}")
    assert room.download_first("zoo/second", ("entry.json", "config.json"), "x", progress=False).name == "config.json"
    with pytest.raises(WeightsUnavailable, match="has neither of a.json, b.json; it is no checkpoint"):
        room.download_first("zoo/second", ("a.json", "b.json"), "x", progress=False)


def test_what_is_pushed_arrives(hub: LoopbackHub, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(CONTENT)
    address = room.upload(
        "me/x", {"model.safetensors": tmp_path / "model.safetensors", "README.md": b"# x"}, "x", private=True
    )
    assert address.endswith("/me/x/commit/" + "a" * 40)
    assert hub.pushed == {"model.safetensors": CONTENT, "README.md": b"# x"}


@pytest.mark.parametrize(
    ("fault", "message"), [((401, None), "401|private"), ((403, None), "403"), ((500, None), "500")]
)
def test_a_refused_push_says_why(hub: LoopbackHub, fault: tuple[int, str | None], message: str) -> None:
    hub.faults["status"] = fault
    with pytest.raises(WeightsUnavailable, match=message):
        room.upload("me/x", {"README.md": b"# x"}, "x", private=False)
    assert not hub.pushed
