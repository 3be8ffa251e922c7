"""The server under load beside a bare server of FastAPI and torch, and under 10,000 hostile requests.

python benchmarks/serving.py [--index INDEX] [--only load|hostile] [--runtimes torch onnx] [--replicas 2]
"""

import argparse
import asyncio
import heapq
import io
import itertools
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
from measuring import Results, show
from PIL import Image

import omlzoo
from omlzoo.data import synthetic


class Server:
    """A server as a process, which answers once this is made.

    Args:
        command: Its arguments; PORT stands for the port.
        path: The folder whose omlzoo it imports; by default the one that is imported here.
    """

    def __init__(self, *command: str, path: str | None = None) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            self.port = taken.getsockname()[1]
        env = {**os.environ, **({"PYTHONPATH": path} if path else {})}
        words = [sys.executable, *(word.replace("PORT", str(self.port)) for word in command)]
        self.process = subprocess.Popen(words, stderr=subprocess.PIPE, env=env)
        self.url = f"http://127.0.0.1:{self.port}"
        for _ in range(900):
            try:
                httpx.get(f"{self.url}/health")
                return
            except httpx.HTTPError:
                time.sleep(0.1)
        raise SystemExit("the server did not start")

    def megabytes(self) -> float:
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) / 1000

    def processor_seconds(self) -> float:
        spent = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(spent[11]) + int(spent[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> str:
        self.process.terminate()
        return (self.process.communicate(timeout=60)[1] or b"").decode()


def ours(index: Path, *more: str, path: str | None = None) -> Server:
    """``omlzoo serve``, without a limit of requests."""
    command = ("-m", "omlzoo", "serve", str(index), "--port", "PORT", "--per-second", "100000")
    return Server(*command, *more, path=path)


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


async def crowded(client: Client, count: int, at_once: int = 32) -> list[float]:
    """Seconds of each of so many requests, so many at once."""
    gate = asyncio.Semaphore(at_once)

    async def one(number: int) -> float:
        async with gate:
            return await client.seconds(number)

    return list(await asyncio.gather(*(one(number) for number in range(count))))


async def arriving(client: Client, gaps: Iterator[float], seconds: float) -> list[float]:
    """Seconds from its arrival to its answer of each request that arrives, a gap after the one before."""
    moments = list(itertools.takewhile(lambda moment: moment < seconds, itertools.accumulate(gaps)))
    start, gate = time.perf_counter(), asyncio.Semaphore(60)  # of the 64 connections that one address may have

    async def one(number: int, moment: float) -> float:
        await asyncio.sleep(max(0.0, start + moment - time.perf_counter()))
        async with gate:
            await client.seconds(number)
        return time.perf_counter() - start - moment

    return list(await asyncio.gather(*(one(number, moment) for number, moment in enumerate(moments))))


async def base(server: Server, pictures: list[bytes], count: int) -> dict[str, float]:
    """One request alone, and many: milliseconds of wall and of the server's processor time, and requests a second."""
    client = Client(server.port, pictures)
    for number in range(10):
        await client.seconds(number)
    spent = server.processor_seconds()
    alone = [await client.seconds(number) for number in range(100)]
    spent, begun = server.processor_seconds() - spent, time.perf_counter()
    together = server.processor_seconds()
    times = await crowded(client, count)
    wall, together = time.perf_counter() - begun, server.processor_seconds() - together
    return {
        "alone_ms": 1000 * statistics.median(alone), "alone_processor_ms": 10 * spent,
        "saturation": count / wall, "saturated_processor_ms": 1000 * together / count,
        "p99_at_32_ms": 1000 * quantile(times, 0.99), "megabytes": server.megabytes(),
    }  # fmt: skip


async def tail(server: Server, pictures: list[bytes], found: dict[str, float], seconds: float) -> dict[str, float]:
    """p50 and p99 at 0.7 of saturation, requests arriving evenly and independently, beside what a queue alone makes."""
    client, rate, draw = Client(server.port, pictures), 0.7 * found["saturation"], random.Random(0)
    servers = len(os.sched_getaffinity(0))
    bound = queue(servers, 0.7) * max(found["alone_ms"], 1000 * servers / found["saturation"])
    even = await arriving(client, itertools.repeat(1 / rate), seconds)
    times = await arriving(client, iter(lambda: draw.expovariate(rate), None), seconds)
    p99 = 1000 * quantile(times, 0.99)
    return {
        "rate": rate, "p99_even_ms": 1000 * quantile(even, 0.99), "p50_ms": 1000 * statistics.median(times),
        "p99_ms": p99, "queue_bound_ms": bound, "p99_times_bound": p99 / bound,
    }  # fmt: skip


def quantile(times: list[float], share: float) -> float:
    return sorted(times)[int(share * len(times))]


def load(servers: dict[str, Server], pictures: list[bytes], rounds: int, count: int, seconds: float) -> None:
    """The servers in turn, as many rounds; of each figure the median, and ours beside the bare server's."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in servers}
    for _ in range(rounds):
        for name, server in servers.items():
            found[name].append(asyncio.run(base(server, pictures, count)))
    middle = {
        name: {key: statistics.median(each[key] for each in every) for key in every[0]} for name, every in found.items()
    }
    bare, results = middle["bare"], Results("serving")
    for name, server in servers.items():
        values = (
            middle[name]
            if name == "bare"
            else middle[name] | asyncio.run(tail(server, pictures, middle[name], seconds))
        )
        peer = {} if name == "bare" else {"peer_name": "bare FastAPI and torch"}
        results.add(f"{name}, one alone", values["alone_ms"], "ms", limit=1.1 * bare["alone_ms"],
                    peer=None if name == "bare" else bare["alone_ms"], **peer, **values)  # fmt: skip
        results.add(f"{name}, 32 at once", values["saturation"], "requests/s", more=True, limit=3 * bare["saturation"],
                    peer=None if name == "bare" else bare["saturation"], **peer)  # fmt: skip
        if "p99_ms" in values:
            results.add(f"{name}, p99 at 0.7 of that", values["p99_ms"], "ms", limit=1.3 * values["queue_bound_ms"])
    results.write()


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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", type=Path)
    parser.add_argument("--only", choices=["load", "hostile"])
    parser.add_argument("--requests", type=int, default=10_000, help="hostile requests")
    parser.add_argument("--runtimes", nargs="+", default=["torch", "onnx"], choices=["torch", "onnx"])
    parser.add_argument("--also", nargs="*", default=[], metavar="NAME=CLONE", help="other clones, measured in turn")
    parser.add_argument("--replicas", type=int, default=0, help="on Ray Serve, measured in turn too")
    parser.add_argument("--large", action="store_true", help="hostile requests too, as without --only")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=400, help="requests of a round, 32 at once")
    parser.add_argument("--seconds", type=float, default=20, help="of each kind of arrivals")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        index = args.index
        if index is None:
            table = synthetic.write_alphabets(
                Path(name) / "drawn", alphabets=4, characters=30, drawers=10, size=64, seed=0
            )
            omlzoo.build_index(omlzoo.embed("resnet_small_omniglot", table, progress=False)).save(Path(name) / "index")
            index = Path(name) / "index"
        pictures = [file.read_bytes() for file in omlzoo.open_index(index).table().files()[:100]]
        if args.only in (None, "load"):
            running = {"bare": Server(str(Path(__file__).parent / "bare_server.py"), "PORT", str(index))}
            try:
                for runtime in args.runtimes:
                    running[runtime] = ours(index, "--runtime", runtime)
                    for other, path in (each.split("=", 1) for each in args.also):
                        running[f"{other} {runtime}"] = ours(index, "--runtime", runtime, path=path)
                if args.replicas:
                    running["ray"] = ours(index, "--engine", "ray", "--replicas", str(args.replicas))
                load(running, pictures, args.rounds, args.count, args.seconds)
            finally:
                for one in running.values():
                    one.stop()
        if args.only in (None, "hostile"):
            attacked = ours(index, "--megabytes", "1", "--seconds", "5")
            asyncio.run(hostile(attacked, pictures[0], args.requests))
            print(attacked.stop()[-500:])
