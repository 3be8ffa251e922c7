"""The HTTP API and the page over one open index."""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from fastapi import FastAPI, File, Form, HTTPException, Query, Request, Response, UploadFile
from fastapi.responses import HTMLResponse, JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from starlette.concurrency import run_in_threadpool

from omlzoo.embeddings import ERROR
from omlzoo.errors import BadImage, OmlzooError
from omlzoo.hits import Hits
from omlzoo.indexed import Index
from omlzoo.pipeline import Pipeline
from omlzoo.serving.batching import Batcher, Busy
from omlzoo.serving.gallery import Gallery, read_upload
from omlzoo.serving.limits import COOKIE, Gate, Limits

__all__ = ["application"]

PAGE = Path(__file__).with_name("page.html")
NOT_OFFERED = ("path", "split", "is_query", "is_gallery", "sequence", "x_1", "x_2", "y_1", "y_2")
CHOICES = 60  # values of a column that the page offers as a filter
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self' blob: data:; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}

Number = Annotated[int, Form(ge=1)]


def application(
    index: Index,
    *,
    limits: Limits | None = None,
    token: str | None = None,
    roots: Sequence[Path] = (),
    hosts: Sequence[str] = (),
) -> FastAPI:
    """The app over an index.

    Args:
        index: Opened; its model is opened too.
        limits: Of size, pixels, rate and time.
        token: Asked for; None: nobody is.
        roots: Folders whose pictures are shown; by default the table's own.
        hosts: Names that a request's Host may have; any by default.
    """
    limits = limits or Limits()
    run = Pipeline.of(index.asker.model(), "bf16" if index.embeddings.record.precision == "bf16" else "fp32", "auto")
    gallery = Gallery(index, roots)
    registry = CollectorRegistry()
    requests = Counter("omlzoo_requests", "Requests", ["route", "status"], registry=registry)
    seconds = Histogram("omlzoo_seconds", "Seconds of a request", ["route"], registry=registry)
    batches = Histogram("omlzoo_batch", "Pictures of a batch", buckets=(1, 2, 4, 8, 16, 32), registry=registry)
    batcher = Batcher(run.vectors, waiting=limits.waiting, seen=batches.observe)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        batcher.start()
        yield
        await batcher.stop()

    app = FastAPI(title="omlzoo", docs_url=None, redoc_url=None, lifespan=lifespan)
    app.add_middleware(Gate, limits=limits, token=token)
    if hosts:
        from starlette.middleware.trustedhost import TrustedHostMiddleware

        app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))

    @app.middleware("http")
    async def count(request: Request, call: Callable[[Request], Awaitable[Response]]) -> Response:
        begun = time.perf_counter()
        response = await call(request)
        route = getattr(request.scope.get("route"), "path", "none")
        requests.labels(route, response.status_code).inc()
        seconds.labels(route).observe(time.perf_counter() - begun)
        response.headers.update(HEADERS)
        return response

    @app.exception_handler(OmlzooError)
    async def refuse(request: Request, error: OmlzooError) -> Response:
        return JSONResponse({"detail": str(error)}, 415 if isinstance(error, BadImage) else 422)

    @app.exception_handler(Busy)
    async def busy(request: Request, error: Busy) -> Response:
        return JSONResponse({"detail": "too much is waiting; try again"}, 503, {"Retry-After": "1"})

    async def vector_of(image: UploadFile, box: str | None) -> np.ndarray:
        content = await image.read()
        sides = _box(box)

        def pixels() -> Any:
            found, errors = run.decode([(read_upload(content, limits.megapixels, sides), None)])
            if errors[0]:
                raise BadImage(errors[0])
            return found[0]

        prepared = await run_in_threadpool(pixels)
        try:
            vector = await asyncio.wait_for(batcher(prepared), limits.seconds)
        except TimeoutError as error:
            raise HTTPException(503, "the model did not answer in time; try again") from error
        full = index.embeddings.record
        return vector if full.full_dim is None else _cut(vector, full.dim, full.normalized)

    @app.get("/", response_class=HTMLResponse)
    async def page(given: Annotated[str, Query(alias="token")] = "") -> Response:
        answer = HTMLResponse(PAGE.read_text(encoding="utf-8"))
        if token is not None and secrets.compare_digest(given.encode(), token.encode()):
            answer.set_cookie(COOKIE, given, httponly=True, samesite="strict")
        return answer

    @app.get("/health")
    async def health() -> dict[str, Any]:
        return {"status": "ok", "rows": index.size}

    @app.get("/facts")
    async def facts() -> dict[str, Any]:
        record = index.embeddings.record
        return {
            "model": record.model, "dim": record.dim, "rows": index.size, "similarity": index.similarity,
            "backend": index.backend, "recall": None if index.recall is None else index.recall.value,
            "thresholds": [] if index.calibration is None else [cut.name for cut in index.calibration.cut_points],
            "filters": _choices(index), "limits": vars(limits),
        }  # fmt: skip

    @app.post("/embed")
    async def embed(image: Annotated[UploadFile, File()], box: Annotated[str | None, Form()] = None) -> dict[str, Any]:
        vector = await vector_of(image, box)
        record = index.embeddings.record
        return {"vector": vector.tolist(), "dim": record.dim, "model": record.model, "sha256": record.sha256}

    @app.post("/search")
    async def search(
        image: Annotated[UploadFile | None, File()] = None,
        item: Annotated[int | None, Form()] = None,
        box: Annotated[str | None, Form(description="left, top, right, bottom in pixels")] = None,
        k: Number = 12,
        threshold: Annotated[str | None, Form(description="a least score or a name of the calibration")] = None,
        where: Annotated[str | None, Form(description='JSON, such as {"category": "boot"}')] = None,
    ) -> dict[str, Any]:
        if (image is None) == (item is None):
            raise HTTPException(422, "give either image, a picture, or item, the number of a row")
        if k > limits.hits:
            raise HTTPException(422, f"k is {k}; it must be at most {limits.hits}")
        if image is not None:
            vector = await vector_of(image, box)
        else:
            vector = index.embeddings.vectors[_row(index, item)]
        hits = await run_in_threadpool(
            index.search, vector[None], k, where=_columns(where), threshold=_threshold(threshold)
        )
        return _answer(hits)

    @app.get("/items")
    async def items(
        start: Annotated[int, Query(ge=0)] = 0,
        count: Annotated[int, Query(ge=1, le=1000)] = 50,
        where: str | None = None,
    ) -> dict[str, Any]:
        from omlzoo.filters import matching

        keep = index.embeddings.good & matching(index.embeddings.table, _columns(where) or {})
        rows = np.flatnonzero(keep)
        shown = rows[start : start + count]
        return {"count": len(rows), "items": [_item(index, int(row)) for row in shown]}

    @app.get("/items/{row}")
    async def item(row: int) -> dict[str, Any]:
        return _item(index, _row(index, row))

    @app.get("/items/{row}/picture")
    async def picture(row: int) -> Response:
        try:
            content = await run_in_threadpool(gallery.small, _row(index, row))
        except OmlzooError as error:
            raise HTTPException(404, f"row {row} has no picture that can be shown") from error
        return Response(content, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return app


def _answer(hits: Hits) -> dict[str, Any]:
    chances, accepted = hits.probabilities, hits.accepted
    found = []
    for place, row in enumerate(hits.ids[0].tolist()):
        if row < 0:
            continue
        hit = {"score": float(hits.scores[0, place]), **_item(hits.index, row)}
        if chances is not None:
            hit["probability"] = float(chances[0, place])
        if accepted is not None:
            hit["accepted"] = bool(accepted[0, place])
        found.append(hit)
    known = hits.is_known
    return {"hits": found, "is_known": None if known is None else bool(known[0])}


def _item(index: Any, row: int) -> dict[str, Any]:
    facts = index.embeddings.table.iloc[row].drop(ERROR)
    kept = {str(name): _plain(value) for name, value in facts.items()}
    return {"id": row, **kept, "picture": f"/items/{row}/picture"}


def _plain(value: Any) -> Any:
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _row(index: Index, row: int | None) -> int:
    if row is None or not 0 <= row < len(index.embeddings) or not index.embeddings.good[row]:
        raise HTTPException(404, f"there is no row {row}")
    return row


def _box(text: str | None) -> tuple[int, int, int, int] | None:
    if not text:
        return None
    try:
        left, top, right, bottom = (round(float(part)) for part in text.split(","))
    except (ValueError, OverflowError) as error:
        raise HTTPException(422, f"box is {text[:80]!r}; it must be left,top,right,bottom in pixels") from error
    return left, top, right, bottom


def _columns(text: str | None) -> dict[str, Any] | None:
    if not text:
        return None
    try:
        columns = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise HTTPException(422, f"where is {text[:80]!r}; it must be a JSON object") from error
    if not isinstance(columns, dict):
        raise HTTPException(422, f"where is {text[:80]!r}; it must be a JSON object")
    return columns or None


def _threshold(text: str | None) -> float | str | None:
    try:
        return float(text) if text else None
    except ValueError:
        return text


def _cut(vector: np.ndarray, dim: int, normalized: bool) -> np.ndarray:
    short = vector[:dim]
    return short / max(float(np.linalg.norm(short)), 1e-12) if normalized else short


def _choices(index: Index) -> dict[str, list[str]]:
    """Columns with few values, and these."""
    frame = index.embeddings.table[index.embeddings.good]
    found = {}
    for name in frame.columns.drop(ERROR):
        if name in NOT_OFFERED:
            continue
        values = frame[name].dropna().astype(str).unique()
        if 1 < len(values) <= CHOICES:
            found[str(name)] = sorted(values)
    return found
