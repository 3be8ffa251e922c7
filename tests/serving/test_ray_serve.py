"""Replicas on Ray Serve answer as one process does, also while one of them is killed."""

import asyncio
import os
import signal
import time
import warnings
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest

import omlzoo
from omlzoo.errors import BadInput, MissingExtra, OmlzooWarning
from omlzoo.models._extractor import Extractor
from omlzoo.serving.application import application
from omlzoo.serving.limits import Limits
from omlzoo.serving.ray_serve import Replicas, served_on_ray
from tests.serving.conftest import Running

try:
    import ray.serve
except ImportError:
    ray = None

LIMITS = Limits(per_second=10_000, burst=10_000)


def test_numbers_of_replicas_are_checked() -> None:
    for wrong in ({"count": 0}, {"cpus": 0.0}, {"gpus": -1.0}, {"cpus": float("nan")}):
        with pytest.raises(BadInput, match="there cannot be"):
            Replicas(**wrong)


@pytest.mark.skipif(ray is not None, reason="Ray Serve is installed")
def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(MissingExtra, match=r"omlzoo\[ray\]"),
        served_on_ray(tmp_path, Replicas()),
    ):
        pass


class Ray:
    """What is asked of Ray and Ray Serve, and which applications there are."""

    def __init__(self) -> None:
        self.running: dict[str, Any] = {}
        self.started = 0
        self.exceptions = SimpleNamespace(RayActorError=RuntimeError)
        self.BackPressureError = self.DeploymentUnavailableError = KeyError

    def is_initialized(self) -> bool:
        return self.started > 0

    def init(self, **given: Any) -> None:
        self.started += 1

    def shutdown(self) -> None:
        self.started, self.running = 0, {}

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 8.0}

    def start(self, **given: Any) -> None:
        """Nothing."""

    def status(self) -> Any:
        return SimpleNamespace(applications=dict(self.running))

    def deployment(self, kind: type, **given: Any) -> Any:
        return SimpleNamespace(bind=lambda settings: settings.index)

    def run(self, bound: str, *, name: str, **given: Any) -> Any:
        self.running[name] = bound  # another application of this name is replaced

    def delete(self, name: str) -> None:
        del self.running[name]


@pytest.mark.filterwarnings("ignore:Deprecated:DeprecationWarning")
def test_indexes_that_are_served_beside_each_other_have_applications_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    double = Ray()
    monkeypatch.setattr("omlzoo.catalog.optional", lambda module, extra: double)
    with ExitStack() as second:
        with ExitStack() as first:
            first.enter_context(served_on_ray(tmp_path / "a", Replicas()))
            second.enter_context(served_on_ray(tmp_path / "b", Replicas()))
            assert sorted(double.running.values()) == [str(tmp_path / "a"), str(tmp_path / "b")]
        assert list(double.running.values()) == [str(tmp_path / "b")]
        assert double.is_initialized(), "the first one's end does not end what the second one needs"
    assert not double.is_initialized()


def test_an_application_that_a_killed_process_left_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    double = Ray()
    double.running = {"omlzoo-0a1b2c3d": "of another process", "theirs": "not ours"}
    monkeypatch.setattr("omlzoo.catalog.optional", lambda module, extra: double)
    with (
        pytest.warns(OmlzooWarning, match="the cluster serves omlzoo-0a1b2c3d too; .* `ray.serve.delete"),
        served_on_ray(tmp_path / "a", Replicas()),
    ):
        assert len(double.running) == 3


@pytest.fixture
def folder(tmp_path: Path, model: Extractor, drawn: Path) -> Path:
    """An index of pictures, and of a model that other processes can open."""
    model.save(tmp_path / "m")
    omlzoo.build_index(omlzoo.embed(str(tmp_path / "m"), drawn, progress=False)).save(tmp_path / "index")
    return tmp_path / "index"


@pytest.fixture
def cluster() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ray.init(num_cpus=2, log_to_driver=False, include_dashboard=False)
    yield
    ray.serve.shutdown()
    ray.shutdown()


