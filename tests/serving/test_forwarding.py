"""What the front passes on comes back unchanged, and a replica that ends costs no answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from omlzoo.index.index import Index
from omlzoo.serving.application import application, front, routed
from omlzoo.serving.forwarding import TRIES, Answer, Asked, Failures, Forwarding, answer_of
from omlzoo.serving.limits import Limits
from omlzoo.serving.service import Service


class Lost(Exception):
    """A replica ended."""


class Full(Exception):
    """All replicas are busy."""


FAILURES = Failures((Lost,), (Full,))


def asking(app: object, *before: Exception) -> tuple[Forwarding, list[Asked]]:
    """A front whose first answers fail so; and what it asked."""
    left, seen = list(before), []

    async def ask(asked: Asked) -> Answer:
        seen.append(asked)
        if left:
            raise left.pop(0)
        return await answer_of(app, asked)

    return Forwarding(ask, FAILURES, 5), seen


@asynccontextmanager
async def opened(app: FastAPI, inner: FastAPI, token: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application in this event loop, where the batches of another one run."""
    async with (
        inner.router.lifespan_context(inner),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://testserver",
            headers={"Authorization": f"Bearer {token}"},
        ) as client,
    ):
        yield client


def test_every_answer_is_that_of_the_application_itself(small: Index) -> None:
    limits, picture = Limits(), small.table().files()[2].read_bytes()
    inner = routed(Service(small, limits), "secret word")
    forwarding, seen = asking(inner)
    itself = application(small, limits=limits, token="secret word", hosts=["testserver"])

    async def go() -> None:
        async with (
            opened(itself, itself, "secret word") as near,
            opened(front(forwarding, limits, "secret word", ["testserver"]), inner, "secret word") as far,
        ):
            for method, path, more in (
                ("GET", "/", {}), ("GET", "/?token=secret%20word", {}), ("GET", "/health", {}), ("HEAD", "/health", {}),
                ("GET", "/facts", {}), ("GET", "/items?start=2&count=3", {}), ("GET", "/items/3", {}), ("GET", "/items/3/picture", {}),
                ("GET", "/items/999999", {}), ("GET", "/items/%2e%2e%2fx", {}), ("DELETE", "/items/1", {}), ("GET", "/nothing", {}),
                ("GET", "/openapi.json", {}), ("GET", "/facts", {"headers": {"Host": "evil.example"}}),
                ("GET", "/facts", {"headers": {"Origin": "http://evil.example"}}),
                ("GET", "/facts", {"headers": {"Authorization": "Bearer wrong"}}),
                ("POST", "/search", {"data": {"item": "1", "k": "3"}}), ("POST", "/search", {"data": {"item": "1", "k": "0"}}),
                ("POST", "/search", {"files": {"image": b"no picture"}}), ("POST", "/embed", {"data": {"text": "shoes"}}),
                ("POST", "/search", {"content": b"cut", "headers": {"Content-Type": "multipart/form-data; boundary=x"}}),
                ("POST", "/search", {"files": {"image": picture}, "data": {"k": "4"}}),
            ):  # fmt: skip
                ours, theirs = await near.request(method, path, **more), await far.request(method, path, **more)
                assert (theirs.status_code, theirs.content) == (ours.status_code, ours.content), (method, path)
                assert sorted(theirs.headers.multi_items()) == sorted(ours.headers.multi_items()), (method, path)
            assert len(seen[-1].body) > len(picture)
            counts = (await far.get("/metrics")).text
            assert 'omlzoo_requests_total{route="/items/{row}",status="404"}' in counts
            assert 'omlzoo_requests_total{route="/search",status="200"} 2.0' in counts

    asyncio.run(go())


def test_another_replica_is_asked_where_one_ends(small: Index) -> None:
    inner = routed(Service(small, Limits()), None)

    async def go() -> None:
        for failed, status, detail in (
            ([Lost()], 200, None),
            ([Lost()] * (TRIES - 1), 200, None),
            ([Lost()] * TRIES, 503, "the replica that computed the answer ended; try again"),
            ([Full()], 503, "too much is waiting; try again"),
        ):
            forwarding, seen = asking(inner, *failed)
            async with opened(front(forwarding, Limits(), None, ()), FastAPI(), "") as client:
                answer = await client.post("/search", data={"item": "1"})
            assert (answer.status_code, answer.json().get("detail")) == (status, detail)
            assert ("retry-after" in answer.headers) == (status == 503)
            assert "content-security-policy" in answer.headers
            assert {asked.body for asked in seen} == {b"item=1"}, "the whole request, each time"

    async def begun() -> None:
        async with inner.router.lifespan_context(inner):
            await go()

    asyncio.run(begun())


def test_replicas_that_do_not_answer_are_given_up() -> None:
    async def never(asked: Asked) -> Answer:
        await asyncio.Event().wait()
        raise AssertionError

    with TestClient(front(Forwarding(never, FAILURES, 0.05), Limits(), None, ())) as client:
        answer = client.get("/facts")
        assert (answer.status_code, answer.json()["detail"]) == (503, "no replica answered in time; try again")


def test_the_front_refuses_before_a_replica_is_asked() -> None:
    forwarding, seen = asking(None)
    with TestClient(front(forwarding, Limits(megabytes=0.01, burst=3, per_second=0.01), "secret", ())) as client:
        assert client.get("/facts").status_code == 401
        assert (
            client.post("/search", content=b"x" * 20_000, headers={"Authorization": "Bearer secret"}).status_code == 413
        )

        def parts() -> object:  # without a length
            for _ in range(20):
                yield b"x" * 1000

        assert client.post("/search", content=parts(), headers={"Authorization": "Bearer secret"}).status_code == 413
        assert client.get("/health").status_code == 429
    assert seen == []


def test_an_error_of_the_application_is_no_lost_replica(small: Index) -> None:
    forwarding, seen = asking(None, ValueError("a bug"))
    with TestClient(front(forwarding, Limits(), None, ()), raise_server_exceptions=False) as client:
        assert client.get("/health").status_code == 500
    assert len(seen) == 1


@pytest.mark.parametrize("path", ["/health", "/nothing"])
def test_the_route_that_answered_is_told(small: Index, path: str) -> None:
    async def go() -> Answer:
        return await answer_of(routed(Service(small, Limits()), None), Asked("GET", path, path.encode(), b"", [], b""))

    assert asyncio.run(go()).route == ("/health" if path == "/health" else "none")
