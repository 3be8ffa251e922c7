"""The server answers what the index answers, and refuses what is large, slow, hostile or outside."""

import asyncio
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from calibrations import CALIBRATION
from fastapi.testclient import TestClient
from loopback_hub import LoopbackHub
from PIL import Image
from text_entries import publish, with_text
from toys import toy

import omlzoo
from omlzoo.data.images import to_rgb
from omlzoo.errors import BadInput, OmlzooWarning
from omlzoo.index.index import Index
from omlzoo.serving import connections
from omlzoo.serving import server as serving
from omlzoo.serving.addresses import check_address
from omlzoo.serving.application import application
from omlzoo.serving.batching import Batcher, Busy
from omlzoo.serving.limits import Limits
from omlzoo.serving.pictures import check_upload
from omlzoo.serving.row_facts import RowFacts

FREE = Limits(per_second=1e6, burst=10**6)


@pytest.fixture(scope="module")
def folder(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index with a calibration, made by the command's own steps."""
    place = tmp_path_factory.mktemp("served")
    toy("vit_toy").save(place / "m")
    table = pd.read_csv(drawn).assign(category=lambda rows: np.where(pd.factorize(rows["label"])[0] % 2, "odd", "even"))
    table.to_csv(drawn.parent / "served.csv", index=False)
    embeddings = omlzoo.embed(omlzoo.get_model(str(place / "m"), normalize=True), drawn.parent / "served.csv")
    record, cut = embeddings.record, replace(CALIBRATION.cut_points[0], value=0.004)
    calibration = replace(CALIBRATION, sha256=record.sha256, preprocess_hash=record.preprocess_hash, cut_points=(cut,))
    omlzoo.build_index(embeddings, calibration=calibration).save(place / "index")
    return place / "index"


@pytest.fixture(scope="module")
def index(folder: Path) -> Index:
    return omlzoo.open_index(folder)


@pytest.fixture
def client(index: Index) -> Iterator[TestClient]:
    with TestClient(application(index, limits=FREE), client=("127.0.0.1", 50000)) as opened:
        yield opened


def jpeg(image: Image.Image, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def first(index: Index) -> bytes:
    return index.table().files()[0].read_bytes()


def test_search_is_the_indexs_own(client: TestClient, index: Index) -> None:
    wanted = index.search(index.table().files()[0], k=5, threshold="far=0.001", where={"category": "odd"})
    form = {"k": "5", "threshold": "far=0.001", "where": '{"category": "odd"}'}
    found = client.post("/search", files={"image": first(index)}, data=form).json()
    assert [hit["id"] for hit in found["hits"]] == wanted.ids[0].tolist()
    assert [hit["score"] for hit in found["hits"]] == pytest.approx(wanted.scores[0].tolist(), abs=1e-5)
    assert [hit["accepted"] for hit in found["hits"]] == wanted.accepted[0].tolist()  # type: ignore[index]
    assert found["is_known"] == bool(wanted.is_known[0])  # type: ignore[index]
    assert found["hits"][0]["category"] == "odd"
    again = client.post("/search", data={"item": 7, "k": 1}).json()["hits"][0]
    assert again["id"] == 7
    assert client.get(f"/items/{again['id']}").json()["path"] == index.embeddings.table["path"][7]


def test_a_value_that_no_row_has_is_said_in_the_answer(client: TestClient) -> None:
    found = client.post("/search", data={"item": 1, "k": 1, "where": '{"category": "evan"}'}).json()
    assert (found["hits"], found["notices"]) == ([], ["no row has category 'evan'; the nearest is 'even'"])
    listed = client.get("/items", params={"where": '{"category": "evan"}'}).json()
    assert (listed["count"], listed["notices"]) == (0, found["notices"])
    assert client.post("/search", data={"item": 1, "k": 1, "where": '{"category": "even"}'}).json()["notices"] == []
    refused = client.post("/search", data={"item": 1, "where": '{"category": {"a": 1}}'})
    assert (refused.status_code, "must be a text, a number" in refused.json()["detail"]) == (422, True)
    page = client.get("/").text
    assert "found.notices.join" in page


def test_embed_and_boxes(client: TestClient, index: Index) -> None:
    whole = client.post("/embed", files={"image": first(index)}).json()
    assert whole["vector"] == pytest.approx(index.embeddings.vectors[0].tolist(), abs=1e-5)
    assert (whole["dim"], whole["sha256"]) == (index.embeddings.record.dim, index.embeddings.record.sha256)
    picture = Image.open(io.BytesIO(first(index)))
    part = client.post("/embed", files={"image": first(index)}, data={"box": "4,5,30,40"}).json()["vector"]
    cut = client.post("/embed", files={"image": jpeg(picture.crop((4, 5, 30, 40)))}).json()["vector"]
    assert part == pytest.approx(cut, abs=1e-5)
    assert np.abs(np.array(part) - whole["vector"]).max() > 1e-3


@pytest.fixture
def worded(hub: LoopbackHub, tmp_path: Path, drawn: Path) -> Index:
    """An index of a model that reads texts."""
    with_text(publish(hub, f"served/{tmp_path.name}", 16)[0], tmp_path / "m")
    omlzoo.build_index(omlzoo.embed(str(tmp_path / "m"), drawn, progress=False)).save(tmp_path / "index")
    return omlzoo.open_index(tmp_path / "index")


def test_texts_are_answered_as_the_index_does(worded: Index) -> None:
    with TestClient(application(worded, limits=FREE)) as client:
        assert client.get("/facts").json()["texts"] is True
        wanted = worded.search("red shoe", k=3)
        hits = client.post("/search", data={"text": "red shoe", "k": "3"}).json()["hits"]
        assert [hit["id"] for hit in hits] == wanted.ids[0].tolist()
        assert [hit["score"] for hit in hits] == pytest.approx(wanted.scores[0].tolist())
        vector = client.post("/embed", data={"text": "red shoe"}).json()["vector"]
        assert vector == pytest.approx(worded.encoder.encode_texts(["red shoe"]).vectors[0].tolist())
        for empty in ("!!!", "&nbsp;", "\t"):
            answer = client.post("/search", data={"text": empty})
            assert (answer.status_code, "has no words" in answer.json()["detail"]) == (422, True)
        assert client.post("/search", data={"text": "x" * 3000}).status_code == 422
        answer = client.post("/search", data={"text": "red", "threshold": "far=1e-3"})
        assert "for a text give a least score" in answer.json()["detail"]
        assert client.post("/search", data={"text": "red", "item": "1"}).status_code == 422


def test_texts_are_refused_where_nothing_reads_them(client: TestClient) -> None:
    assert client.get("/facts").json()["texts"] is False
    for path in ("/search", "/embed"):
        answer = client.post(path, data={"text": "red shoe"})
        assert (answer.status_code, "has no text tower" in answer.json()["detail"]) == (422, True)


def test_a_tower_that_cannot_be_had_is_said_and_pictures_are_served(worded: Index, hub: LoopbackHub) -> None:
    hub.files.clear()
    with pytest.warns(OmlzooWarning, match="texts are not searched for: .*text: "):
        app = application(worded, limits=FREE)
    with TestClient(app) as client:
        assert client.get("/facts").json()["texts"] is False
        assert client.post("/search", data={"item": "0", "k": "1"}).json()["hits"][0]["id"] == 0


def test_items_pages_and_facts(client: TestClient, index: Index) -> None:
    found = client.get("/items", params={"start": 3, "count": 2, "where": '{"category": "even"}'}).json()
    even = np.flatnonzero(index.embeddings.table["category"] == "even")
    assert found["count"] == len(even)
    assert [item["id"] for item in found["items"]] == even[3:5].tolist()
    facts = client.get("/facts").json()
    assert facts["filters"]["category"] == ["even", "odd"]
    assert facts["thresholds"] == [cut.name for cut in index.calibration.cut_points]  # type: ignore[union-attr]
    small = client.get("/items/3/picture")
    assert Image.open(io.BytesIO(small.content)).format == "JPEG"
    page = client.get("/")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "http://" not in page.text.replace("http://www.w3.org", "")
    assert "/search" in client.get("/openapi.json").json()["paths"]
    assert 'omlzoo_requests_total{route="/items",status="200"} 1.0' in client.get("/metrics").text


@pytest.mark.parametrize(
    ("form", "status", "said"),
    [
        ({}, 422, "give either image"), ({"item": "999999"}, 404, "no row"), ({"item": "-1"}, 404, "no row"),
        ({"item": "x"}, 422, "integer"), ({"item": "1", "k": "0"}, 422, "greater"), ({"item": "1", "k": "100000"}, 422, "at most 200"),
        ({"item": "1", "where": "{"}, 422, "JSON"), ({"item": "1", "where": "[1]"}, 422, "JSON object"),
        ({"item": "1", "where": '{"colour": 1}'}, 422, "no 'colour'"), ({"item": "1", "threshold": "fra=1"}, 422, "no 'fra=1'"),
        ({"item": "1", "where": "[" * 100_000}, 422, "JSON"), ({"item": "1", "where": '{"category": "\\ud800"}'}, 422, "JSON"),
    ],
)  # fmt: skip
def test_wrong_requests_are_told_why(client: TestClient, form: dict[str, str], status: int, said: str) -> None:
    answer = client.post("/search", data=form)
    assert (answer.status_code, said in answer.text) == (status, True), answer.text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no picture",
        b"\xff\xd8\xff\xe0" + b"x" * 2000,
        b"<svg/>",
        b"GIF89a",
        b"\x89PNG\r\n\x1a\n" + b"\0" * 50,
        b"%PDF-1.4",
    ],
)
def test_what_is_no_picture_is_refused(client: TestClient, content: bytes) -> None:
    answer = client.post("/search", files={"image": content})
    assert answer.status_code == 415, answer.text


