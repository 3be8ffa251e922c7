"""The gate refuses by rate, size and time before the application is asked."""

import asyncio
from typing import Any

import pytest

from omlzoo.serving.gate import Gate
from omlzoo.serving.limits import Limits


async def app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def status(gate: Gate, client: str = "192.0.2.1", method: str = "POST", **headers: str) -> int:
    """The status of the answer to a request without a body."""
    told: list[int] = []
    raw = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    scope = {"type": "http", "method": method, "path": "/a", "client": (client, 1), "headers": raw, "query_string": b""}

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            told.append(message["status"])

    asyncio.run(gate(scope, receive, send))
    return told[0]


@pytest.mark.parametrize("length", ["1000001", "9" * 18, "9" * 19, "9" * 5000, "-1", "1e3", "²", "+1", "", "0x1"])
def test_a_length_that_is_too_large_or_none_is_refused(length: str) -> None:
    assert status(Gate(app, Limits(megabytes=1), None), content_length=length) == 413


def test_lengths_up_to_the_limit_pass() -> None:
    gate = Gate(app, Limits(megabytes=1), None)
    assert [status(gate, content_length=length) for length in ("0", "1000000", "0001000000")] == [200] * 3
    assert status(gate) == 200


def test_addresses_of_one_ipv6_network_have_their_turns_together() -> None:
    gate = Gate(app, Limits(per_second=0.01, burst=2), None)
    assert [status(gate, f"2001:db8::{last}") for last in range(4)] == [200, 200, 429, 429]
    assert status(gate, "2001:db8:0:1::1") == 200
    assert [status(gate, f"192.0.2.{last}") for last in range(1, 4)] == [200] * 3


def test_rate_comes_before_origin_and_origin_before_the_token() -> None:
    gate = Gate(app, Limits(per_second=0.01, burst=2), "secret")
    assert status(gate, origin="http://evil.example", authorization="Bearer secret") == 403
    assert status(gate, authorization="Bearer wrong") == 401
    assert status(gate, authorization="Bearer secret") == 429
