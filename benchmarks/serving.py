"""The server under load, and under 10,000 hostile requests.

python benchmarks/serving.py [--index INDEX] [--only load|hostile] [--requests 10000]
"""

import argparse
import asyncio
import heapq
import io
import itertools
import json
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np
from measuring import show
from PIL import Image

import omlzoo
from omlzoo.data import synthetic


class Server:
    """``omlzoo serve`` as a process, without a limit of requests unless told."""

    def __init__(self, index: Path, *more: str) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            self.port = taken.getsockname()[1]
        command = [sys.executable, "-m", "omlzoo", "serve", str(index), "--port", str(self.port), *more]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE)
        self.url = f"http://127.0.0.1:{self.port}"
        for _ in range(600):
            try:
                httpx.get(f"{self.url}/health")
                return
            except httpx.HTTPError:
                time.sleep(0.1)
        raise SystemExit("the server did not start")

    def megabytes(self) -> float:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1000

    def stop(self) -> str:
        self.process.terminate()
        return (self.process.communicate(timeout=60)[1] or b"").decode()


class Client:
    """Requests over connections that stay open; takes a fifth of a millisecond each, so that the server is measured."""

    def __init__(self, port: int, pictures: list[bytes]) -> None:
        self.port = port
        self.free: list[tuple[float, asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.requests = [_search(picture) for picture in pictures]

    async def seconds(self, number: int) -> float:
        begun = time.perf_counter()
        while self.free and self.free[0][0] < begun - 3:  # the server closes them after five seconds
            self.free.pop(0)[2].close()
        if self.free:
            _, reader, writer = self.free.pop()
        else:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(self.requests[number % len(self.requests)])
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(head.decode())
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.split(b":")[1]))
        self.free.append((time.perf_counter(), reader, writer))
        return time.perf_counter() - begun


def _search(picture: bytes) -> bytes:
    part = b'--part\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n' + picture
    body = part + b'\r\n--part\r\nContent-Disposition: form-data; name="k"\r\n\r\n10\r\n--part--\r\n'
    kind = b"Content-Type: multipart/form-data; boundary=part"
    return b"POST /search HTTP/1.1\r\nHost: 127.0.0.1\r\n%s\r\nContent-Length: %d\r\n\r\n%s" % (kind, len(body), body)


def queue(servers: int, load: float) -> float:
    """p99 of requests that arrive independently at servers that take 1 for each, nothing cheaper together."""
    draw, free, moment, times = random.Random(0), [0.0] * servers, 0.0, []
    for _ in range(500_000):
        moment += draw.expovariate(load * servers)
        end = max(heapq.heappop(free), moment) + 1
        heapq.heappush(free, end)
        times.append(end - moment)
    return sorted(times)[int(0.99 * len(times))]


async def load(server: Server, pictures: list[bytes]) -> None:
    client = Client(server.port, pictures)
    alone = sorted([await client.seconds(i) for i in range(100)])[50]
    begun, count, gate = time.perf_counter(), 800, asyncio.Semaphore(32)

    async def crowded(number: int) -> float:
        async with gate:
            return await client.seconds(number)

    await asyncio.gather(*(crowded(i) for i in range(count)))
    saturation = count / (time.perf_counter() - begun)
    rate = 0.7 * saturation
    draw = random.Random(0)
    gaps = {"even": lambda: 1 / rate, "independent": lambda: draw.expovariate(rate)}
    for arrivals, gap in gaps.items():
        moments = list(itertools.accumulate(gap() for _ in range(int(rate * 20))))
        start = time.perf_counter()

        async def later(number: int, moment: float) -> float:
            await asyncio.sleep(max(0.0, start + moment - time.perf_counter()))  # noqa: B023
            return await client.seconds(number)

        times = sorted(await asyncio.gather(*(later(i, moment) for i, moment in enumerate(moments))))
        p99 = times[int(0.99 * len(times))]
        show("load", arrivals=arrivals, one_alone_ms=alone * 1000, saturation_per_second=saturation, offered_per_second=rate,
             p50_ms=statistics.median(times) * 1000, p99_ms=p99 * 1000, p99_times_alone=p99 / alone, limit=3,
             two_servers_of_constant_time=queue(2, 0.7) if arrivals == "independent" else 1.0)  # fmt: skip