def test_large_pictures_requests_and_boxes_are_refused(index: Index) -> None:
    limits = replace(FREE, megabytes=0.3, megapixels=1)
    with TestClient(application(index, limits=limits)) as client:
        bomb = jpeg(Image.new("1", (12_000, 12_000)))
        assert len(bomb) < 3e5
        assert "12000 x 12000 pixels; at most 1 million" in client.post("/embed", files={"image": bomb}).text
        assert client.post("/embed", files={"image": b"0" * 400_000}).status_code == 413

        huge = replace(limits, megapixels=50, decoded_megabytes=1)
        with TestClient(application(index, limits=huge)) as small:
            answer = small.post("/embed", files={"image": jpeg(Image.new("RGB", (600, 600)))})
            assert (answer.status_code, "take 4 bytes each, 1.44 million; at most 1 million" in answer.text) == (
                415,
                True,
            )

        def chunks() -> Iterator[bytes]:  # without a length
            for _ in range(10):
                yield b"0" * 100_000

        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        assert client.post("/embed", content=chunks(), headers=kind).status_code == 413
        for box in ("1,2,3", "a,b,c,d", "0,0,99999,5", "5,5,1,1", "nan,0,1,1", "1e400,0,1,1"):
            assert client.post("/embed", files={"image": first(index)}, data={"box": box}).status_code in (415, 422), (
                box
            )
        assert client.post("/embed", files={"image": first(index)}).status_code == 200


