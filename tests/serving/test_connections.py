"""One address cannot hold the server's connections, and who neither asks nor reads is cut off."""

import asyncio
import json
from typing import Any

import pytest

from omlzoo.serving import connections
from omlzoo.serving.addresses import network_of
from omlzoo.serving.limits import Limits

ASK = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
UNFINISHED = b"GET / HTTP/1.1\r\nHost: "
ANSWER = b"x" * 20_000_000  # more than the buffers of the kernel hold


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["path"] == "/slow":
        await asyncio.sleep(0.6)
    body = ANSWER if scope["path"] == "/large" else b"answer"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


async def opened(port: int, source: str, sent: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    writer.write(sent)
    return reader, writer


async def asked(port: int, source: str, request: bytes = ASK) -> bytes:
    reader, writer = await opened(port, source, request)
    answer = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    return answer


def test_others_are_served_while_one_address_holds_and_renews_all_it_can(running: Any) -> None:
    async def hold(port: int) -> None:
        """As many unfinished requests as all connections together, each begun again when it is refused."""
        while True:
            reader, writer = await opened(port, "127.0.0.1", UNFINISHED)
            await reader.read()
            writer.close()
            await asyncio.sleep(0.05)

    async def talk() -> tuple[list[bytes], bytes]:
        async with running(app, Limits()) as port:
            attack = [asyncio.create_task(hold(port)) for _ in range(256)]
            await asyncio.sleep(0.5)
            others = [await asked(port, "127.0.0.2") for _ in range(6)]
            own = await asked(port, "127.0.0.1")
            for task in attack:
                task.cancel()
            await asyncio.gather(*attack, return_exceptions=True)
            return others, own

    others, own = asyncio.run(talk())
    assert [answer.splitlines()[0] for answer in others] == [b"HTTP/1.1 200 OK"] * 6
    assert own.startswith(b"HTTP/1.1 429 ")


def test_an_address_has_its_number_of_connections_and_reads_why_the_next_is_refused(running: Any) -> None:
    async def talk() -> tuple[bytes, bytes, bytes]:
        async with running(app, Limits(connections_per_address=3)) as port:
            held = [await opened(port, "127.0.0.1") for _ in range(3)]
            fourth = await asked(port, "127.0.0.1")
            other = await asked(port, "127.0.0.2")
            held[0][1].close()
            await asyncio.sleep(0.05)
            return fourth, other, await asked(port, "127.0.0.1")

    fourth, other, later = asyncio.run(talk())
    head, _, body = fourth.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 429 Too Many Requests\r\n")
    assert b"Content-Length: %d" % len(body) in head
    assert json.loads(body) == {"detail": "more than 3 connections of one address; close some"}
    assert (other[:12], later[:12]) == (b"HTTP/1.1 200",) * 2


def test_where_all_connections_are_held_the_one_that_waited_longest_gives_way(running: Any) -> None:
    async def talk() -> tuple[bytes, bytes, bytes, bytes]:
        async with running(app, Limits(connections=3)) as port:
            slow = asyncio.create_task(asked(port, "127.0.0.1", ASK.replace(b"/", b"/slow", 1)))
            await asyncio.sleep(0.2)
            first, second = [await opened(port, f"127.0.0.{i}", UNFINISHED) for i in (2, 3)]
            new = await asked(port, "127.0.0.4")
            gone = await asyncio.wait_for(first[0].read(), 5)
            second[1].write(b"a\r\nConnection: close\r\n\r\n")
            return new, gone, await asyncio.wait_for(second[0].read(), 5), await slow

    new, gone, kept, slow = asyncio.run(talk())
    assert gone == b""
    assert [answer[:12] for answer in (new, kept, slow)] == [b"HTTP/1.1 200"] * 3


def test_where_all_connections_have_requests_the_next_is_refused(running: Any) -> None:
    async def talk() -> bytes:
        async with running(app, Limits(connections=2)) as port:
            slow = [asyncio.create_task(asked(port, f"127.0.0.{i}", ASK.replace(b"/", b"/slow", 1))) for i in (1, 2)]
            await asyncio.sleep(0.2)
            refused = await asked(port, "127.0.0.3")
            assert [answer[:12] for answer in await asyncio.gather(*slow)] == [b"HTTP/1.1 200"] * 2
            return refused

    assert asyncio.run(talk()).startswith(b"HTTP/1.1 503 ")


@pytest.mark.parametrize("requests", [1, 5])
def test_who_does_not_read_the_answer_is_cut_off(running: Any, requests: int) -> None:
    large = b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n"

    async def talk() -> int:
        async with running(app, Limits(seconds=0.5, connections_per_address=1)) as port:
            _, unread = await opened(port, "127.0.0.1", large * requests)
            await asyncio.sleep(0.2)
            assert (await asked(port, "127.0.0.1"))[:12] == b"HTTP/1.1 429"
            await asyncio.sleep(1)
            answer = await asked(port, "127.0.0.1", large.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            unread.transport.abort()
            return len(answer.partition(b"\r\n\r\n")[2])

    assert asyncio.run(talk()) == len(ANSWER), "the place is free again, and who reads gets all of it"


def test_headers_have_their_time_and_an_answer_that_takes_longer_is_waited_for(
    running: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEADERS", 0.3)

    async def talk() -> tuple[bytes, bytes]:
        async with running(app, Limits()) as port:
            slow = await asked(port, "127.0.0.1", ASK.replace(b"/", b"/slow", 1))
            reader, _ = await opened(port, "127.0.0.1", UNFINISHED)
            return slow, await asyncio.wait_for(reader.read(), 5)

    slow, unfinished = asyncio.run(talk())
    assert slow.endswith(b"answer")
    assert unfinished == b""


def test_all_addresses_of_an_ipv6_network_count_as_one() -> None:
    assert network_of("192.0.2.7") == "192.0.2.7"
    assert network_of("2001:db8:1:2:3:4:5:6") == network_of("2001:db8:1:2::9") == "2001:db8:1:2::/64"
    assert network_of("2001:db8:1:3::9") != network_of("2001:db8:1:2::9")
    assert network_of("fe80::1%eth0") == "fe80::/64"
