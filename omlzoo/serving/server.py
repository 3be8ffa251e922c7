"""A server of one process for an application."""

import asyncio
import gc
import logging
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from omlzoo.errors import BadInput
from omlzoo.serving.connections import Connections
from omlzoo.serving.limits import Limits

__all__ = ["serve_forever", "server_of"]


def server_of(app: ASGIApp, host: str, port: int, limits: Limits) -> uvicorn.Server:
    """A server that is not yet started.

    Args:
        app: The application that answers.
        host: The host name or IP address to listen on.
        port: The port to listen on; 0 takes a free one.
        limits: The limits of connections; running requests have its seconds to finish at the end.
    """
    connections = Connections(app, limits)
    protocol: Any = connections.protocol  # uvicorn calls it as it calls the classes of its own
    config = uvicorn.Config(
        connections, host=host, port=port, http=protocol, timeout_keep_alive=5, access_log=False,
        limit_concurrency=limits.connections + 1,  # of requests, those whose client has left among them
        timeout_graceful_shutdown=int(limits.seconds) or 1, log_level="warning", server_header=False,
        h11_max_incomplete_event_size=16_384, proxy_headers=False, ws="none",
    )  # fmt: skip
    for name in ("uvicorn.error", "python_multipart"):  # a line for each bad request
        logging.getLogger(name).setLevel(logging.ERROR)
    return uvicorn.Server(config)


def serve_forever(app: ASGIApp, host: str, port: int, limits: Limits) -> None:
    """Answer requests until SIGINT or SIGTERM; running requests are finished first.

    Args:
        app: The application that answers.
        host: The host name or IP address to listen on.
        port: The port to listen on.
        limits: The limits of connections; running requests have its seconds to finish at the end.

    Raises:
        BadInput: The server cannot listen on the port, for example because it is taken.
    """
    server = server_of(app, host, port, limits)
    gc.collect()
    gc.freeze()  # otherwise each collection goes through all opened objects and takes half a second
    try:
        asyncio.run(server.serve())
    except SystemExit as error:  # uvicorn cannot listen; or Ray has made one of the signal that ended the server
        if server.started:
            return
        raise BadInput(f"port {port} on {host} cannot be listened on; give another --port") from error
    except KeyboardInterrupt:
        pass  # uvicorn has finished its requests and raises the signal again
    finally:
        gc.unfreeze()
