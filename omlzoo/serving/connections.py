"""The connections to the server: how many one address may hold, and how long one may be held without a request."""

import asyncio
import json
from collections import Counter
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from omlzoo.serving.addresses import network_of
from omlzoo.serving.limits import Limits

__all__ = ["Connection", "Connections"]

HEADERS = 10.0  # seconds for a request's first line and headers
LEAVES = 1.0  # seconds for a refused connection to read why
LEAVING = 64  # refused connections that have these seconds at the same time; further ones are closed at once
Ends = tuple[Any, Any]  # address and port of the client, and those of the server that it reached


class Connections:
    """The open connections, as ASGI middleware around the whole application and as maker of uvicorn's protocols.

    Of uvicorn's protocol only the callbacks of asyncio.Protocol are used, and of a request only its client: both are
    public, so that no version of uvicorn can change them.

    Args:
        app: The ASGI application that answers.
        limits: The limits of connections, and the seconds to read an answer.

    Attributes:
        open: The connections by both of their ends; those that have been without a request the longest come first.
        leaving: Refused connections that have a moment to read why: one that is closed while it sends never reads it.
    """

    def __init__(self, app: Any, limits: Limits) -> None:
        self.app, self.limits = app, limits
        self.open: dict[Ends, Connection] = {}
        self.leaving: set[Connection] = set()
        self.held: Counter[str] = Counter()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        connection = self.open.get((_end(scope.get("client")), _end(scope.get("server"))))
        if connection is None:  # the start and the end of the server, or a client that has left
            await self.app(scope, receive, send)
            return
        connection.begin()
        try:
            await self.app(scope, receive, send)
        finally:
            connection.end()

    def protocol(self, **given: Any) -> "Connection":
        """A protocol for a new connection; uvicorn gives what its own protocols are made of."""
        return Connection(self, H11Protocol(**given))

    def admit(self, connection: "Connection") -> bytes:
        """Count a new connection; a refusal, in bytes, if there are too many, and nothing if it may stay."""
        most = self.limits.connections_per_address
        if self.held[connection.network] >= most or connection.ends in self.open:
            return _refusal("429 Too Many Requests", f"more than {most} connections of one address; close some")
        if len(self.open) >= self.limits.connections:
            longest = next((other for other in self.open.values() if other.waits()), None)
            if longest is None:
                return _refusal("503 Service Unavailable", "too many connections; try again")
            self.forget(longest)
            longest.transport.abort()
        self.open[connection.ends] = connection
        self.held[connection.network] += 1
        return b""

    def forget(self, connection: "Connection") -> None:
        """Count a connection no more."""
        if self.open.get(connection.ends) is connection:
            del self.open[connection.ends]
            self.held[connection.network] -= 1
            if not self.held[connection.network]:
                del self.held[connection.network]


class Connection(asyncio.Protocol):
    """One connection: it is ended if its client takes too long to send the headers of a request, or to read an answer.

    Args:
        every: The connections that this one counts among.
        protocol: The protocol that speaks HTTP, which gets every callback.
    """

    def __init__(self, every: Connections, protocol: asyncio.Protocol) -> None:
        self.every, self.protocol = every, protocol
        self.running = 0  # requests that are being answered
        self.unread = False  # whether so much is written that the client must read before more is
        self.deadline: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """A request has arrived, with its headers."""
        self.running += 1
        if not self.unread:
            self._end_in(None)

    def end(self) -> None:
        """A request was answered; what is left of the answer is on its way."""
        self.running -= 1
        if not self.running and self.every.open.get(self.ends) is self:
            self.every.open[self.ends] = self.every.open.pop(self.ends)  # as the last
            if not self.unread:
                self._end_in(self.every.limits.seconds if self.transport.get_write_buffer_size() else HEADERS)

    def waits(self) -> bool:
        """Whether there is neither a request nor an answer on its way."""
        return not self.running and not self.transport.get_write_buffer_size()

    def connection_made(self, transport: Any) -> None:
        """The connection is open; too many of them are told so and closed."""
        self.transport = transport
        self.ends = _end(transport.get_extra_info("peername")), _end(transport.get_extra_info("sockname"))
        self.network = network_of(self.ends[0][0])
        refusal = self.every.admit(self)
        if refusal:
            self.protocol = asyncio.Protocol()  # which does nothing
            transport.write(refusal)
            if len(self.every.leaving) < LEAVING:
                self.every.leaving.add(self)
                transport.write_eof()
                self._end_in(LEAVES)
            else:
                transport.close()
            return
        self._end_in(HEADERS)
        self.protocol.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """The client has sent something."""
        self.protocol.data_received(data)

    def eof_received(self) -> bool | None:
        """The client will send no more."""
        return self.protocol.eof_received()

    def pause_writing(self) -> None:
        """The client does not read as fast as the answer is written."""
        self.unread = True
        self._end_in(self.every.limits.seconds)
        self.protocol.pause_writing()

    def resume_writing(self) -> None:
        """The client has read what was written."""
        self.unread = False
        self._end_in(None if self.running else HEADERS)
        self.protocol.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed."""
        self._end_in(None)
        self.every.leaving.discard(self)
        self.every.forget(self)
        self.protocol.connection_lost(exc)

    def _end_in(self, seconds: float | None) -> None:
        if self.deadline is not None:
            self.deadline.cancel()
        self.deadline = None
        if seconds is not None:
            self.deadline = asyncio.get_running_loop().call_later(seconds, self.transport.abort)


def _end(address: Any) -> tuple[str, int]:
    """Address and port; those of IPv6 have two numbers more."""
    return (str(address[0]), int(address[1])) if address else ("", 0)


def _refusal(status: str, detail: str) -> bytes:
    body = json.dumps({"detail": detail})
    headers = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\nRetry-After: 1"
    return f"HTTP/1.1 {status}\r\n{headers}\r\n\r\n{body}".encode()
