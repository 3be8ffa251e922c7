"""Middleware that counts and times every request, and adds security headers to every answer."""

import asyncio
import time
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram

__all__ = ["Monitoring"]

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self' blob: data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
ENCODED = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]


class Monitoring:
    """ASGI middleware that counts requests by route and status, and measures their seconds.

    Args:
        app: The ASGI application that answers.
        registry: The registry of Prometheus that keeps the numbers.
    """

    def __init__(self, app: Any, registry: CollectorRegistry) -> None:
        self.app = app
        self.requests = Counter("omlzoo_requests", "Requests", ["route", "status"], registry=registry)
        self.seconds = Histogram("omlzoo_seconds", "Seconds of a request", ["route"], registry=registry)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 500  # where the app raises instead of answering

        async def write(message: Any) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message.get("headers", ()), *ENCODED]}
            await send(message)

        try:
            await self.app(scope, receive, write)
        except asyncio.CancelledError:
            status = 499  # the client left, or the server stopped, before the answer
            raise
        finally:
            route = getattr(scope.get("route"), "path", "none")
            self.requests.labels(route, status).inc()
            self.seconds.labels(route).observe(time.perf_counter() - begun)
