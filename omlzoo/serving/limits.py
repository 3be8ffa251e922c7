"""What one client may ask for, and the gate that refuses the rest before it costs anything."""

import asyncio
import json
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from starlette.requests import cookie_parser

__all__ = ["COOKIE", "Gate", "Limits"]

CLIENTS = 10_000  # the largest number of clients whose buckets are kept
COOKIE = "omlzoo_token"
OPEN = ("/health",)
DRAINED = 4  # of a refused request so many times the size limit is read and dropped, so that the refusal arrives


@dataclass(frozen=True)
class Limits:
    """What one client may ask for.

    Attributes:
        megabytes: The largest size of a request, in millions of bytes.
        megapixels: The largest picture, in millions of pixels; a larger one is refused before it is decoded.
        per_second: Mean number of requests a second that one address may send.
        burst: Number of requests that one address may send at once.
        seconds: Seconds that a request has to arrive, and seconds that the model has to answer it.
        hits: The largest number of hits, k, of a search.
        waiting: The largest number of requests that wait for the model; further ones are refused.
        connections: The largest number of connections at the same time; further ones are refused.
    """

    megabytes: float = 16
    megapixels: float = 50
    per_second: float = 20
    burst: int = 60
    seconds: float = 20
    hits: int = 200
    waiting: int = 256
    connections: int = 256


class Gate:
    """ASGI middleware that checks token, rate, size and time of every request.

    Args:
        app: The ASGI application that answers.
        limits: The limits of a client.
        token: The token that a request gives as "Authorization: Bearer TOKEN" or in the cookie that the page sets for
            ``/?token=TOKEN``; None lets everyone in.
    """

    def __init__(self, app: Any, limits: Limits, token: str | None) -> None:
        self.app, self.limits, self.token = app, limits, token
        self.buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if not self._has_turn((scope.get("client") or ("?",))[0]):  # first, so that tokens are not tried at full speed
            await _refuse(send, 429, f"more than {self.limits.per_second:g} requests a second; wait a second")
            return
        if not self._let_in(scope["path"], scope["query_string"].decode("latin-1"), headers):
            await _refuse(send, 401, "give the server's token as 'Authorization: Bearer TOKEN'")
            return
        most = int(self.limits.megabytes * 1e6)
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > most:
            if "expect" not in headers:  # else nothing is sent before it is asked for
                await self._let_send(receive, DRAINED * most)
            await _refuse(send, 413, f"a request has at most {self.limits.megabytes:g} MB")
            return
        await self._guarded(scope, receive, send, most)

    async def _guarded(self, scope: Any, receive: Any, send: Any, most: int) -> None:
        refusal: tuple[int, str] | None = None
        started = refused = False
        size = 0
        end = time.monotonic() + self.limits.seconds

        async def read() -> Any:
            nonlocal refusal, size
            if started:  # the answer is on its way: what follows is whether the client is still there
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), max(0.0, end - time.monotonic()))
            except TimeoutError:
                refusal = 408, f"a request is sent within {self.limits.seconds:g} s"
                return {"type": "http.disconnect"}
            size += len(message.get("body", b""))
            if size > most:
                refusal = 413, f"a request has at most {self.limits.megabytes:g} MB"
                return {"type": "http.disconnect"}
            return message

        async def write(message: Any) -> None:  # what the app makes of the cut is replaced by the reason for it
            nonlocal started, refused
            if refusal is None or (started and not refused):
                started = True
                await send(message)
            elif not refused:
                started = refused = True
                await _refuse(send, *refusal)

        try:
            await self.app(scope, read, write)
        except Exception:
            if refusal is None:
                raise
            if not started:
                await _refuse(send, *refusal)

    async def _let_send(self, receive: Any, most: int) -> None:
        """Read and drop the body: a client that is still sending when its connection closes never reads the refusal."""
        size = 0
        try:
            async with asyncio.timeout(self.limits.seconds):
                while size <= most:
                    message = await receive()
                    size += len(message.get("body", b""))
                    if not message.get("more_body"):
                        return
        except TimeoutError:
            return

    def _let_in(self, path: str, query: str, headers: dict[str, str]) -> bool:
        if self.token is None or path in OPEN or (path == "/" and not headers.get("cookie") and not query):
            return True
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        cookie = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
        address = query.removeprefix("token=") if path == "/" else ""
        expected = self.token.encode()
        return any(secrets.compare_digest(text.encode(), expected) for text in (bearer, cookie, address)) or path == "/"

    def _has_turn(self, client: str) -> bool:
        now = time.monotonic()
        left, then = self.buckets.pop(client, (float(self.limits.burst), now))
        left = min(float(self.limits.burst), left + (now - then) * self.limits.per_second)
        self.buckets[client] = (max(0.0, left - 1), now)
        while len(self.buckets) > CLIENTS:
            self.buckets.popitem(last=False)
        return left >= 1


async def _refuse(send: Any, status: int, detail: str) -> None:
    body = json.dumps({"detail": detail}).encode()
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    if status == 429:
        headers.append((b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
