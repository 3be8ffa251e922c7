"""A server of one process for an application: loopback only, or with a token."""

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
    """uvicorn's protocol, which also ends connections that do not finish their headers."""

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
    """Whether only this machine can reach that address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_address(host: str, token: str | None) -> None:
    """Refuse to listen to others without a token."""
    if not is_loopback(host) and not token:
        raise BadInput(f"host {host} can be reached by others; give --token, or stay on 127.0.0.1")


def serve_forever(app: FastAPI, host: str, port: int, connections: int, seconds: float) -> None:
    """Answer until SIGINT or SIGTERM; requests that run are finished first.

    Raises:
        BadInput: The port is taken.
    """
    config = uvicorn.Config(
        app, host=host, port=port, http=HeaderTimeout, limit_concurrency=connections, timeout_keep_alive=5,
        timeout_graceful_shutdown=int(seconds) or 1, log_level="warning", server_header=False, access_log=False,
        h11_max_incomplete_event_size=16_384, proxy_headers=False, ws="none",
    )  # fmt: skip
    server = uvicorn.Server(config)
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    gc.collect()
    gc.freeze()  # else the collector goes through all that was opened, again and again, for half a second each time
    try:
        asyncio.run(server.serve())
    except SystemExit as error:
        raise BadInput(f"port {port} on {host} cannot be listened on; give another --port") from error
    except KeyboardInterrupt:
        pass  # uvicorn has ended gracefully and passes the signal on
    finally:
        gc.unfreeze()
