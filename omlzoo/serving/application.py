"""The application over one open index: its routes, its limits, and how errors become answers."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Response
from fastapi import Request as HTTPRequest
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from omlzoo.embedding.options import Runtime
from omlzoo.errors import BadImage, OmlzooError
from omlzoo.index.index import Index
from omlzoo.serving.batching import Busy
from omlzoo.serving.gate import Gate
from omlzoo.serving.heads import HeadAsGet
from omlzoo.serving.limits import Limits
from omlzoo.serving.monitoring import Monitoring
from omlzoo.serving.routes import router
from omlzoo.serving.service import Service
from omlzoo.serving.tokens import check_token

__all__ = ["application", "front", "routed"]


def application(
    index: Index,
    *,
    limits: Limits | None = None,
    token: str | None = None,
    roots: Sequence[Path] = (),
    hosts: Sequence[str] = (),
    runtime: Runtime = "torch",
) -> FastAPI:
    """The web application over one open index.

    Args:
        index: An open index; its model is opened by this call.
        limits: Limits of size, pixels, rate and time; those of :class:`omlzoo.serving.limits.Limits` by default.
        token: The token that every client has to give; None lets everyone in.
        roots: Folders whose pictures are shown, see :class:`omlzoo.serving.pictures.Pictures`.
        hosts: Names that the Host header of a request may have; any by default.
        runtime: "torch", or "onnx": ONNX Runtime, see :func:`omlzoo.embed`.

    Raises:
        BadInput: The token cannot be sent by every client.
    """
    check_token(token)
    limits = limits or Limits()
    service = Service(index, limits, roots, runtime)
    app = routed(service, token)
    _guard(app, limits, token, hosts, service.registry)
    return app


def routed(service: Service, token: str | None) -> FastAPI:
    """The routes of a service, without what guards them.

    Args:
        service: The service, which starts and stops with the application.
        token: The token that the page sets as a cookie.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.batcher.start()
        yield
        await service.batcher.stop()

    app = FastAPI(title="omlzoo", docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.service, app.state.token = service, token
    app.include_router(router)
    app.add_exception_handler(OmlzooError, _refused)
    app.add_exception_handler(Busy, _busy)
    app.add_exception_handler(RequestValidationError, _not_understood)
    return app


def front(answering: ASGIApp, limits: Limits, token: str | None, hosts: Sequence[str]) -> Starlette:
    """The same guards before an application elsewhere, and the counts of all that passes them.

    Args:
        answering: Answers every path but "/metrics".
        limits: The limits of a client.
        token: The token that every client has to give; None lets everyone in.
        hosts: Names that the Host header of a request may have; any where there are none.
    """
    registry = CollectorRegistry()

    async def metrics(request: HTTPRequest) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    app = Starlette(routes=[Route("/metrics", metrics), Mount("/", answering)])
    _guard(app, limits, token, hosts, registry)
    return app


def _guard(
    app: Starlette, limits: Limits, token: str | None, hosts: Sequence[str], registry: CollectorRegistry
) -> None:
    app.add_middleware(HeadAsGet)
    app.add_middleware(Gate, limits=limits, token=token)
    if hosts:
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))
    app.add_middleware(Monitoring, registry=registry)


async def _refused(request: HTTPRequest, error: Exception) -> Response:
    return JSONResponse({"detail": str(error)}, 415 if isinstance(error, BadImage) else 422)


async def _busy(request: HTTPRequest, error: Exception) -> Response:
    return JSONResponse({"detail": "too much is waiting; try again"}, 503, {"Retry-After": "1"})


async def _not_understood(request: HTTPRequest, error: Exception) -> Response:
    """One line that names the first wrong field; the field itself may be as long as a request and is not repeated."""
    first = error.errors()[0] if isinstance(error, RequestValidationError) else {"loc": ("request",), "msg": str(error)}
    return JSONResponse({"detail": f"{first['loc'][-1]}: {first['msg']}"}, 422)