def hostile_request(number: int, draw: random.Random, good: bytes) -> dict[str, object]:
    bomb = BOMB
    kinds: list[dict[str, object]] = [
        {"method": "POST", "url": "/search", "files": {"image": good[: draw.randrange(len(good))]}},
        {"method": "POST", "url": "/search", "files": {"image": draw.randbytes(draw.randrange(5000))}},
        {"method": "POST", "url": "/embed", "files": {"image": bomb}},
        {"method": "POST", "url": "/embed", "files": {"image": b"\0" * 1_200_000}},
        {"method": "POST", "url": "/search", "content": draw.randbytes(300), "headers": {"Content-Type": "multipart/form-data; boundary=x"}},
        {"method": "POST", "url": "/search", "data": {"item": str(draw.randrange(-(10**20), 10**20))}},
        {"method": "POST", "url": "/search", "data": {"item": "1", "k": "10" * 30}},
        {"method": "POST", "url": "/search", "data": {"item": "1", "where": "[" * 5000}},
        {"method": "POST", "url": "/search", "data": {"item": "1", "where": '{"label": ' + '{"a":' * 50 + "1" + "}" * 51}},
        {"method": "POST", "url": "/search", "files": {"image": good}, "data": {"box": "nan,inf,-1,1e999"}},
        {"method": "GET", "url": "/items/..%2f..%2f..%2fetc%2fpasswd/picture"},
        {"method": "GET", "url": f"/items/{draw.randrange(10**9)}/picture"},
        {"method": "GET", "url": "/items?start=-1&count=99999999999999999999"},
        {"method": "GET", "url": "/%00/%ff/../../etc/shadow"},
        {"method": "DELETE", "url": "/items/1"},
        {"method": "PUT", "url": "/search", "content": b"x" * 1000},
        {"method": "GET", "url": "/facts", "headers": {"Cookie": "a=" + "b" * 5000, "Host": "127.0.0.1"}},
        {"method": "GET", "url": "/facts", "headers": {"Host": "evil.example"}},
    ]  # fmt: skip
    return kinds[number % len(kinds)]


async def hostile(server: Server, good: bytes, requests: int) -> None:
    before = server.megabytes()
    draw = random.Random(0)
    answers: dict[str, int] = {}
    leaked = 0
    slow: list[socket.socket] = []
    begun = time.perf_counter()
    async with httpx.AsyncClient(base_url=server.url, timeout=60, limits=httpx.Limits(max_connections=24)) as client:
        gate = asyncio.Semaphore(24)
        half = 0.0

        async def one(number: int) -> None:
            nonlocal leaked
            async with gate:
                try:
                    answer = await client.request(**hostile_request(number, draw, good))  # type: ignore[arg-type]
                    key = str(answer.status_code)
                    leaked += b"root:" in answer.content
                except httpx.HTTPError as error:
                    key = type(error).__name__
                answers[key] = answers.get(key, 0) + 1

        for start in range(0, requests, 500):
            for _ in range(4):  # slow senders, who never finish, of another address: one has 64 connections
                connection = socket.create_connection(("127.0.0.1", server.port), source_address=("127.0.0.2", 0))
                connection.sendall(b"POST /embed HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Le")
                slow.append(connection)
            await asyncio.gather(*(one(number) for number in range(start, min(start + 500, requests))))
            if start >= requests // 2 and not half:
                half = server.megabytes()
        healthy = (await client.get("/health")).status_code
        found = (await client.post("/search", files={"image": good})).status_code
    for connection in slow:
        connection.close()
    show("hostile", requests=requests, slow_senders=len(slow), answers=dict(sorted(answers.items())), server_errors=sum(n for key, n in answers.items() if key.startswith("5")),
         files_leaked=leaked, alive=server.process.poll() is None, health=healthy, search=found, seconds=time.perf_counter() - begun,
         megabytes_before=before, megabytes_half_way=half, megabytes_after=server.megabytes())  # fmt: skip


def small_bomb() -> bytes:
    buffer = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(buffer, "PNG")
    return buffer.getvalue()


BOMB = small_bomb()

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--index", type=Path)
    parser.add_argument("--only", choices=["load", "hostile"])
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--runtime", default="torch", choices=["torch", "onnx"])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        index = args.index
        if index is None:
            table = synthetic.write_alphabets(
                Path(name) / "drawn", alphabets=4, characters=30, drawers=10, size=64, seed=0
            )
            omlzoo.build_index(omlzoo.embed("resnet_small_omniglot", table, progress=False)).save(Path(name) / "index")
            index = Path(name) / "index"
        opened = omlzoo.open_index(index)
        files = opened.table().files()[:100]
        pictures = [file.read_bytes() for file in files]
        model = opened.encoder.model()
        image = model.transforms()(Image.open(files[0]).convert("RGB"))[None]
        import torch

        with torch.inference_mode():
            times = []
            for _ in range(50):
                begun = time.perf_counter()
                model(image)
                times.append(time.perf_counter() - begun)
        print(json.dumps({"single_image_model_ms": round(float(np.median(times)) * 1000, 2)}))
        if args.only in (None, "load"):
            server = Server(index, "--per-second", "100000", "--runtime", args.runtime)
            try:
                asyncio.run(load(server, pictures))
            finally:
                server.stop()
        if args.only in (None, "hostile"):
            server = Server(index, "--per-second", "100000", "--megabytes", "1", "--seconds", "5")
            asyncio.run(hostile(server, pictures[0], args.requests))
            print(server.stop()[-500:])
