"""The routes of the HTTP API; each asks the :class:`omlzoo.serving.service.Service` that the application holds."""

import secrets
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, Form, HTTPException, Query, Response
from fastapi import Request as HTTPRequest
from fastapi.responses import HTMLResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic_core import to_json

from omlzoo.errors import OmlzooError
from omlzoo.pages.render import search_page
from omlzoo.serving.answers import Request, SearchOptions
from omlzoo.serving.parsing import (
    Box,
    Column,
    Combined,
    Filter,
    Least,
    Number,
    Order,
    RowNumbers,
    Upload,
    Words,
    parse_combine,
    parse_threshold,
    parse_where,
    row_of,
    rows_of,
)
from omlzoo.serving.service import Service
from omlzoo.serving.tokens import COOKIE

__all__ = ["as_json", "router"]


class Picture(Response):
    """A small JPEG."""

    media_type = "image/jpeg"


class Counts(Response):
    """Text for Prometheus."""

    media_type = CONTENT_TYPE_LATEST


REFUSALS = {
    400: "another host name, or a form that cannot be read",
    401: "the token is missing or wrong",
    403: "a web page of another server asks",
    404: "no such row, or its picture is not shown",
    408: "too slow",
    413: "too large",
    415: "not a picture that can be used",
    422: "a field has a wrong value",
    429: "too many requests",
    503: "too much is waiting",
}
REFUSAL = {"type": "object", "properties": {"detail": {"type": "string"}}, "required": ["detail"]}
responses: dict[int | str, dict[str, Any]] = {
    status: {"description": reason, "content": {"application/json": {"schema": REFUSAL}}}
    for status, reason in REFUSALS.items()
}
router = APIRouter(responses=responses)


async def _service_of(request: HTTPRequest) -> Service:
    service: Service = request.app.state.service
    return service


def as_json(answer: dict[str, Any]) -> Response:
    """What FastAPI makes of an answer, without the check that each of its values is one of JSON: ours are."""
    return Response(to_json(answer, inf_nan_mode="null"), media_type="application/json")


Asked = Annotated[Service, Depends(_service_of)]


@router.get("/", response_class=HTMLResponse)
async def page(service: Asked, request: HTTPRequest, given: Annotated[str, Query(alias="token")] = "") -> Response:
    """The search page; if the address has the token, the answer sets a cookie with it."""
    answer = HTMLResponse(search_page(service.index.embeddings.record.model))
    token = request.app.state.token
    if token is not None and secrets.compare_digest(given.encode(), token.encode()):
        answer.set_cookie(COOKIE, given, httponly=True, samesite="strict")
    return answer


@router.get("/health")
async def health(service: Asked) -> dict[str, Any]:
    """That the server answers, and the number of rows of its index."""
    return {"status": "ok", "rows": service.index.size}


@router.get("/facts")
async def facts(service: Asked) -> dict[str, Any]:
    """Model, index, filters and limits."""
    return await service.in_turn(service.facts)


@router.post("/embed", response_model=dict[str, Any])
async def embed(service: Asked, image: Upload = None, text: Words = None, box: Box = None) -> Response:
    """The vector of a picture or of a text."""
    if (image is None) == (text is None):
        raise HTTPException(422, "give either image, a picture, or text, words")
    request = Request(text=service.words(text)) if image is None else Request(await service.pixels(image, box))
    vector, record = await service.answer(request), service.index.embeddings.record
    return as_json({"vector": vector.tolist(), "dim": record.dim, "model": record.model, "sha256": record.sha256})


@router.post("/search", response_model=dict[str, Any])
async def search(
    service: Asked,
    image: Upload = None,
    item: Annotated[int | None, Form()] = None,
    text: Words = None,
    box: Box = None,
    k: Number = 12,
    threshold: Least = None,
    where: Filter = None,
    rerank: Order = None,
    combine: Combined = None,
    items: RowNumbers = None,
    negatives: RowNumbers = None,
    distinct: Column = None,
) -> Response:
    """The nearest rows to a picture, to a row, or to a text; or to several of them and further rows, as one query."""
    together = parse_combine(combine, bool(items or negatives))
    absent = [image, item, text].count(None)
    if together is None and absent != 2:
        raise HTTPException(422, "give either image, a picture, or item, the number of a row, or text, words")
    if together is not None and ((absent == 3 and not items) or (image is not None and item is not None)):
        raise HTTPException(422, "combine takes image or item, with or without text and items, or one of these alone")
    if k > service.limits.hits:
        raise HTTPException(422, f"k is {k}; it must be at most {service.limits.hits}")
    columns, index = parse_where(where), service.index
    further, against = rows_of(index, items), rows_of(index, negatives)
    filters = None if columns is None else tuple(columns.items())
    options = SearchOptions(k, filters, parse_threshold(threshold), rerank or None, together, distinct or None)
    request = Request(
        pixels=None if image is None else await service.pixels(image, box),
        vector=None if item is None else index.embeddings.vectors[row_of(index, item)],
        text=None if text is None else service.words(text), options=options, items=further,
        negatives=against,
    )  # fmt: skip
    return as_json(await service.answer(request))


@router.get("/items")
async def items(
    service: Asked,
    start: Annotated[int, Query(ge=0)] = 0,
    count: Annotated[int, Query(ge=1, le=1000)] = 50,
    where: str | None = None,
) -> dict[str, Any]:
    """Rows of the index, a page at a time."""
    columns = parse_where(where) or {}

    def page() -> dict[str, Any]:
        selected = service.index.rows.select(columns)
        rows = np.flatnonzero(selected.rows)
        shown = service.row_facts[rows[start : start + count]]
        return {"count": len(rows), "items": shown, "notices": list(selected.notices)}

    return await service.in_turn(page)


@router.get("/items/{row}")
async def item(service: Asked, row: int) -> dict[str, Any]:
    """One row of the index."""
    return service.row_facts[np.array([row_of(service.index, row)])][0]


@router.get("/items/{row}/picture", response_class=Picture)
async def picture(service: Asked, row: int) -> Response:
    """The picture of a row, as a small JPEG."""
    try:
        shown = row_of(service.index, row)
        content = await service.in_turn(lambda: service.pictures.small(shown))
    except OmlzooError as error:
        raise HTTPException(404, f"row {row} has no picture that can be shown") from error
    return Picture(content, headers={"Cache-Control": "private, max-age=3600"})


@router.get("/metrics", response_class=Counts)
async def metrics(service: Asked) -> Response:
    """Counts and durations of requests, for Prometheus."""
    return Counts(generate_latest(service.registry))