def test_a_token_is_asked_for_everywhere_but_health_and_the_page(index: Index) -> None:
    with TestClient(application(index, limits=FREE, token="secret")) as client:
        assert client.get("/health").status_code == 200
        assert client.get("/").status_code == 200
        for path in ("/facts", "/items", "/items/1/picture", "/metrics", "/openapi.json", "/nothing"):
            assert client.get(path).status_code == 401, path
        assert client.get("/facts", headers={"Authorization": "Bearer wrong"}).status_code == 401
        assert client.get("/facts", headers={"Authorization": "Bearer secret"}).status_code == 200
        assert "set-cookie" not in client.get("/?token=wrong").headers
        cookie = client.get("/?token=secret").headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert client.get("/facts").status_code == 200  # the cookie
        client.cookies.clear()
        odd = {"Cookie": "a/b=1; c{d}=2; omlzoo_token=secret"}  # of another server on this machine
        assert client.get("/facts", headers=odd).status_code == 200
        assert client.get("/facts", headers={"Cookie": "a/b=1"}).status_code == 401
    with pytest.raises(BadInput, match=r"host 0.0.0.0 can be reached by others; give --token"):
        check_address("0.0.0.0", 8765, None)


def test_too_many_requests_of_one_address_are_turned_away(index: Index) -> None:
    with TestClient(application(index, limits=replace(FREE, per_second=1, burst=5))) as client:
        answers = [client.get("/health").status_code for _ in range(8)]
    assert answers[:5] == [200] * 5
    assert answers[6:] == [429] * 2


