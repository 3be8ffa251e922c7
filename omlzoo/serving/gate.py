"""The gate before the application: it refuses who may not ask, and what is too much, before it costs anything."""

import asyncio
import json
import time
from collections import OrderedDict
from typing import Any

from omlzoo.serving.addresses import network_of
from omlzoo.serving.limits import Limits
from omlzoo.serving.origins import asked_from_elsewhere
from omlzoo.serving.tokens import gives_token

__all__ = ["Gate"]

CLIENTS = 10_000  # the largest number of clients whose buckets are kept
OPEN = ("/", "/health")  # what is answered without the token; the page at "/" has nothing of the index
DRAINED = 4  # of a refused request so many times the size limit is read and dropped, so that the refusal arrives
DIGITS = 18  # of a length; more bytes are sent by nobody


class Gate:
    """ASGI middleware that checks rate, origin, token, size and time of every request.

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
        client = network_of((scope.get("client") or ("?",))[0])
        if not self._has_turn(client):  # first, so that tokens are not tried at full speed
            await _refuse(send, 429, f"more than {self.limits.per_second:g} requests a second; wait a second")
            return
        if asked_from_elsewhere(scope["method"], headers):
            await _refuse(send, 403, "a web page of another server asks; ask from the page of this one")
            return
        if not (self.token is None or scope["path"] in OPEN or gives_token(headers, self.token)):
            await _refuse(send, 401, "give the server's token as 'Authorization: Bearer TOKEN'")
            return
        most = int(self.limits.megabytes * 1e6)
        length = headers.get("content-length", "0")
        if not length.isdecimal() or len(length) > DIGITS or int(length) > most:
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
                async with asyncio.timeout(max(0.0, end - time.monotonic())):
                    message = await receive()
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
