"""Files at addresses, against a server on loopback: the cache, retries, redirects, limits, and who is never asked."""

import io
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import fsspec
import pandas as pd
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from PIL import Image
from toys import toy

import omlzoo
from omlzoo.data import remote
from omlzoo.data.picture_list import open_source
from omlzoo.data.remote import fetch, is_private, list_addresses
from omlzoo.errors import BadImage, BadInput, BadTable, MissingExtra, OmlzooWarning


def png(value: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 40), (value, value, value)).save(buffer, "PNG")
    return buffer.getvalue()


class Answers(BaseHTTPRequestHandler):
    """Answers each path with the next of its (status, headers, content)."""

    server: Any

    def do_GET(self) -> None:
        self.server.asked.append((self.path, dict(self.headers)))
        answers = self.server.answers.get(self.path, [(404, {}, b"")])
        status, headers, content = answers.pop(0) if len(answers) > 1 else answers[0]
        if headers.get("ETag") and self.headers.get("If-None-Match") == headers["ETag"]:
            status, content = 304, b""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificate")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-keyout",
         folder / "key.pem", "-out", folder / "cert.pem", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True,
    )  # fmt: skip
    return folder


@pytest.fixture
def server(certificate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    made = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    made.socket = context.wrap_socket(made.socket, server_side=True)
    made.answers, made.asked = {}, []  # type: ignore[attr-defined]
    made.place = f"https://127.0.0.1:{made.server_port}"  # type: ignore[attr-defined]
    for name, value in {
        "SSL_CERT_FILE": certificate / "cert.pem",
        "OMLZOO_HOME": tmp_path / "home",
        "NO_PROXY": "*",
    }.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(remote, "WAIT", 0.001)
    remote._failed.clear()
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def test_a_file_is_fetched_once_and_again_when_it_changed(server: Any) -> None:
    address = f"{server.place}/a.png"
    server.answers["/a.png"] = [(200, {"ETag": '"1"'}, b"one")]
    path = fetch(address, [server.place])
    assert path.read_bytes() == b"one"
    assert path.name == "a.png"
    assert fetch(address, [server.place]) == path
    assert [headers.get("If-None-Match") for _, headers in server.asked] == [None, '"1"']
    server.answers["/a.png"] = [(200, {"ETag": '"2"'}, b"two")]
    assert fetch(address, [server.place]).read_bytes() == b"two"
    path.write_bytes(b"cut")
    path.write_bytes(b"c")  # a damaged copy is fetched anew
    assert fetch(address, [server.place]).read_bytes() == b"two"


def test_what_may_go_better_is_tried_again_and_what_may_not_is_not(server: Any) -> None:
    server.answers["/a.png"] = [(503, {"Retry-After": "0"}, b""), (429, {}, b""), (200, {}, b"one")]
    assert fetch(f"{server.place}/a.png", [server.place]).read_bytes() == b"one"
    for status, said in ((403, "without permission"), (401, "not logged in"), (404, "there is no such file")):
        server.answers["/b.png"], before = [(status, {}, b"")], len(server.asked)
        with pytest.raises(BadImage, match=f"the server answers {status} .{said}"):
            fetch(f"{server.place}/b.png", [server.place])
        assert len(server.asked) == before + 1
    server.answers["/c.png"], before = [(500, {}, b"")], len(server.asked)
    with pytest.raises(BadImage, match="the server answers 500, tried 4 times"):
        fetch(f"{server.place}/c.png", [server.place])
    with pytest.raises(BadImage, match="the server answers 500"):
        fetch(f"{server.place}/c.png", [server.place])
    assert len(server.asked) == before + 4 + 1  # a host that failed is asked once from then on


def test_a_body_that_is_cut_off_leaves_nothing(server: Any, tmp_path: Path) -> None:
    server.answers["/a.png"] = [(200, {"Content-Length": "100"}, b"short")]
    with pytest.raises(BadImage, match="cannot be reached"):
        fetch(f"{server.place}/a.png", [server.place])
    assert not [path for path in (tmp_path / "home").rglob("*") if path.is_file()]


def test_redirects_stay_with_the_host(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answers["/old.png"] = [(302, {"Location": "/new.png"}, b"")]
    server.answers["/new.png"] = [(200, {}, b"one")]
    assert fetch(f"{server.place}/old.png", [server.place]).read_bytes() == b"one"
    port = server.server_port
    for there in (f"https://localhost:{port}/new.png", "https://127.0.0.1/new.png", f"http://127.0.0.1:{port}/new.png",
                  "file:///etc/passwd", "//localhost/new.png", f"https://a@127.0.0.1:{port}/new.png"):  # fmt: skip
        server.answers["/away.png"], before = [(302, {"Location": there}, b"")], len(server.asked)
        with pytest.raises(BadImage, match="redirects to|cannot be reached"):
            fetch(f"{server.place}/away.png", [server.place, "https://localhost"])
        assert [path for path, _ in server.asked[before:]] == ["/away.png"] * (len(server.asked) - before)
        remote._failed.clear()
    server.answers["/round.png"] = [(302, {"Location": "/round.png"}, b"")]
    with pytest.raises(BadImage, match="more than 5 redirects"):
        fetch(f"{server.place}/round.png", [server.place])
    server.answers["/away.png"] = [(302, {"Location": "/new.png"}, b"")]
    monkeypatch.setattr(
        remote, "is_private", remote.lru_cache(lambda host: False)
    )  # as of a name that leads inside meanwhile
    monkeypatch.setattr(remote.is_private, "__wrapped__", lambda host: True)
    with pytest.raises(BadImage, match="redirects to a private address"):
        fetch(f"{server.place}/away.png", [server.place])


def test_private_addresses() -> None:
    assert is_private("127.0.0.1:8443")
    assert is_private("10.1.2.3")
    assert is_private("[::1]:443")
    assert is_private("169.254.169.254")
    assert not is_private("1.1.1.1")
    assert not is_private("no.such.host.invalid")


def test_limits(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answers["/a.png"] = [(200, {}, bytes(5000))]
    with pytest.raises(BadImage, match="more than 1,000 bytes"):
        fetch(f"{server.place}/a.png", [server.place], 1000)
    monkeypatch.setattr(remote, "PATIENCE", -1.0)
    monkeypatch.setattr(remote, "SLOWEST", 10**12)
    with pytest.raises(BadImage, match="is too slow"):
        fetch(f"{server.place}/a.png", [server.place])


def test_where_the_server_is_gone_the_copy_serves(server: Any) -> None:
    server.answers["/a.png"] = [(200, {}, b"one")]
    fetch(f"{server.place}/a.png", [server.place])
    server.answers["/a.png"] = [(503, {}, b"")]
    with pytest.warns(OmlzooWarning, match="files of an earlier run are taken"):
        assert fetch(f"{server.place}/a.png", [server.place]).read_bytes() == b"one"


def test_a_certificate_that_nobody_vouches_for(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(BadImage, match="CERTIFICATE_VERIFY_FAILED"):
        fetch(f"{server.place}/a.png", [server.place])


def test_pictures_archives_and_tables_at_addresses(server: Any, tmp_path: Path) -> None:
    from tests.data.test_containers import write_zip

    model, local = toy("resnet_toy"), [tmp_path / f"{value}.png" for value in (1, 2)]
    for value, path in zip((1, 2), local, strict=True):
        path.write_bytes(png(value))
        server.answers[f"/{value}.png"] = [(200, {}, png(value))]
    expected = omlzoo.embed(model, local).vectors
    addresses = [f"{server.place}/{value}.png" for value in (1, 2)]
    typed = omlzoo.embed(model, addresses)
    assert (typed.vectors == expected).all()
    assert typed.table["path"].tolist() == addresses
    server.answers["/a.zip"] = [
        (200, {}, write_zip(tmp_path / "a.zip", {"1.png": png(1), "2.png": png(2)}).read_bytes())
    ]
    whole = omlzoo.embed(model, f"{server.place}/a.zip")
    assert (whole.vectors == expected).all()
    assert whole.table["path"].tolist() == ["a.zip/1.png", "a.zip/2.png"]
    frame, before = pd.DataFrame({"path": addresses}), len(server.asked)
    with pytest.raises(BadTable, match="is an address"):
        omlzoo.embed(model, frame)
    assert len(server.asked) == before
    named = omlzoo.embed(model, frame, remote=server.place, out=tmp_path / "e.parquet")
    assert (named.vectors == expected).all()
    with pytest.warns(OmlzooWarning, match="finished already"):
        omlzoo.embed(model, frame, remote=server.place, out=tmp_path / "e.parquet")
    shards = omlzoo.embed_shards(model, frame, tmp_path / "s", remote=server.place)
    before = len(server.asked)
    omlzoo.embed_shards(model, frame, tmp_path / "s", remote=server.place)
    assert len(shards) == 2
    assert len(server.asked) == before
    index = omlzoo.build_index(whole)
    assert index.search(addresses, k=1).ids.ravel().tolist() == [0, 1]
    with pytest.raises(BadInput, match="the server answers 404"):
        omlzoo.embed(model, f"{server.place}/none.zip")
    with pytest.raises(BadInput, match="https has no folders"):
        open_source(f"{server.place}/photos/")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> MemoryFileSystem:
    """Buckets of s3 as fsspec's own file system in memory."""
    made = MemoryFileSystem()
    monkeypatch.setattr(fsspec, "filesystem", lambda scheme: made)
    monkeypatch.setenv("OMLZOO_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(remote, "WAIT", 0.001)
    remote._failed.clear()
    made.store.clear()
    return made


def test_buckets(bucket: MemoryFileSystem, tmp_path: Path) -> None:
    for name, value in (("shoes/1.png", 1), ("hats/2.png", 2), ("notes.txt", 3)):
        bucket.pipe(f"/shop/photos/{name}", png(value))
    assert list_addresses("s3://shop/photos/")[0] == "s3://shop/photos/hats/2.png"
    embeddings = omlzoo.embed(toy("resnet_toy"), "s3://shop/photos")
    assert embeddings.table["path"].tolist() == ["s3://shop/photos/hats/2.png", "s3://shop/photos/shoes/1.png"]
    assert embeddings.table["label"].tolist() == ["hats", "shoes"]
    assert embeddings.good.all()
    with pytest.raises(BadImage, match="there is no such file"):
        fetch("s3://shop/none.png", ["s3://shop"])
    with pytest.raises(BadImage, match="more than 10 bytes"):
        fetch("s3://shop/photos/notes.txt", ["s3://shop"], 10)
    with pytest.raises(BadInput, match="there is no picture below it"):
        open_source("s3://shop/none")


def test_a_bucket_that_fails(bucket: MemoryFileSystem, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: object, **named: object) -> None:
        raise PermissionError("AccessDenied")

    monkeypatch.setattr(MemoryFileSystem, "info", refused)
    with pytest.raises(BadImage, match="without permission .AccessDenied"):
        fetch("gs://shop/a.png", ["gs://shop"])
    monkeypatch.setattr(MemoryFileSystem, "info", lambda *arguments, **named: 1 // 0)
    with pytest.raises(BadImage, match="ZeroDivisionError.*tried 4 times"):
        fetch("gs://shop/a.png", ["gs://shop"])


def test_without_its_client_a_bucket_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "s3fs", None)
    with pytest.raises(MissingExtra, match=r"omlzoo\[remote\]"):
        list_addresses("s3://shop/photos")