def test_no_path_leaves_the_roots(tmp_path: Path) -> None:
    roots, secret = tmp_path / "photos", tmp_path / "secret.png"
    roots.mkdir()
    Image.new("RGB", (20, 20), "red").save(secret)
    Image.new("RGB", (20, 20), "blue").save(roots / "a.png")
    shutil.copy(roots / "a.png", roots / "notes.txt")
    (roots / "link.png").symlink_to(secret)
    (roots / "dir.png").mkdir()
    paths = ["a.png", "../secret.png", "link.png", str(secret), "notes.txt", "dir.png", "gone.png"]
    embeddings = omlzoo.embed(toy("resnet_toy"), [roots / "a.png"] * len(paths))
    embeddings = replace(
        embeddings, table=embeddings.table.assign(path=paths), record=replace(embeddings.record, root=str(roots))
    )
    with TestClient(application(omlzoo.build_index(embeddings), limits=FREE)) as client:
        assert [client.get(f"/items/{row}/picture").status_code for row in range(len(paths))] == [200] + [404] * 6
        for path in (
            "/items/..%2f..%2fetc/passwd",
            "/../../etc/passwd",
            "/items/%2e%2e/picture",
            "/static/../page.html",
        ):
            assert client.get(path).status_code in (404, 422)
    with TestClient(application(omlzoo.build_index(embeddings), limits=FREE, roots=[roots, tmp_path])) as client:
        assert client.get("/items/1/picture").status_code == 200


def test_columns_of_any_kind_and_name_are_answered(tmp_path: Path) -> None:
    for name in ("a", "b"):
        Image.effect_noise((40, 40), 90).convert("RGB").save(tmp_path / f"{name}.png")
    table = pd.DataFrame(
        {"path": ["a.png", "b.png"], "id": ["sku9", "sku8"], "tags": [["x", "y"], []], "size": [1.5, None]}
    )
    omlzoo.embed(toy("vit_toy", normalize=True), table, root=tmp_path).save(tmp_path / "e.parquet")
    embeddings = replace(omlzoo.load_embeddings(tmp_path / "e.parquet"), model=toy("vit_toy", normalize=True))
    with pytest.warns(OmlzooWarning, match="the table's columns id are not shown"):
        app = application(omlzoo.build_index(embeddings), limits=FREE)
    with TestClient(app) as client:
        hits = client.post("/search", data={"item": 1}).json()["hits"]
        assert [(hit["id"], hit["tags"], hit["size"]) for hit in hits] == [(1, [], None), (0, ["x", "y"], 1.5)]


def test_wrong_tokens_use_up_turns(index: Index) -> None:
    with TestClient(application(index, limits=replace(FREE, per_second=0.1, burst=3), token="secret")) as client:
        answers = [client.get("/facts", headers={"Authorization": f"Bearer {i}"}).status_code for i in range(6)]
    assert answers == [401] * 3 + [429] * 3