@asynccontextmanager
async def served(running: Running, app: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an application that listens on a port."""
    async with (
        running(app, LIMITS) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
    ):
        yield client


def replicas() -> list[int]:
    """Process ids of the replicas, which Ray gives a title."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            title = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if title.startswith(b"ray::ServeReplica:omlzoo"):
            found.append(int(process.name))
    return found


@pytest.mark.slow
@pytest.mark.skipif(ray is None, reason="Ray Serve is not installed; pip install 'omlzoo[ray]'")
def test_replicas_answer_as_one_process_and_a_killed_one_costs_no_answer(
    cluster: None, folder: Path, running: Running
) -> None:
    opened = omlzoo.open_index(folder)
    pictures = [file.read_bytes() for file in opened.table().files()[:20]]

    async def ask(client: httpx.AsyncClient, number: int) -> httpx.Response:
        return await client.post("/search", files={"image": pictures[number % 20]}, data={"k": "3"})

    async def rate(client: httpx.AsyncClient, seconds: float, wanted: list[list[int]]) -> tuple[float, Counter]:
        statuses: Counter = Counter()
        end = time.monotonic() + seconds

        async def one(worker: int) -> None:
            number = worker
            while time.monotonic() < end:
                answer = await ask(client, number)
                statuses[answer.status_code] += 1
                if answer.status_code == 200:
                    assert ids(answer) == wanted[number % 20], "an answer is that of its own picture"
                else:
                    assert answer.status_code == 503
                    assert "try again" in answer.json()["detail"]
                    assert answer.headers["retry-after"] == "1"
                number += 8

        await asyncio.gather(*(one(worker) for worker in range(8)))
        return statuses[200] / seconds, statuses

    async def go() -> None:
        async with served(running, application(opened, limits=LIMITS)) as client:
            alone = [await ask(client, number) for number in range(20)]
            page, item = await client.get("/"), await client.get("/items/3")
        wanted = [ids(answer) for answer in alone]
        with served_on_ray(folder, Replicas(2), limits=LIMITS, hosts=["127.0.0.1"]) as front:
            async with served(running, front) as client:
                far = [await ask(client, number) for number in range(20)]
                assert [answer.json() for answer in far] == [answer.json() for answer in alone]
                assert set(far[0].headers) - {"date"} == set(alone[0].headers) - {"date"}, "the guards' headers too"
                assert (await client.get("/")).content == page.content
                assert (await client.get("/items/3")).json() == item.json()
                assert (await client.get("/items/99999")).status_code == 404
                assert (await client.get("/health", headers={"Host": "elsewhere"})).status_code == 400
                assert (await client.head("/health")).content == b""
                before, _ = await rate(client, 5, wanted)
                first = replicas()
                assert len(first) == 2
                killing = asyncio.get_running_loop().call_later(1, os.kill, first[0], signal.SIGKILL)
                _, statuses = await rate(client, 5, wanted)
                killing.cancel()
                deadline = time.monotonic() + 60
                while len(set(replicas()) - {first[0]}) < 2 and time.monotonic() < deadline:
                    await asyncio.sleep(0.5)
                await asyncio.sleep(15)  # the new one opens its index
                after, _ = await rate(client, 5, wanted)
                counts = (await client.get("/metrics")).text
                print(f"before {before:.0f} a second, after {after:.0f}, while one was killed {dict(statuses)}")
                assert set(statuses) <= {200, 503}
                assert after > before / 2
                assert 'omlzoo_requests_total{route="/items/{row}",status="404"} 1.0' in counts

    asyncio.run(go())


def ids(answer: httpx.Response) -> list[int]:
    return [hit["id"] for hit in answer.json()["hits"]]


@pytest.mark.slow
@pytest.mark.skipif(ray is None, reason="Ray Serve is not installed; pip install 'omlzoo[ray]'")
def test_what_cannot_be_served_is_said_in_one_line(cluster: None, folder: Path) -> None:
    with (
        pytest.raises(BadInput, match="3 replicas of 1 processors want 3, and the cluster has 2"),
        served_on_ray(folder, Replicas(3)),
    ):
        pass


@pytest.mark.slow
@pytest.mark.skipif(ray is None, reason="Ray Serve is not installed; pip install 'omlzoo[ray]'")
def test_two_indexes_of_one_process_answer_each_with_its_own_rows(
    cluster: None, folder: Path, running: Running, tmp_path: Path
) -> None:
    opened = omlzoo.open_index(folder)
    pictures = [file.read_bytes() for file in opened.table().files()[:3]]
    opened.remove(np.arange(80))
    opened.save(tmp_path / "half")

    async def first_hits(app: Any) -> list[int]:
        async with served(running, app) as client:
            return [ids(await client.post("/search", files={"image": one}))[0] for one in pictures]

    async def go() -> None:
        with served_on_ray(tmp_path / "half", Replicas(1, cpus=0.5), limits=LIMITS) as half:
            with served_on_ray(folder, Replicas(1, cpus=0.5), limits=LIMITS) as whole:
                assert await first_hits(whole) == [0, 1, 2]
                assert min(await first_hits(half)) >= 80
            assert min(await first_hits(half)) >= 80, "it goes on when the other one ends"

    asyncio.run(go())
