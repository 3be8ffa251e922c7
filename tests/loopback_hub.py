"""A server on loopback that speaks the Hub's download protocol to the real client, with faults on demand."""

import contextlib
import hashlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "a" * 40


class LoopbackHub:
    """``files`` are {path: bytes} as in ``/org/name/resolve/<revision>/file``; ``faults`` are {kind: value}.

    Faults: "status": (code, X-Error-Code or None) for HEAD and GET; "get_status": code for GET only; "corrupt": True
    sends other bytes of the same length; "truncate": bytes after which a body is cut; "stall": seconds before a body
    is sent; "no_etag": True.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.faults: dict[str, Any] = {}
        self.requests: list[str] = []
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                hub._answer(self, body=False)

            def do_GET(self) -> None:
                hub._answer(self, body=True)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.storage = f"http://localhost:{self.server.server_port}/storage"  # another origin, as the real Hub's

    def clear(self) -> None:
        """Forget files, faults and requests."""
        self.files, self.faults, self.requests = {}, {}, []

    def publish(self, repo: str, name: str, content: bytes) -> str:
        """Serve a file of a repository; returns its sha256."""
        self.files[f"/{repo}/resolve/{name}"] = content
        return hashlib.sha256(content).hexdigest()

    def serve(self, path: str, content: bytes) -> str:
        """Serve a plain file; returns its URL."""
        self.files[f"/plain/{path}"] = content
        return f"{self.url}/plain/{path}"

    def _answer(self, request: BaseHTTPRequestHandler, body: bool) -> None:
        self.requests.append(f"{request.command} {request.path}")
        code, reason = self.faults.get("status", (None, None))
        if code is None and body:
            code = self.faults.get("get_status")
        key = request.path.removeprefix("/storage")
        if "/resolve/" in key:
            repo, _, rest = key.partition("/resolve/")
            key = f"{repo}/resolve/{rest.partition('/')[2]}"
        content = self.files.get(key)
        if code is None and content is None:
            code, reason = 404, "EntryNotFound" if "/resolve/" in key else None
        if code is not None or content is None:
            request.send_response(code or 404)
            if reason:
                request.send_header("X-Error-Code", reason)
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        digest = hashlib.sha256(content).hexdigest()
        redirected = "/resolve/" in key and not request.path.startswith("/storage")
        request.send_response(302 if redirected else 200)
        if redirected:
            request.send_header("Location", self.storage + request.path)
            request.send_header("X-Repo-Commit", COMMIT)
            request.send_header("X-Linked-Size", str(len(content)))
            if not self.faults.get("no_etag"):
                request.send_header("X-Linked-Etag", f'"{digest}"')
                request.send_header("ETag", f'"{digest}"')
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        start = 0
        if "Range" in request.headers:
            start = int(request.headers["Range"].removeprefix("bytes=").partition("-")[0])
        sent = bytes(byte ^ 1 for byte in content) if self.faults.get("corrupt") else content
        request.send_header("Content-Length", str(len(content) - start))
        request.send_header("ETag", f'"{digest}"')
        request.end_headers()
        if not body:
            return
        time.sleep(self.faults.get("stall", 0))
        with contextlib.suppress(OSError):
            request.wfile.write(sent[start : self.faults.get("truncate", len(sent))])
        if "truncate" in self.faults:
            request.close_connection = True
            request.connection.close()