def test_pictures_of_many_requests_share_a_batch_and_keep_their_places() -> None:
    sizes: list[int] = []
    gate = threading.Event()

    def compute(batch: Any) -> np.ndarray:
        gate.wait(5)
        return np.array([[item * 10] for item in batch])

    async def ask() -> list[int]:
        batcher = Batcher(compute, most=4, waiting=100, seen=sizes.append)
        batcher.start()
        asked = [asyncio.create_task(batcher(item)) for item in range(10)]
        await asyncio.sleep(0.05)
        gate.set()
        rows = await asyncio.gather(*asked)
        await batcher.stop()
        return [int(row[0]) for row in rows]

    assert asyncio.run(ask()) == [item * 10 for item in range(10)]
    assert sizes == [4, 4, 2]


def test_a_batch_that_fails_tells_its_requests_and_a_full_queue_says_busy() -> None:
    def compute(batch: Any) -> np.ndarray:
        if 3 in batch:
            raise RuntimeError("broken")
        return np.zeros((len(batch), 1))

    async def ask() -> None:
        batcher = Batcher(compute, most=1, waiting=2)
        for item in (1, 3):
            task = asyncio.create_task(batcher(item))
            await asyncio.sleep(0)
            if item == 3:
                with pytest.raises(Busy):
                    await batcher(4)
                batcher.start()
                with pytest.raises(RuntimeError, match="broken"):
                    await task
        assert (await batcher(5)).tolist() == [0]
        await batcher.stop()

    asyncio.run(ask())


def test_what_is_being_computed_when_it_stops_is_cancelled() -> None:
    begun, gate = threading.Event(), threading.Event()

    def compute(batch: Any) -> list[int]:
        begun.set()
        gate.wait(10)
        return list(batch)

    async def ask() -> None:
        batcher = Batcher(compute, workers=2)
        batcher.start()
        task = asyncio.create_task(batcher(1))
        while not begun.is_set():
            await asyncio.sleep(0.01)
        threading.Timer(0.1, gate.set).start()
        await batcher.stop()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(task, 5)

    asyncio.run(ask())


def test_uploads_are_what_the_library_reads_elsewhere() -> None:
    turned = Image.effect_noise((30, 20), 90).convert("RGB")
    exif = turned.getexif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    turned.save(buffer, "PNG", exif=exif)
    check_upload(buffer.getvalue(), Limits(megapixels=1))
    assert to_rgb(buffer.getvalue()).size == (20, 30)


class Server:
    """``omlzoo serve`` as a process."""

    def __init__(self, folder: Path, *more: str) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            self.port = taken.getsockname()[1]
        command = [sys.executable, "-m", "omlzoo", "serve", str(folder), "--port", str(self.port), *more]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.url = f"http://127.0.0.1:{self.port}"
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"{self.url}/health", timeout=5)
                return
            except OSError:
                time.sleep(0.1)
        raise AssertionError("the server did not start")


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Server]:
    running = Server(folder, "--seconds", "1.5", "--per-second", "1000")
    yield running
    os.kill(running.process.pid, signal.SIGTERM)
    try:
        assert running.process.wait(30) in (0, -signal.SIGTERM), "it ends when it is told to"
    finally:
        running.process.kill()


def test_a_slow_sender_is_cut_off_and_others_are_served_meanwhile(server: Server) -> None:
    slow = socket.create_connection(("127.0.0.1", server.port))
    slow.sendall(
        b"POST /embed HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: 9000\r\n\r\n--x"
    )
    assert json.load(urllib.request.urlopen(f"{server.url}/health"))["status"] == "ok"
    slow.settimeout(10)
    assert b" 408 " in slow.recv(4096).splitlines()[0]
    slow.close()


