"""Ray's workers write the very files that one process writes, also where one of them is killed, and go on afterwards."""

import os
import signal
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

import omlzoo
from omlzoo.embedding.ray_cluster import embed_on_ray
from omlzoo.errors import BadInput, OmlzooWarning
from omlzoo.models._extractor import Extractor

ray = pytest.importorskip("ray", reason="ray is not installed; pip install 'omlzoo[ray]'")
pytestmark = pytest.mark.slow


@pytest.fixture
def saved(tmp_path: Path, model: Extractor) -> Path:
    model.save(tmp_path / "m")
    return tmp_path / "m"


@pytest.fixture
def cluster() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ray.init(num_cpus=4, log_to_driver=False, include_dashboard=False)
    yield
    ray.shutdown()


def same(out: Path, saved: Path, source: Path) -> bool:
    found, wanted = omlzoo.load_embeddings(out), omlzoo.embed(str(saved), source, progress=False)
    order = np.argsort(found.table["path"].to_numpy())
    reference = np.argsort(wanted.table["path"].to_numpy())
    assert found.table["path"].is_unique
    assert found.table["label"].dtype == wanted.table["label"].dtype
    return np.allclose(found.vectors[order], wanted.vectors[reference], atol=1e-5)


def test_workers_equal_one_process_and_what_is_there_is_not_computed(
    cluster: None, saved: Path, drawn: Path, tmp_path: Path
) -> None:
    out = tmp_path / "v"
    shards = embed_on_ray(saved, drawn, out, workers=2, rows=32)
    assert len(shards.files()) == 5
    assert same(out, saved, drawn)
    changed = [file.stat().st_mtime_ns for file in shards.files()]
    (out / "00000002.parquet").unlink()
    assert len(embed_on_ray(saved, drawn, out, workers=2, rows=32)) == 160
    assert same(out, saved, drawn)
    assert [file.stat().st_mtime_ns for file in shards.files()][:2] == changed[:2]
    with pytest.raises(BadInput, match=r"4 workers of 1 processors are all of the cluster's 4"):
        embed_on_ray(saved, drawn, tmp_path / "w", workers=4)


def test_a_worker_that_is_killed_costs_nothing_but_time(
    cluster: None, saved: Path, drawn: Path, tmp_path: Path
) -> None:
    killed: list[int] = []

    def kill() -> None:
        deadline = time.monotonic() + 120
        while not killed and time.monotonic() < deadline:
            time.sleep(0.05)
            if len(list((tmp_path / "v").glob("0*.parquet"))) < 2:
                continue
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    title = (process / "cmdline").read_bytes()
                except OSError:
                    continue
                if b"MapWorker" in title or b"_Worker" in title:
                    os.kill(int(process.name), signal.SIGKILL)
                    killed.append(int(process.name))
                    return

    watcher = threading.Thread(target=kill)
    watcher.start()
    embed_on_ray(saved, drawn, tmp_path / "v", workers=2, rows=4)
    watcher.join()
    assert killed
    assert same(tmp_path / "v", saved, drawn)


def test_unreadable_pictures_are_counted(cluster: None, saved: Path, tmp_path: Path, drawn: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "bad.png").write_bytes(b"x")
    (folder / "good.png").write_bytes(next(drawn.parent.rglob("*.png")).read_bytes())
    with pytest.warns(OmlzooWarning, match="1 of 2 pictures have no vector"):
        shards = embed_on_ray(saved, folder, tmp_path / "v", workers=1)
    assert len(shards) == 2
