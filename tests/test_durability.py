"""Whoever writes may be killed at any call of the system: what was there stays, or what is new is whole.

durability.py ends a process at the call of a number, also at those of pyarrow, safetensors and FAISS. The sample of
the suite is a few calls of each act; ``pytest -m slow tests/test_durability.py`` tries every one.
"""

import itertools
import json
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import durable_acts
import numpy as np
import pandas as pd
import pytest
from drawn_rows import random_embeddings
from durability import WRITES, Ended, Killer, missing_reason, unsynced

import omlzoo
from omlzoo.errors import BadInput
from omlzoo.files import settle, settled

pytestmark = pytest.mark.skipif(missing_reason() is not None, reason=str(missing_reason()))
LONG = ("finetune", "evaluate", "tidy", "calibrate")  # acts of seconds, which the slow run kills
COPIES = itertools.count()
NOT_OURS = "rows.db"  # Milvus's own files: it promises what it likes; the index is read and put right from our own


@pytest.fixture(scope="module")
def killer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killer]:
    killer = Killer(tmp_path_factory.mktemp("killer"))
    yield killer
    killer.close()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, drawn: Path) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    durable_acts.prepare(folder, drawn)
    return folder


def same_vectors(rows: omlzoo.Embeddings, wanted: omlzoo.Embeddings) -> bool:
    """Whether they have the same vectors, in the order of their paths."""
    order, reference = np.argsort(rows.table["path"].to_numpy()), np.argsort(wanted.table["path"].to_numpy())
    return len(rows) == len(wanted) and bool(np.abs(rows.vectors[order] - wanted.vectors[reference]).max() < 1e-5)


def are_replaced(root: Path, name: str, act: Callable[[str], int]) -> None:
    """At every moment the old rows or the new ones; then the new ones, and nothing besides."""
    old, new = (omlzoo.load_embeddings(root / given) for given in ("given_old.parquet", "given.parquet"))
    there = omlzoo.load_embeddings(root / name)
    assert same_vectors(there, old) or same_vectors(there, new)
    assert act(str(root)) == 0
    assert same_vectors(omlzoo.load_embeddings(root / name), new)
    if (root / name).is_dir():
        assert len(list((root / name).iterdir())) == 2


def embeddings_are_whole(root: Path, name: str, act: Callable[[str], int]) -> None:
    path = root / name
    if name == "e.parquet":
        if path.exists():
            assert omlzoo.load_embeddings(path).good.all()
    elif (path / "shards.json").exists():
        assert omlzoo.load_embeddings(path).good.all() if list(path.glob("[0-9]*.parquet")) else True
    assert act(str(root)) == 0
    rows, wanted = omlzoo.load_embeddings(path), omlzoo.load_embeddings(root / "given.parquet")
    assert len(rows) == len(wanted)
    by_path = rows.table.assign(row=range(len(rows))).set_index("path")["row"]
    order = by_path[wanted.table["path"]].to_numpy()
    assert np.abs(rows.vectors[order] - wanted.vectors).max() < 1e-5


def index_is_whole(root: Path, backend: str, act: Callable[[str], int]) -> None:
    try:
        index = omlzoo.open_index(root / f"{backend}.index")
    except BadInput as error:  # Milvus-lite lost its own files; the index has the vectors
        if backend != "milvus" or "overwrite=True" not in str(error):
            raise
        index = omlzoo.open_index(root / f"{backend}.index", overwrite=True)
    rows = random_embeddings(80)
    first, last = {60: (0, 60), 70: (10, 80)}[index.size]
    hits = index.search(rows.vectors[first:last], k=1)
    assert (hits.scores[:, 0] > 0.999).all()
    assert hits.ids[:, 0].tolist() == list(range(first, last))
    if index.size == 60:
        del index
        act(str(root))
        assert omlzoo.open_index(root / f"{backend}.index").size == 70


def run_goes_on(root: Path, act: Callable[[str], int]) -> None:
    assert act(str(root)) == 0
    assert omlzoo.get_model(str(root / "run")).dim
    assert json.loads((root / "run" / "report.json").read_text())["metrics"]


def model_is_whole(root: Path, name: str, act: Callable[[str], int]) -> None:
    if settled(root / name, "entry.json", "entry.json").exists():
        assert omlzoo.get_model(str(root / name)).dim
        if name == "converted":
            assert omlzoo.get_weights(str(root / name)).entry.fingerprint is not None
            return
    assert act(str(root)) == 0
    assert omlzoo.get_model(str(root / name)).dim


def file_is_whole(root: Path, name: str, act: Callable[[str], int]) -> None:
    path = root / name
    for _ in range(2):
        if path.exists():
            text = path.read_text()
            if name.endswith(".json"):
                assert json.loads(text)["metrics"]
            elif name.endswith(".csv"):
                assert len(pd.read_csv(path)) == 3
            else:
                assert text.rstrip().endswith("</html>")
        assert act(str(root)) == 0
    assert path.exists()


