"""Where the server may listen is checked before anything is opened."""

import socket
from pathlib import Path

import pytest

from omlzoo.cli import main
from omlzoo.errors import BadInput
from omlzoo.serving.addresses import check_address


def free() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@pytest.mark.parametrize("port", [-1, 0, 65_536, 99_999, 10**30])
def test_a_port_outside_the_range_is_refused(port: int) -> None:
    with pytest.raises(BadInput, match=f"port is {port}; it must be a number from 1 to 65535"):
        check_address("127.0.0.1", port, None)


@pytest.mark.parametrize("host", ["", "no such host", "a\0b", "x" * 300, "ü" * 70, "a..b"])
def test_a_host_that_is_none_is_refused(host: str) -> None:
    with pytest.raises(BadInput, match="give an address of this machine"):
        check_address(host, free(), "secret")


def test_an_address_of_another_machine_and_a_port_that_is_taken_are_refused() -> None:
    with pytest.raises(BadInput, match=r"on 192.0.2.1 cannot be listened on \(.+\); give another --port or --host"):
        check_address("192.0.2.1", free(), "secret")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BadInput, match=f"port {port} on 127.0.0.1 cannot be listened on"):
            check_address("127.0.0.1", port, None)


def test_others_need_a_token() -> None:
    for host in ("0.0.0.0", "::", "192.0.2.1"):
        with pytest.raises(BadInput, match="can be reached by others; give --token"):
            check_address(host, free(), None)
    check_address("127.0.0.1", free(), None)
    check_address("localhost", free(), None)
    check_address("0.0.0.0", free(), "secret")


@pytest.mark.parametrize(
    ("option", "value"),
    [("--port", "99999"), ("--port", "0"), ("--host", ""), ("--token", ""), ("--token", "日本"),
     *[(option, value) for option in ("--seconds", "--per-second", "--megabytes", "--megapixels", "--decoded-megabytes")
       for value in ("nan", "inf", "-inf", "0", "-1", "1e300")]],
)  # fmt: skip
def test_options_are_checked_before_the_index(
    option: str, value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", str(tmp_path / "no index"), f"{option}={value}"]) == 2
    said = capsys.readouterr().err
    assert option.removeprefix("--") in said
    assert said.count("\n") == 1
    assert "no index" not in said


def test_the_token_of_the_environment_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for token in ("日本", ""):
        monkeypatch.setenv("OMLZOO_TOKEN", token)
        assert main(["serve", str(tmp_path / "no index")]) == 2
        assert "OMLZOO_TOKEN" in capsys.readouterr().err
