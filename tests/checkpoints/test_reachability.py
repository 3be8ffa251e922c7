"""A server that cannot be reached is known at once, whatever the reason; the user is told the ways on."""

import socket
import time
from collections.abc import Iterator

import pytest
from huggingface_hub import constants
from loopback_hub import LoopbackHub

from omlzoo.checkpoints import hub as client
from omlzoo.checkpoints import reachability
from omlzoo.errors import WeightsUnavailable

LIMIT = 3.0  # seconds


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that takes connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(5)
        yield server.getsockname()[1]


@pytest.fixture
def closed() -> int:
    """A port on which nothing listens."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def addresses(silent: int, closed: int) -> list[tuple[str, str]]:
    return [
        (f"http://127.0.0.1:{closed}", "refused"),
        (f"https://127.0.0.1:{silent}", "does not answer"),
        ("https://nowhere.invalid", "(not known|resolution|does not answer)"),
    ]


@pytest.mark.parametrize("case", range(3))
def test_a_first_download_without_network_says_so_in_three_seconds_with_the_ways_on(
    case: int, silent: int, closed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reachability, "ANSWER", 0.5)
    address, reason = addresses(silent, closed)[case]
    monkeypatch.setattr(constants, "ENDPOINT", address)
    begun = time.monotonic()
    with pytest.raises(WeightsUnavailable, match=f"cannot be reached .*{reason}.*HF_ENDPOINT.*--from.*omlzoo.photos"):
        client.download("zoo/never", "model.safetensors", None, "x", progress=False)
    assert time.monotonic() - begun < LIMIT
    assert "\n" not in reachability.ways_on(address, "x", "y")


def test_a_plain_address_that_does_not_answer_is_as_quick(
    silent: int, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    monkeypatch.setattr(reachability, "ANSWER", 0.3)
    begun = time.monotonic()
    with pytest.raises(WeightsUnavailable, match="cannot be reached .it does not answer"):
        client.download_url(f"http://127.0.0.1:{silent}/x.pth", tmp_path / "x", "x", progress=False)  # type: ignore[operator]
    assert time.monotonic() - begun < LIMIT
    assert reachability.ANSWER < LIMIT


def test_a_server_that_answers_is_reachable_and_a_proxy_is_left_to_find_out(
    hub: LoopbackHub, closed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert reachability.unreachable(hub.url) is None
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    assert reachability.unreachable(f"http://localhost:{closed}") is None
