"""A server on loopback that speaks the Hub's protocol to the real client: downloads, with faults on demand, and pushes."""

import base64
import contextlib
import hashlib
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "a" * 40


class LoopbackHub:
    """``files`` are {path: bytes} as in ``/org/name/resolve/<revision>/file``; ``faults`` are {kind: value}.

    Faults: "status": (code, X-Error-Code or None) for HEAD and GET; "get_status": code for GET only; "corrupt": True
    sends other bytes of the same length; "truncate": bytes after which every body is cut; "cuts": a list of such, one
    for each body in turn, then none; "busy": a list of codes, one for each request in turn, then none; "stall": seconds
    before a body is sent; "no_etag": True; "etag": another one is announced; "loop": True redirects to itself.

    What is pushed is kept in ``pushed`` and served from then on.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.faults: dict[str, Any] = {}
        self.requests: list[str] = []
        self.pushed: dict[str, bytes] = {}
        self.large: dict[str, bytes] = {}  # by sha256, as the LFS protocol uploads them
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_HEAD(self) -> None:
                if self.path == "/":  # a client that asks whether anybody is there
                    self.send_response(200)
                    self.end_headers()
                else:
                    hub._answer(self, body=False)

            def do_GET(self) -> None:
                hub._answer(self, body=True)

            def do_POST(self) -> None:
                hub._take(self)

            def do_PUT(self) -> None:
                hub._take(self)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.storage = f"http://localhost:{self.server.server_port}/storage"  # another origin, as the real Hub's

    def clear(self) -> None:
        """Forget files, faults and requests."""
        self.files, self.faults, self.requests, self.pushed, self.large = {}, {}, [], {}, {}

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
        if self.faults.get("busy"):
            code = self.faults["busy"].pop(0)
        if self.faults.get("loop"):
            request.send_response(302)
            request.send_header("Location", request.path)
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        if code is None and body:
            code = self.faults.get("get_status")
        key = request.path.removeprefix("/storage")
        if code is None and key.startswith("/api/models/"):
            content = self._facts(key.partition("?")[0].removeprefix("/api/models/"))
        elif "/resolve/" in key:
            repo, _, rest = key.partition("/resolve/")
            key = f"{repo}/resolve/{rest.partition('/')[2]}"
        if not key.startswith("/api/models/"):
            content = self.files.get(key)
        if code is None and content is None:
            code, reason = 404, "EntryNotFound" if "/resolve/" in key else "RepoNotFound"
        if code is not None or content is None:
            request.send_response(code or 404)
            if reason:
                request.send_header("X-Error-Code", reason)
            request.send_header("Content-Length", "0")
            request.end_headers()
            return
        digest = self.faults.get("etag") or hashlib.sha256(content).hexdigest()
        redirected = "/resolve/" in key and not request.path.startswith("/storage")
        start = 0
        if "Range" in request.headers and not redirected:
            start = int(request.headers["Range"].removeprefix("bytes=").partition("-")[0])
        request.send_response(302 if redirected else 206 if start else 200)
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
        sent = bytes(byte ^ 1 for byte in content) if self.faults.get("corrupt") else content
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        request.send_header("Content-Length", str(len(content) - start))
        request.send_header("ETag", f'"{digest}"')
        request.end_headers()
        if not body:
            return
        time.sleep(self.faults.get("stall", 0))
        cuts = self.faults.get("cuts")
        end = cuts.pop(0) if cuts else self.faults.get("truncate", len(sent))
        with contextlib.suppress(OSError):
            request.wfile.write(sent[start:end])
        if end < len(sent):
            request.close_connection = True
            request.connection.close()

    def _facts(self, asked: str) -> bytes | None:
        """What the API tells of a repository: its commit, and of each large file the sha256."""
        repo, _, revision = asked.partition("/revision/")
        prefix = f"/{repo}/resolve/"
        files = {path.removeprefix(prefix): content for path, content in self.files.items() if path.startswith(prefix)}
        if not files or revision not in ("", "main", COMMIT):
            return None
        siblings: list[dict[str, Any]] = [{"rfilename": name, "size": len(content)} for name, content in files.items()]
        for file in siblings:
            if file["rfilename"].endswith(".safetensors"):
                digest = hashlib.sha256(files[file["rfilename"]]).hexdigest()
                file["lfs"] = {"sha256": digest, "size": file["size"], "pointerSize": 130}
        return json.dumps({"id": repo, "sha": COMMIT, "siblings": siblings}).encode()

    def _take(self, request: BaseHTTPRequestHandler) -> None:
        """The calls of a push: make the repository, ask how to upload, upload, commit."""
        self.requests.append(f"{request.command} {request.path}")
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        code, reason = self.faults.get("status", (200, None))
        answer: dict[str, Any] = {}
        if request.path.startswith("/lfs/"):
            self.large[request.path.removeprefix("/lfs/")] = body
        elif request.path.endswith("/preupload/main"):
            modes = [(file["path"], file["path"].endswith(".safetensors")) for file in json.loads(body)["files"]]
            answer = {"files": [{"path": path, "uploadMode": "lfs" if large else "regular", "shouldIgnore": False}
                                for path, large in modes]}  # fmt: skip
        elif request.path.endswith("/info/lfs/objects/batch"):
            objects = json.loads(body)["objects"]
            answer = {"transfer": "basic", "objects": [
                {"oid": file["oid"], "size": file["size"], "actions": {"upload": {"href": f"{self.url}/lfs/{file['oid']}"}}}
                for file in objects
            ]}  # fmt: skip
        elif "/commit/" in request.path:
            repo = request.path.removeprefix("/api/models/").partition("/commit/")[0]
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    self.pushed[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
                if line["key"] == "lfsFile":
                    self.pushed[line["value"]["path"]] = self.large[line["value"]["oid"]]
            for name, content in self.pushed.items():
                self.publish(f"{repo}", name, content)
            answer = {"success": True, "commitOid": COMMIT, "commitUrl": f"{self.url}/{repo}/commit/{COMMIT}"}
        elif request.path == "/api/repos/create":
            asked = json.loads(body)
            answer = {"url": f"{self.url}/{asked['organization']}/{asked['name']}"}
        text = json.dumps(answer).encode()
        request.send_response(code)
        if reason:
            request.send_header("X-Error-Code", reason)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(text)))
        request.end_headers()
        request.wfile.write(text)
