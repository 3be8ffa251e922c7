"""A server of one process for an application; it listens on loopback only, unless there is a token."""

import asyncio
import gc
import ipaddress
import logging
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from omlzoo.errors import BadInput

__all__ = ["check_address", "is_loopback", "serve_forever"]

HEADERS = 10.0  # seconds for a request's first line and headers


class HeaderTimeout(H11Protocol):
    """The HTTP protocol of uvicorn, which also closes connections that do not finish their headers in time."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.deadline = self.loop.call_later(HEADERS, self._give_up)

    def _give_up(self) -> None:
        cycle: Any = self.cycle
        if (cycle is None or cycle.response_complete) and not self.transport.is_closing():
            self.transport.close()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self.deadline.cancel()
        self.deadline = self.loop.call_later(HEADERS, self._give_up)  # for the headers of the next request

    def connection_lost(self, exc: Exception | None) -> None:
        self.deadline.cancel()
        super().connection_lost(exc)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address, a host name or an IP address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_address(host: str, token: str | None) -> None:
    """Refuse an address that other machines can reach, if there is no token.

    Args:
        host: A host name or an IP address.
        token: The token that clients have to give, or None.

    Raises:
        BadInput: Other machines can reach the address, and there is no token.
    """
    if not is_loopback(host) and not token:
        raise BadInput(f"host {host} can be reached by others; give --token, or stay on 127.0.0.1")


def serve_forever(app: FastAPI, host: str, port: int, connections: int, seconds: float) -> None:
    """Answer requests until SIGINT or SIGTERM; running requests are finished first.

    Args:
        app: The application that answers.
        host: The host name or IP address to listen on.
        port: The port to listen on.
        connections: The largest number of connections at the same time; further ones are refused.
        seconds: Seconds that running requests have to finish at the end, at least 1.

    Raises:
        BadInput: The server cannot listen on the port, for example because it is taken.
    """
    config = uvicorn.Config(
        app, host=host, port=port, http=HeaderTimeout, limit_concurrency=connections, timeout_keep_alive=5,
        timeout_graceful_shutdown=int(seconds) or 1, log_level="warning", server_header=False, access_log=False,
        h11_max_incomplete_event_size=16_384, proxy_headers=False, ws="none",
    )  # fmt: skip
    server = uvicorn.Server(config)
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    gc.collect()
    gc.freeze()  # otherwise each collection goes through all opened objects and takes half a second
    try:
        asyncio.run(server.serve())
    except SystemExit as error:
        raise BadInput(f"port {port} on {host} cannot be listened on; give another --port") from error
    except KeyboardInterrupt:
        pass  # uvicorn has finished its requests and raises the signal again
    finally:
        gc.unfreeze()