CHECKS: dict[str, Callable[[Path, Callable[[str], int]], None]] = {
    "embed_file": lambda root, act: embeddings_are_whole(root, "e.parquet", act),
    "embed_folder": lambda root, act: embeddings_are_whole(root, "vectors", act),
    "embed_file_anew": lambda root, act: are_replaced(root, "old.parquet", act),
    "embed_folder_anew": lambda root, act: are_replaced(root, "old", act),
    "index_exact": lambda root, act: index_is_whole(root, "exact", act),
    "index_faiss": lambda root, act: index_is_whole(root, "faiss", act),
    "index_milvus": lambda root, act: index_is_whole(root, "milvus", act),
    "finetune": run_goes_on,
    "calibrate": lambda root, act: model_is_whole(root, "m", act),
    "convert": lambda root, act: model_is_whole(root, "converted", act),
    "save_model": lambda root, act: model_is_whole(root, "m", act),
    "evaluate": lambda root, act: [file_is_whole(root, name, act) for name in ("report.json", "report.html")] and None,
    "select": lambda root, act: file_is_whole(root, "next.csv", act),
    "tidy": lambda root, act: file_is_whole(root, "tidy.html", act),
}


def copied(prepared: Path) -> Path:
    """A copy under a name of its own: Milvus holds a database of a path open."""
    home = prepared.with_name(f"home{next(COPIES)}")
    shutil.copytree(prepared, home, symlinks=True)
    index = home / "milvus.index" / "index.json"
    index.write_text(index.read_text().replace(f"{prepared}/", f"{home}/"))
    return home


def tried(killer: Killer, act: str, prepared: Path, numbers: Callable[[int], list[int]]) -> None:
    whole = killer.run(act, copied(prepared))
    assert whole.code == 0, (killer.folder / "stderr").read_text()[-2000:]
    ours = [call for call in whole.calls if NOT_OURS not in call[1]]
    assert len(ours) > 3
    assert unsynced(ours) == []
    for number in numbers(len(whole.calls)):
        root = copied(prepared)
        ended = killer.run(act, root, number)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            CHECKS[act](root, getattr(durable_acts, act))
        assert ended.killed or ended.code == 0, number
        shutil.rmtree(root, ignore_errors=True)  # Milvus may still write there


def test_every_act_has_its_check() -> None:
    assert [act.__name__ for act in durable_acts.ACTS] == list(CHECKS)


@pytest.mark.parametrize("act", [act for act in CHECKS if act not in LONG])
def test_killed_at_some_calls(act: str, killer: Killer, prepared: Path) -> None:
    """In the middle, and right before the last call, where most goes wrong."""
    tried(killer, act, prepared, lambda count: [max(1, count // 2), max(1, count - 1)])


@pytest.mark.slow
@pytest.mark.parametrize("act", CHECKS)
def test_killed_at_every_call(act: str, killer: Killer, prepared: Path) -> None:
    tried(killer, act, prepared, lambda count: list(range(1, count + 1)))


def pair(folder: Path) -> set[str]:
    return {path.read_text() for path in (folder / "a", folder / "b")}


def wrong_points(killer: Killer, act: str, folder: Path) -> tuple[int, Ended]:
    """At how many calls a writer of two files leaves one old and one new, and its calls."""
    found = 0
    for number in range(100):
        for name in ("a", "b"):
            (folder / name).write_text("old")
        for path in folder.glob(".*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        ended = killer.run(act, folder, number)
        if number == 0:
            whole = ended
        elif not ended.killed:
            return found, whole
        settle(folder, "b")
        found += len(pair(folder)) > 1 and number > 0
    raise AssertionError("it never ends")


def test_the_harness_sees_wrong_writers_and_passes_a_right_one(killer: Killer, tmp_path: Path) -> None:
    early = killer.run("rename_before_sync", tmp_path)
    assert unsynced(early.calls) == [f"{tmp_path}/.new became {tmp_path}/a"]
    points, whole = wrong_points(killer, "one_after_the_other", tmp_path)
    assert points > 0
    assert unsynced(whole.calls) == []
    points, whole = wrong_points(killer, "together", tmp_path)
    assert points == 0
    assert unsynced(whole.calls) == []


def test_calls_of_other_languages_are_counted(killer: Killer, prepared: Path) -> None:
    """pyarrow is C++, safetensors Rust, FAISS C with streams: none of them goes through Python's os."""
    calls = killer.run("index_faiss", copied(prepared)).calls
    written = " ".join(path for name, path, _ in calls if name in WRITES)
    assert "vectors.npy" in written
    assert "backend.faiss" in written
    calls = killer.run("save_model", copied(prepared)).calls
    assert any(Path(path).name.startswith(".tmp") for name, path, _ in calls if name in WRITES), (
        "its own temporary file"
    )
