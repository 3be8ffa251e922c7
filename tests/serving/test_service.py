"""The service behind the routes: requests that differ are answered together, and one's error is its own."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fastapi import FastAPI
from fastapi.testclient import TestClient
from toys import toy

import omlzoo
from omlzoo.errors import BadInput
from omlzoo.index.index import Index
from omlzoo.serving.answers import Request, SearchOptions, answers
from omlzoo.serving.application import application
from omlzoo.serving.batching import Busy
from omlzoo.serving.limits import Limits
from omlzoo.serving.monitoring import ENCODED
from omlzoo.serving.routes import as_json, router
from omlzoo.serving.service import TURNS, Service


@pytest.fixture(scope="module")
def index(drawn: Path) -> Index:
    return omlzoo.build_index(omlzoo.embed(toy("resnet_toy"), drawn, progress=False))


def test_many_requests_are_answered_in_one_pass_each_as_if_it_were_alone(index: Index) -> None:
    service = Service(index, Limits())
    files = index.table().files()[:2]
    pixels, errors = service.pipeline.decode([(file, None) for file in files])
    assert errors == ["", ""]
    one, two = SearchOptions(1, None, None), SearchOptions(3, (("label", "no such label"),), None)
    unknown = SearchOptions(1, (("colour", "red"),), None)
    vector = index.embeddings.vectors[5]
    batch = [Request(pixels=pixels[0], options=one), Request(pixels=pixels[1]), Request(vector=vector, options=one),
             Request(vector=vector, options=two), Request(vector=vector, options=unknown)]  # fmt: skip
    found = answers(index, service.encoder, service.row_facts, batch)
    assert [hit["id"] for hit in found[0]["hits"]] == [0]
    assert np.allclose(found[1], index.embeddings.vectors[1], atol=1e-5)
    assert [hit["id"] for hit in found[2]["hits"]] == [5]
    assert found[3]["hits"] == []
    assert isinstance(found[4], LookupError), "an unknown column is the error of the request that names it"


def test_facts_offer_columns_with_few_values(index: Index) -> None:
    facts = Service(index, Limits()).facts()
    assert facts["rows"] == index.size
    assert "path" not in facts["filters"]
    assert facts["texts"] is False


def test_texts_are_refused_for_a_model_that_reads_none(index: Index) -> None:
    with pytest.raises(Exception, match="has no text tower"):
        Service(index, Limits()).words("red shoes")
    with pytest.raises(BadInput, match="runtime is 'tensorrt'"):
        Service(index, Limits(), runtime="tensorrt")  # type: ignore[arg-type]


def test_every_route_of_the_interface_is_there_once() -> None:
    paths = [(sorted(route.methods), route.path) for route in router.routes]  # type: ignore[attr-defined]
    assert len(paths) == len({str(path) for path in paths})
    assert {path for _, path in paths} == {
        "/", "/health", "/facts", "/embed", "/search", "/items", "/items/{row}", "/items/{row}/picture", "/metrics",
    }  # fmt: skip


def test_whoever_waits_too_long_for_a_turn_is_told_to_come_back(index: Index) -> None:
    """Few pictures are decoded at the same time, which bounds the memory."""
    service = Service(index, Limits(seconds=0.2))
    done: list[int] = []

    async def ask() -> None:
        gate = threading.Event()
        slow = [asyncio.create_task(service.in_turn(gate.wait)) for _ in range(TURNS)]
        await asyncio.sleep(0.05)
        with pytest.raises(Busy):
            await service.in_turn(lambda: done.append(1))
        gate.set()
        assert await asyncio.gather(*slow) == [True] * TURNS
        await service.in_turn(lambda: done.append(2))

    asyncio.run(ask())
    assert done == [2]


def test_a_message_does_not_repeat_a_field_that_is_long(index: Index) -> None:
    with TestClient(application(index)) as client:
        for field in ("box", "threshold", "text", "item", "k", "where"):
            answer = client.post("/search", data={"item": "1", field: "x" * 100_000})
            assert (answer.status_code, isinstance(answer.json()["detail"], str)) == (422, True), field
            assert field in answer.json()["detail"] or field == "text"
            assert len(answer.content) < 300


def test_choices_are_kept_until_the_table_changes(index: Index) -> None:
    facts = Service(index, Limits()).row_facts
    assert facts.choices() is facts.choices()
    assert facts.choices()["label"] == sorted(index.embeddings.table["label"].unique())


def test_answers_carry_headers_that_keep_a_browser_safe() -> None:
    assert {name for name, _ in ENCODED} >= {
        b"content-security-policy", b"x-content-type-options", b"cross-origin-resource-policy",
    }  # fmt: skip


def test_answers_are_written_as_fastapi_writes_them(index: Index) -> None:
    """Bytes for bytes, without its walk through every value."""
    answer = {"hits": [{"label": "größe \u2028 \"x\"", "score": 1e-7, "id": 3, "price": float("nan"), "far": 2.5e20,
                        "none": None, "yes": True}], "is_known": None, "notices": []}  # fmt: skip
    app = FastAPI()

    @app.get("/plain")
    async def plain() -> dict[str, Any]:
        return answer

    with TestClient(app) as client:
        theirs = client.get("/plain")
    ours = as_json(answer)
    assert (ours.body, ours.headers["content-type"]) == (theirs.content, theirs.headers["content-type"])
    with TestClient(application(index)) as client:
        found = client.post("/search", data={"item": "1", "k": "2"})
        assert found.headers["content-type"] == "application/json"
        assert found.json()["hits"][0]["id"] == 1
        schema = client.get("/openapi.json").json()["paths"]["/search"]["post"]["responses"]["200"]
        assert schema["content"]["application/json"]["schema"]["type"] == "object"


def test_a_request_has_the_threads_that_one_picture_is_worth_and_no_more_than_its_share(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, given = Service(index, Limits()), []
    monkeypatch.setattr(torch, "set_num_threads", given.append)
    service.cores, service.threads = 8, 2
    vector = index.embeddings.vectors[:1]
    for running, size in ((1, 1), (1, 3), (1, 32), (2, 32), (8, 1)):
        service.batcher.running = running
        service._compute([Request(vector=vector[0], options=SearchOptions(1, None, None))] * size)
    assert given == [2, 6, 8, 4, 1]
    assert Service(index, Limits(), runtime="torch").threads <= torch.get_num_threads()