def test_a_second_request_that_never_finishes_its_headers_is_cut_off(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEADERS", 0.5)

    async def talk() -> bytes:
        running = serving.server_of(application(index, limits=FREE), "127.0.0.1", 0, FREE)
        task = asyncio.create_task(running.serve())
        while not running.started:
            await asyncio.sleep(0.02)
        port = running.servers[0].sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
        await reader.read(100)
        writer.write(b"G")
        found = await asyncio.wait_for(reader.read(10_000), 5)
        while found and b"G" in found:
            found = await asyncio.wait_for(reader.read(10_000), 5)
        rest = await asyncio.wait_for(reader.read(), 5)
        running.should_exit = True
        await task
        return rest

    assert asyncio.run(talk()) == b""


def test_another_host_name_is_refused(server: Server) -> None:
    request = urllib.request.Request(f"{server.url}/facts", headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(request)


def test_a_port_that_is_taken_is_said(server: Server, index: Index) -> None:
    with pytest.raises(BadInput, match=f"port {server.port} on 127.0.0.1 cannot be listened on; give another --port"):
        serving.serve_forever(application(index, limits=FREE), "127.0.0.1", server.port, FREE)


def test_a_person_searches_in_a_browser(server: Server, index: Index, tmp_path: Path) -> None:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-background-networking"]
        )
        page = browser.new_page(viewport={"width": 390, "height": 844})
        asked: list[str] = []
        complaints: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        said = playwright.expect(page.locator("#said"))
        page.goto(server.url)
        page.set_input_files("#file", index.table().files()[0])
        page.wait_for_selector(".hit")
        titles = page.locator(".hit strong").all_inner_texts()
        wanted = index.search(index.table().files()[0], k=12)
        assert titles == [str(index.embeddings.table["label"][row]) for row in wanted.ids[0]]
        page.select_option("#threshold", "far=0.001")
        said.to_have_text("known")
        with page.expect_response("**/search"):
            page.select_option("[data-column=category]", "odd")
        said.not_to_have_text("searching ...")
        table = index.embeddings.table
        odd = set(table["label"][table["category"] == "odd"].astype(str))
        assert set(page.locator(".hit strong").all_inner_texts()) <= odd
        with page.expect_response("**/search"):
            page.select_option("[data-column=category]", "")
        frame = page.locator("#preview").bounding_box()
        with page.expect_response("**/search") as answered:  # a part of the picture
            page.mouse.move(frame["x"] + 5, frame["y"] + 5)
            page.mouse.down()
            page.mouse.move(frame["x"] + 30, frame["y"] + 35, steps=4)
            page.mouse.up()
        part = [hit["score"] for hit in answered.value.json()["hits"]]
        assert len(part) == 12
        assert part[0] < wanted.scores[0, 0] - 1e-6  # the whole picture is there, its part is not
        said.not_to_have_text("searching ...")
        with page.expect_response("**/search"):
            page.locator(".hit button:first-child").nth(2).click()
        for button, kind in (("+", "items"), ("−", "negatives")):
            with page.expect_request("**/search") as sent:
                page.locator(".hit").nth(4).get_by_text(button, exact=True).click()
            assert f'name="{kind}"' in (sent.value.post_data or "")
            said.not_to_have_text("searching ...")
        playwright.expect(page.locator("#counted")).to_have_text("1 more, unlike 1:")
        with page.expect_response("**/search") as answered:
            page.select_option("#combine", "any")
        assert len(answered.value.json()["hits"]) == 12
        page.click("#alone")
        playwright.expect(page.locator("#examples")).to_be_hidden()
        with page.expect_response(lambda answer: "reciprocal" in (answer.request.post_data or "")) as answered:
            page.select_option("#rerank", "reciprocal")
        assert "not calibrated" in answered.value.json()["notices"][0]
        with page.expect_response("**/search"):
            page.select_option("#rerank", "")
        Image.effect_noise((64, 64), 120).convert("RGB").save(tmp_path / "noise.png")
        page.set_input_files("#file", tmp_path / "noise.png")
        said.to_have_text("unknown: nothing in the index is near enough")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert all(url.startswith((server.url, "blob:")) for url in asked)
        assert complaints == []
        page.screenshot(path=os.environ.get("OMLZOO_SCREENSHOT", tmp_path / "page.png"), full_page=True)
        browser.close()


def test_facts_of_rows_are_json_whatever_the_columns_hold() -> None:
    table = pd.DataFrame(
        {"label": pd.Series(["a", None], dtype="str"), "count": [1, 2], "price": [1.5, np.inf], "new": [True, False],
         "mixed": pd.Series([2**70, "x"], dtype=object), "month": pd.period_range("2020-01", periods=2, freq="M"),
         "when": np.array(["20000-01-01", "NaT"], dtype="datetime64[s]"), "kind": pd.Categorical(["k", None]),
         "whole": pd.array([None, 3], dtype="Int64"), "box": [[1, 2.5], [np.nan]], 7: ["u", "v"], "error": ["", ""]}
    )  # fmt: skip
    index: Any = SimpleNamespace(embeddings=SimpleNamespace(table=table))
    rows = RowFacts(index)
    assert rows[np.array([1, 0])] == [
        {"label": None, "count": 2, "price": None, "new": False, "mixed": "x", "month": "2020-02", "when": None, "kind": None,
         "whole": 3, "box": [None], "7": "v", "id": 1, "picture": "/items/1/picture"},
        {"label": "a", "count": 1, "price": 1.5, "new": True, "mixed": 2**70, "month": "2020-01",
         "when": "20000-01-01 00:00:00", "kind": "k", "whole": None, "box": [1, 2.5], "7": "u", "id": 0,
         "picture": "/items/0/picture"},
    ]  # fmt: skip
    assert rows[np.array([], dtype=int)] == []
    index.embeddings = SimpleNamespace(table=table[["error"]])  # as after rows came or went
    assert rows[np.array([0])] == [{"id": 0, "picture": "/items/0/picture"}]


def test_who_sends_too_much_reads_why(index: Index) -> None:
    async def ask(port: int, more: bytes = b"", body: bytes = bytes(3_000_000)) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /embed HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n" + more + b"\r\n" + body)
        await writer.drain()
        return await asyncio.wait_for(reader.read(), 20)

    async def talk() -> list[bytes]:
        limits = replace(FREE, megabytes=1)
        running = serving.server_of(application(index, limits=limits), "127.0.0.1", 0, limits)
        task = asyncio.create_task(running.serve())
        while not running.started:
            await asyncio.sleep(0.02)
        port = running.servers[0].sockets[0].getsockname()[1]
        answers = await asyncio.gather(*(ask(port) for _ in range(8)))
        answers.append(await ask(port, b"Expect: 100-continue\r\n", b""))  # refused before it sends anything
        running.should_exit = True
        await task
        return answers

    for answer in asyncio.run(talk()):
        assert answer.startswith(b"HTTP/1.1 413")
        assert b"a request has at most 1 MB" in answer


@pytest.mark.parametrize("dim", [None, 3])
def test_the_server_computes_the_very_vectors_that_the_library_computes(
    tmp_path: Path, drawn: Path, dim: int | None
) -> None:
    """Of an index that was made with scaled decoding, its vectors truncated or not."""
    toy("vit_toy").save(tmp_path / "m")
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)).resize(
        (1200, 800)
    )
    picture.save(tmp_path / "photo.jpg", quality=90)
    model = omlzoo.get_model(tmp_path / "m", normalize=True)
    embeddings = omlzoo.embed(model, tmp_path / "photo.jpg", fast=True, progress=False)
    embeddings = embeddings if dim is None else embeddings.truncated(dim)
    index = omlzoo.build_index(embeddings)
    with TestClient(application(index, limits=FREE)) as client:
        content = (tmp_path / "photo.jpg").read_bytes()
        told = client.post("/embed", files={"image": content}).json()
        hit = client.post("/search", files={"image": content}, data={"k": 1}).json()["hits"][0]
    assert told["dim"] == embeddings.record.dim
    assert told["vector"] == pytest.approx(embeddings.vectors[0].tolist(), abs=1e-6)
    assert hit["score"] == pytest.approx(index.search([tmp_path / "photo.jpg"], k=1).scores[0, 0], abs=1e-6)


