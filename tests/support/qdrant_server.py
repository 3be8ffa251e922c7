"""A double of Qdrant's server: the requests that the client makes over HTTP, answered by its local mode and remembered."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import urlsplit

__all__ = ["QdrantDouble", "qdrant_server"]


class QdrantDouble:
    """What was asked, and how to answer.

    Attributes:
        asked: Method, path, key and body of each request.
        broken: What each request is answered with while this is set: a status and a text.
    """

    def __init__(self) -> None:
        from qdrant_client import QdrantClient

        self.asked: list[tuple[str, str, str | None, Any]] = []
        self.broken: tuple[int, str] | None = None
        self.address = ""
        self._client, self._lock = QdrantClient(":memory:", force_disable_check_same_thread=True), Lock()

    def answer(self, method: str, path: str, body: Any) -> Any:
        """The result of a request."""
        from qdrant_client import models

        name, _, act = path.removeprefix("/collections/").partition("/")
        client: Any = self._client
        with self._lock:
            match method, act:
                case "GET", "exists":
                    return {"exists": client.collection_exists(name)}
                case "PUT", "":
                    made = models.CreateCollection(**body)
                    return client.create_collection(name, vectors_config=made.vectors)
                case "DELETE", "":
                    return client.delete_collection(name)
                case "PUT", "points":
                    client.upsert(name, models.PointsBatch(**body).batch)
                case "POST", "points/delete":
                    client.delete(name, models.PointIdsList(**body))
                case "POST", "points":
                    return [
                        one.model_dump(mode="json") for one in client.retrieve(name, body["ids"], with_vectors=True)
                    ]
                case "POST", "points/scroll":
                    points, after = client.scroll(name, limit=body["limit"], offset=body.get("offset"))
                    return {"points": [one.model_dump(mode="json") for one in points], "next_page_offset": after}
                case "POST", "points/query/batch":
                    searches = [models.QueryRequest(**{**one, "params": None}) for one in body["searches"]]
                    return [one.model_dump(mode="json") for one in client.query_batch_points(name, searches)]
                case _:
                    raise ValueError(f"the double does not know {method} {path}")
        return {"operation_id": 1, "status": "completed"}


@contextmanager
def qdrant_server() -> Iterator[QdrantDouble]:
    """A double on loopback while this is open."""
    double = QdrantDouble()

    class Handler(BaseHTTPRequestHandler):
        def _handle(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body, path = json.loads(raw) if raw else None, urlsplit(self.path).path
            double.asked.append((self.command, path, self.headers.get("api-key"), body))
            status, answer = 200, {}
            if double.broken is not None:
                status, answer = double.broken[0], {"status": {"error": double.broken[1]}, "time": 0.0}
            else:
                answer = {"result": double.answer(self.command, path, body), "status": "ok", "time": 0.0}
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_PUT = do_POST = do_DELETE = _handle  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            """In silence."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    double.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield double
    finally:
        server.shutdown()
        server.server_close()
