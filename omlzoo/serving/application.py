"""The HTTP API and the page over one open index."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from fastapi import FastAPI, File, Form, HTTPException, Query, Response, UploadFile
from fastapi import Request as HTTPRequest
from fastapi.responses import HTMLResponse, JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Histogram, generate_latest
from starlette.concurrency import run_in_threadpool

from omlzoo.embedding.embeddings import ERROR
from omlzoo.embedding.extraction import Runtime, pipeline_of
from omlzoo.embedding.pipeline import Precision
from omlzoo.errors import BadImage, OmlzooError, notice
from omlzoo.index.index import Index
from omlzoo.serving.answers import OWN, Request, SearchOptions, answers
from omlzoo.serving.batching import Batcher, Busy
from omlzoo.serving.limits import COOKIE, Gate, Limits
from omlzoo.serving.monitoring import Monitoring
from omlzoo.serving.pictures import Pictures, read_upload
from omlzoo.serving.row_facts import RowFacts

__all__ = ["application"]

PAGE = Path(__file__).with_name("page.html")
NOT_OFFERED = ("path", "split", "is_query", "is_gallery", "sequence", "x_1", "x_2", "y_1", "y_2")
DECODERS = 4  # pictures decoded at once, whose memory this bounds
CHOICES = 60  # values of a column that the page offers as a filter

Number = Annotated[int, Form(ge=1)]
Words = Annotated[str | None, Form(max_length=2000, description="for a model with a text tower")]


def application(
    index: Index,
    *,
    limits: Limits | None = None,
    token: str | None = None,
    roots: Sequence[Path] = (),
    hosts: Sequence[str] = (),
    runtime: Runtime = "torch",
) -> FastAPI:
    """The app over an index.

    Args:
        index: Opened; its model is opened too.
        limits: Of size, pixels, rate and time.
        token: Asked for; None: nobody is.
        roots: Folders whose pictures are shown; by default the table's own.
        hosts: Names that a request's Host may have; any by default.
        runtime: "torch", or "onnx": ONNX Runtime, see :func:`omlzoo.embed`.
    """
    limits = limits or Limits()
    precision: Precision = "bf16" if index.embeddings.record.precision == "bf16" else "fp32"
    run = pipeline_of(index.encoder.model(), precision, "auto" if runtime == "torch" else "cpu", False, runtime)
    gallery, facts_of, reads_texts = Pictures(index, roots), RowFacts(index), _reads_texts(index)
    hidden = [name for name in OWN if name in index.embeddings.table]
    if hidden:
        said = f"the table's columns {', '.join(hidden)} are not shown: answers have keys of these names of their own"
        notice(said)
    decoding = asyncio.Semaphore(DECODERS)
    registry = CollectorRegistry()
    batches = Histogram("omlzoo_batch", "Pictures of a batch", buckets=(1, 2, 4, 8, 16, 32), registry=registry)
    cores = torch.get_num_threads()

    def compute(batch: Sequence[Request]) -> list[Any]:
        share = cores // max(1, batcher.running)  # batches that are computed at once share the cores
        torch.set_num_threads(max(1, share))  # of this thread
        return answers(index, facts_of, run, batch)

    workers = cores if run.device.type == "cpu" else 1
    batcher = Batcher(compute, waiting=limits.waiting, workers=workers, seen=batches.observe)

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
    app.add_middleware(Monitoring, registry=registry)

    @app.exception_handler(OmlzooError)
    async def refuse(request: HTTPRequest, error: OmlzooError) -> Response:
        return JSONResponse({"detail": str(error)}, 415 if isinstance(error, BadImage) else 422)

    @app.exception_handler(Busy)
    async def busy(request: HTTPRequest, error: Busy) -> Response:
        return JSONResponse({"detail": "too much is waiting; try again"}, 503, {"Retry-After": "1"})

    async def pixels_of(image: UploadFile, box: str | None) -> Any:
        content = await image.read()
        sides = _box(box)

        def prepare() -> Any:
            found, errors = run.decode([(read_upload(content, limits.megapixels, sides), None)])
            if errors[0]:
                raise BadImage(errors[0])
            return found[0]

        if batcher.queue.full():
            raise Busy
        async with decoding:
            return await run_in_threadpool(prepare)

    def words_of(text: str | None) -> str:
        if not reads_texts:
            raise HTTPException(422, f"{index.embeddings.record.model} has no text tower; give image or item")
        words = (text or "").encode("utf-8", "replace").decode()  # half of a surrogate pair is no text
        if not index.encoder.text_model().tokens.has_words(words):  # else it would fail the batch it is in
            raise HTTPException(422, f"the text {words[:80]!r} has no words; describe what to look for")
        return words

    async def ask(asked: Request) -> Any:
        try:
            return await asyncio.wait_for(batcher(asked), limits.seconds)
        except TimeoutError as error:
            raise HTTPException(503, "the model did not answer in time; try again") from error

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
            "filters": _choices(index), "limits": vars(limits), "texts": reads_texts,
        }  # fmt: skip

    @app.post("/embed")
    async def embed(
        image: Annotated[UploadFile | None, File()] = None,
        text: Words = None,
        box: Annotated[str | None, Form()] = None,
    ) -> dict[str, Any]:
        if (image is None) == (text is None):
            raise HTTPException(422, "give either image, a picture, or text, words")
        vector = await ask(Request(text=words_of(text)) if image is None else Request(await pixels_of(image, box)))
        record = index.embeddings.record
        return {"vector": vector.tolist(), "dim": record.dim, "model": record.model, "sha256": record.sha256}

    @app.post("/search")
    async def search(
        image: Annotated[UploadFile | None, File()] = None,
        item: Annotated[int | None, Form()] = None,
        text: Words = None,
        box: Annotated[str | None, Form(description="left, top, right, bottom in pixels")] = None,
        k: Number = 12,
        threshold: Annotated[str | None, Form(description="a least score or a name of the calibration")] = None,
        where: Annotated[str | None, Form(description='JSON, such as {"category": "boot"}')] = None,
    ) -> dict[str, Any]:
        if [image, item, text].count(None) != 2:
            raise HTTPException(422, "give either image, a picture, or item, the number of a row, or text, words")
        if k > limits.hits:
            raise HTTPException(422, f"k is {k}; it must be at most {limits.hits}")
        columns = _columns(where)
        wish = SearchOptions(k, None if columns is None else tuple(columns.items()), _threshold(threshold))
        if image is not None:
            found: dict[str, Any] = await ask(Request(pixels=await pixels_of(image, box), wish=wish))
        elif text is not None:
            found = await ask(Request(text=words_of(text), wish=wish))
        else:
            found = await ask(Request(vector=index.embeddings.vectors[_row(index, item)], wish=wish))
        return found

    @app.get("/items")
    async def items(
        start: Annotated[int, Query(ge=0)] = 0,
        count: Annotated[int, Query(ge=1, le=1000)] = 50,
        where: str | None = None,
    ) -> dict[str, Any]:
        from omlzoo.data.filters import matching

        keep = index.embeddings.good & matching(index.embeddings.table, _columns(where) or {})
        rows = np.flatnonzero(keep)
        shown = rows[start : start + count]
        return {"count": len(rows), "items": facts_of[shown]}

    @app.get("/items/{row}")
    async def item(row: int) -> dict[str, Any]:
        return facts_of[np.array([_row(index, row)])][0]

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


def _reads_texts(index: Index) -> bool:
    """Whether texts can be searched for; the tower is opened now, not at the first request."""
    if not index.encoder.reads_texts:
        return False
    try:
        index.encoder.text_model()
    except OmlzooError as error:
        notice(f"texts are not searched for: {error}")
        return False
    return True


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
        json.dumps(columns, ensure_ascii=False).encode()  # half of a surrogate pair is no text
    except (ValueError, RecursionError) as error:
        raise HTTPException(422, f"where is {text[:80]!r}; it must be a JSON object") from error
    if not isinstance(columns, dict):
        raise HTTPException(422, f"where is {text[:80]!r}; it must be a JSON object")
    kept = {name: tuple(map(str, value)) if isinstance(value, list) else str(value) for name, value in columns.items()}
    return kept or None


def _threshold(text: str | None) -> float | str | None:
    try:
        return float(text) if text else None
    except ValueError:
        return text


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
