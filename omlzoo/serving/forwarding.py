"""Requests that are answered elsewhere: the front passes them on whole, and the application of a replica answers."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

__all__ = ["Answer", "Asked", "Failures", "Forwarding", "answer_of"]

TRIES = 3  # replicas that are asked for one answer
Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True)
class Asked:
    """A request as it travels to a replica.

    Attributes:
        method: GET, POST, ...
        path: The decoded path of its address.
        raw_path: The path as it was sent.
        query: What follows the question mark.
        headers: Names in lower case, and values.
        body: All of it.
    """

    method: str
    path: str
    raw_path: bytes
    query: bytes
    headers: Headers
    body: bytes


@dataclass(frozen=True)
class Answer:
    """An answer as it travels back.

    Attributes:
        status: Of HTTP.
        headers: Names in lower case, and values.
        body: All of it.
        route: The route that answered, such as "/items/{row}"; "none" where there is none.
    """

    status: int
    headers: Headers
    body: bytes
    route: str


@dataclass(frozen=True)
class Failures:
    """The errors by which a replica does not answer.

    Attributes:
        lost: It ended or cannot be reached, whatever the request is: another one is asked.
        busy: Too much waits, or there is no replica.
    """

    lost: tuple[type[Exception], ...]
    busy: tuple[type[Exception], ...]


async def answer_of(app: Any, asked: Asked) -> Answer:
    """What an application answers.

    Args:
        app: An ASGI application, its lifespan begun.
        asked: The request.
    """
    scope: dict[str, Any] = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "method": asked.method,
        "path": asked.path, "raw_path": asked.raw_path, "query_string": asked.query, "headers": asked.headers,
        "root_path": "", "client": None, "server": None,
    }  # fmt: skip
    unread, status, headers, body = [asked.body], 500, Headers(), bytearray()

    async def receive() -> dict[str, Any]:
        if unread:
            return {"type": "http.request", "body": unread.pop(), "more_body": False}
        await asyncio.Event().wait()  # a client that leaves ends the whole call
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        nonlocal status, headers
        if message["type"] == "http.response.start":
            status, headers = message["status"], [(bytes(name), bytes(value)) for name, value in message["headers"]]
        else:
            body.extend(message.get("body", b""))

    await app(scope, receive, send)
    return Answer(status, headers, bytes(body), getattr(scope.get("route"), "path", "none"))


class Forwarding:
    """ASGI application that asks replicas for its answers. One that ends meanwhile costs time, and no wrong answer.

    Every request may be asked again: none changes anything.

    Args:
        ask: Asks one of the replicas, another one if the last one ended.
        failures: The errors that it raises.
        seconds: The most seconds that all replicas together take for an answer.
    """

    def __init__(self, ask: Callable[[Asked], Awaitable[Answer]], failures: Failures, seconds: float) -> None:
        self.ask, self.failures, self.seconds = ask, failures, seconds

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            body = await Request(scope, receive).body()
        except ClientDisconnect:  # or the gate has cut it: what is sent now is replaced by the reason for it
            await JSONResponse({"detail": "the request was not sent whole"}, 400)(scope, receive, send)
            return
        asked = Asked(scope["method"], scope["path"], scope.get("raw_path") or b"", scope["query_string"],
                      [(bytes(name), bytes(value)) for name, value in scope["headers"]], body)  # fmt: skip
        await (await self._answered(asked, scope))(scope, receive, send)

    async def _answered(self, asked: Asked, scope: Any) -> Response:
        try:
            async with asyncio.timeout(self.seconds):
                for _ in range(TRIES):
                    try:
                        found = await self.ask(asked)
                    except self.failures.lost:
                        continue
                    scope["route"] = SimpleNamespace(path=found.route)  # which is counted
                    answer = Response(found.body, found.status)
                    answer.raw_headers = found.headers
                    return answer
        except self.failures.busy:
            return _come_back("too much is waiting; try again")
        except TimeoutError:
            return _come_back("no replica answered in time; try again")
        return _come_back("the replica that computed the answer ended; try again")


def _come_back(detail: str) -> Response:
    return JSONResponse({"detail": detail}, 503, {"Retry-After": "1"})
