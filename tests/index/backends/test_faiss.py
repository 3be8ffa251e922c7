"""FAISS: walks behind filters, and removals that are cheap to save and leave nothing of the vectors."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from omlzoo import catalog
from omlzoo.errors import BadInput
from omlzoo.index.backends._faiss import Faiss

pytest.importorskip("faiss")
ROWS, DIM = 3000, 16
NAMES = ["faiss", "faiss_ivfpq", "faiss_int8", "faiss_float16", "faiss_binary"]


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    drawn = np.random.default_rng(0).normal(size=(ROWS, DIM)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def empty(name: str = "faiss") -> Faiss:
    options = {"code_bytes": 8, "spare": 60, "lists": 20} if name == "faiss_ivfpq" else {}
    options = {"spare": 400} if name == "faiss_binary" else options
    return catalog.find("index.backends", name)("cosine", DIM, **options)


@pytest.fixture(scope="module")
def graph(vectors: np.ndarray) -> Faiss:
    built = empty()
    built.add(vectors, np.arange(ROWS))
    return built


def nearest(vectors: np.ndarray, query: np.ndarray, among: np.ndarray, k: int) -> list[int]:
    rows = np.flatnonzero(among)
    return rows[np.argsort(-(vectors[rows] @ query), kind="stable")[:k]].tolist()


def test_a_walk_goes_on_until_enough_of_those_that_may_be_found_are_among_the_nearest(
    vectors: np.ndarray, graph: Faiss
) -> None:
    """All that pass lie on the other side of the query's nearest rows: the walk of 64 candidates met hardly any."""
    queries = vectors[:20].copy()
    queries[:, 0] = -np.abs(queries[:, 0]) - 0.2
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    among = vectors[:, 0] > 0
    _, ids = graph.search(queries, 5, allowed=among)
    wanted = [nearest(vectors, query, among, 5) for query in queries]
    complete = (ids >= 0).all(axis=1)
    assert complete.mean() > 0.7
    right = [np.isin(found, want).mean() for found, want, whole in zip(ids, wanted, complete, strict=True) if whole]
    assert np.mean(right) > 0.97


def test_saving_after_a_removal_builds_nothing(vectors: np.ndarray, graph: Faiss, tmp_path: Path) -> None:
    import copy

    ours, made = copy.copy(graph), []
    make = ours.make
    ours.make = lambda rows: (made.append(rows), make(rows))[1]
    gone = np.arange(0, ROWS, 7)
    ours.remove(gone)
    ours.save(tmp_path)
    assert made == []
    opened, left = empty(), np.setdiff1d(np.arange(ROWS), gone)
    opened.restore(tmp_path, vectors, left)
    among = np.isin(np.arange(ROWS), left)
    for each in (ours, opened):
        _, ids = each.search(vectors[:200], 5)
        share = [
            np.isin(found, nearest(vectors, query, among, 5)).mean() for found, query in zip(ids, vectors, strict=False)
        ]
        assert np.mean(share) > 0.98
    opened.remove(left[:100])
    opened.save(tmp_path)
    again = empty()
    again.restore(tmp_path, vectors, left[100:])
    assert not np.isin(again.search(vectors[:200], 5)[1], [*gone, *left[:100]]).any()


@pytest.mark.parametrize("name", NAMES)
def test_nothing_of_a_removed_vector_is_written(name: str, vectors: np.ndarray, tmp_path: Path) -> None:
    """The code of row 9, like no other's, is in the file of the whole index and not in that after its removal."""
    import faiss

    strange = vectors[:1000].copy()
    strange[9] = -np.abs(strange[9])
    backend = empty(name)
    backend.add(strange, np.arange(1000))
    (tmp_path / "whole").mkdir()
    backend.save(tmp_path / "whole")
    index: Any = backend.index
    if name == "faiss_binary":
        code = faiss.vector_to_array(index.xb).view(np.uint8).reshape(1000, -1)[9]
    elif name == "faiss_ivfpq":
        code = index.sa_encode(strange[9:10])[0][-8:]
    else:
        stored = faiss.downcast_index(index.storage) if name == "faiss" else index
        code = faiss.vector_to_array(stored.codes).view(np.uint8).reshape(1000, -1)[9]
    backend.remove(np.array([9]))
    (tmp_path / "without").mkdir()
    backend.save(tmp_path / "without")
    before, after = (
        (tmp_path / part / "backend.faiss").read_bytes().count(code.tobytes()) for part in ("whole", "without")
    )
    assert after < before
    assert name == "faiss_binary" or after == 0  # two bytes of signs are in a file by chance


@pytest.mark.parametrize("name", NAMES)
def test_rows_come_and_go_and_come_through_files(name: str, vectors: np.ndarray, tmp_path: Path) -> None:
    backend, there = empty(name), np.zeros(ROWS, dtype=bool)
    backend.add(vectors[:800], np.arange(800))
    there[:800] = True
    for start, gone in (
        (800, np.arange(0, 800, 3)),
        (1000, np.arange(1, 900, 2)),
        (1200, np.arange(0, 1000, 5)),
        (1400, np.arange(300, 1300)),
    ):
        gone = gone[there[gone]]
        backend.remove(gone)
        there[gone] = False
        backend.save(tmp_path)
        backend = empty(name)
        backend.restore(tmp_path, vectors[:start], np.flatnonzero(there[:start]))
        backend.add(vectors[: start + 200], np.arange(start, start + 200))
        there[start : start + 200] = True
        _, ids = backend.search(vectors[:40], 3)
        assert there[ids].all()
        right = [
            np.isin(found, nearest(vectors, query, there, 3)).mean() for found, query in zip(ids, vectors, strict=False)
        ]
        assert np.mean(right) > 0.95


def test_where_most_are_removed_the_others_are_taken_together(vectors: np.ndarray, graph: Faiss) -> None:
    import copy

    ours = copy.copy(graph)
    ours.remove(np.arange(1400))
    assert ours.index.ntotal == ROWS
    ours.remove(np.arange(1400, 1600))
    assert ours.index.ntotal == 1400
    assert graph.index.ntotal == ROWS  # which other threads search
    assert ours.search(vectors[2000:2010], 1)[1][:, 0].tolist() == list(range(2000, 2010))


@pytest.mark.parametrize(
    "broken",
    [
        {"gone": np.zeros(ROWS - 1, dtype=bool)},
        {"gone": np.zeros(ROWS)},
        {"rows": np.arange(ROWS) - 1},
        {"rows": np.arange(ROWS) + 5},
        {"rows": np.arange(ROWS, dtype=np.float64)},
    ],
)
def test_what_does_not_fit_together_is_refused(
    broken: dict[str, np.ndarray], vectors: np.ndarray, graph: Faiss, tmp_path: Path
) -> None:
    graph.save(tmp_path)
    with np.load(tmp_path / "backend.npz") as kept:
        facts = dict(kept)
    np.savez(tmp_path / "backend.npz", **{**facts, **broken})
    with pytest.raises(BadInput, match="has other rows than the embeddings"):
        empty().restore(tmp_path, vectors, np.arange(ROWS))