def test_re_ranked_hits_are_the_indexs_own(client: TestClient, index: Index) -> None:
    with pytest.warns(OmlzooWarning, match="not calibrated"):
        wanted = index.search(index.embeddings.vectors[[7]], k=6, rerank="reciprocal")
    found = client.post("/search", data={"item": 7, "k": 6, "rerank": "reciprocal"}).json()
    assert [hit["id"] for hit in found["hits"]] == wanted.ids[0].tolist()
    assert [hit["score"] for hit in found["hits"]] == pytest.approx(wanted.scores[0].tolist())
    assert "probability" not in found["hits"][0]
    assert "not calibrated" in found["notices"][0]
    assert client.get("/facts").json()["reranking"] == ["reciprocal", "expansion", "average_expansion"]
    refused = client.post("/search", data={"item": 7, "rerank": "best"})
    assert (refused.status_code, "has no 'best'" in refused.json()["detail"]) == (422, True)


def test_several_examples_are_one_query(client: TestClient, index: Index) -> None:
    vectors = index.embeddings.vectors
    with pytest.warns(OmlzooWarning, match="not calibrated"):
        wanted = index.search(vectors[[7, 9]], k=5, combine="any", negatives=vectors[[20]])
    form = {"item": 7, "items": [9], "negatives": [20], "combine": "any", "k": 5}
    found = client.post("/search", data=form).json()
    assert [hit["id"] for hit in found["hits"]] == wanted.ids[0].tolist()
    assert [hit["score"] for hit in found["hits"]] == pytest.approx(wanted.scores[0].tolist())
    pictured = client.post("/search", files={"image": first(index)}, data={"items": [9], "k": 5}).json()
    with pytest.warns(OmlzooWarning, match="not calibrated"):
        wanted = index.search([index.table().files()[0], vectors[9]], k=5, combine="average")
    assert [hit["id"] for hit in pictured["hits"]] == wanted.ids[0].tolist()
    alone = client.post("/search", data={"items": [7, 9], "k": 5}).json()
    assert len(alone["hits"]) == 5


def test_each_value_of_a_column_is_found_once(client: TestClient, index: Index) -> None:
    found = client.post("/search", data={"item": 7, "k": 5, "distinct": "label"}).json()
    assert [hit["id"] for hit in found["hits"]] == index.search(
        index.embeddings.vectors[[7]], k=5, distinct="label"
    ).ids[0].tolist()
    assert len({hit["label"] for hit in found["hits"]}) == 5
    together = client.post("/search", data={"item": 7, "items": [9], "k": 3, "distinct": "label"}).json()
    assert len({hit["label"] for hit in together["hits"]}) == 3
    refused = client.post("/search", data={"item": 7, "distinct": "colour"})
    assert (refused.status_code, "has no 'colour'" in refused.json()["detail"]) == (422, True)
    assert client.get("/facts").json()["parts"] is False


def test_a_picture_and_words_are_one_query(worded: Index) -> None:
    with TestClient(application(worded, limits=FREE)) as client:
        wanted = worded.search([worded.embeddings.vectors[3], "a/b red"], k=4, combine="average", text=True)
        form = {"item": 3, "text": "a/b red", "combine": "average", "k": 4}
        found = client.post("/search", data=form).json()
        assert [hit["id"] for hit in found["hits"]] == wanted.ids[0].tolist()


@pytest.mark.parametrize(("form", "status", "said"), [
    ({"item": 1, "combine": "sum"}, 422, "combine is 'sum'; it must be one of average, any, all"),
    ({"negatives": [1]}, 422, "combine takes image or item"), ({"item": 1, "items": [99999]}, 404, "no row 99999"),
    ({"item": 1, "negatives": [1] * 33}, 422, "33 rows are given as examples; at most 32"),
    ({"item": 1, "items": [2], "combine": "any", "rerank": "reciprocal"}, 422, "needs one vector"),
    ({"item": 1, "items": [2], "threshold": "far=0.001"}, 422, "measured between two pictures"),
    ({"item": 1, "items": ["x"]}, 422, "integer"),
])  # fmt: skip
def test_wrong_examples_are_told_why(client: TestClient, form: dict[str, Any], status: int, said: str) -> None:
    answer = client.post("/search", data=form)
    assert (answer.status_code, said in answer.text) == (status, True), answer.text
