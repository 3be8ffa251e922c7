"""Every backend: the nearest rows in the order of their exact scores, filters, additions, removals, and on disk."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stores import options_of

from omlzoo import catalog
from omlzoo.errors import BadInput

BACKENDS = sorted(catalog.names("index.backends"))
ROWS, DIM = 600, 16


@pytest.fixture
def vectors() -> np.ndarray:
    drawn = np.random.default_rng(0).normal(size=(ROWS, DIM)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def make(name: str, similarity: str, folder: Path, request: pytest.FixtureRequest) -> Any:
    options: dict[str, Any] = {
        "faiss_ivfpq": {"code_bytes": 8, "lists": 4, "probes": 4, "spare": 60}, "faiss_binary": {"spare": 100}, "faiss": {"search_width": 600},
    }.get(name) or options_of(name, folder, request)  # fmt: skip
    return catalog.find("index.backends", name)(similarity, DIM, **options)


def by_hand(vectors: np.ndarray, query: np.ndarray, among: list[int], k: int) -> list[int]:
    return sorted(among, key=lambda row: float(np.linalg.norm(vectors[row].astype(float) - query)))[:k]


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("similarity", ["cosine", "euclidean"])
def test_finds_adds_filters_and_removes_as_the_loop(
    name: str, similarity: str, vectors: np.ndarray, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    backend = make(name, similarity, tmp_path, request)
    backend.add(vectors[:500], np.arange(500))
    rows = list(range(500))
    queries = vectors[:5]

    def check(among: list[int], **more: Any) -> None:
        scores, ids = backend.search(queries, 3, **more)
        for place, query in enumerate(queries):
            assert ids[place].tolist() == by_hand(vectors, query, among, 3)
            direct = (
                vectors[ids[place]] @ query
                if similarity == "cosine"
                else -np.linalg.norm(vectors[ids[place]] - query, axis=1)
            )
            assert scores[place].tolist() == pytest.approx(direct.tolist(), abs=1e-5)

    check(rows)
    rows += range(500, ROWS)
    backend.add(vectors, np.arange(500, ROWS))
    check(rows)
    allowed = np.arange(ROWS) % 3 == 1
    check([row for row in rows if row % 3 == 1], allowed=allowed)
    scores, ids = backend.search(queries, 3, own=np.array([0, 1, 2, -1, -1]))
    assert (ids[:3] != np.arange(3)[:, None]).all()
    assert ids[3:, 0].tolist() == [3, 4]
    backend.remove(np.arange(0, ROWS, 2))
    check([row for row in rows if row % 2])
    scores, ids = backend.search(queries, 3, allowed=np.arange(ROWS) < 2)  # one of them is left
    assert ids.tolist() == [[1, -1, -1]] * 5
    assert (scores[:, 1:] == -np.inf).all()
    assert (backend.search(queries, 2, allowed=np.zeros(ROWS, dtype=bool))[1] == -1).all()


@pytest.mark.parametrize("name", BACKENDS)
def test_what_is_kept_on_disk_answers_the_same(
    name: str, vectors: np.ndarray, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    backend = make(name, "cosine", tmp_path, request)
    backend.add(vectors, np.arange(ROWS))
    backend.remove(np.arange(100))
    backend.save(tmp_path)
    opened = make(name, "cosine", tmp_path, request)
    opened.restore(tmp_path, vectors, np.arange(100, ROWS))
    assert opened.search(vectors[:9], 4)[1].tolist() == backend.search(vectors[:9], 4)[1].tolist()
    opened.add(np.concatenate([vectors, vectors[:1]]), np.array([ROWS]))
    assert opened.search(vectors[:1], 1)[1].tolist() == [[ROWS]]


@pytest.mark.parametrize("name", [name for name in BACKENDS if name.startswith("faiss")])
def test_a_damaged_or_foreign_file_is_refused(
    name: str, vectors: np.ndarray, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    backend = make(name, "cosine", tmp_path, request)
    backend.add(vectors, np.arange(ROWS))
    backend.save(tmp_path)
    with pytest.raises(BadInput, match="other rows than the embeddings"):
        make(name, "cosine", tmp_path, request).restore(tmp_path, vectors, np.arange(10))
    whole = (tmp_path / "backend.faiss").read_bytes()
    (tmp_path / "backend.faiss").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadInput, match=r"cannot be read .*build the index again"):
        make(name, "cosine", tmp_path, request).restore(tmp_path, vectors, np.arange(ROWS))


def test_wrong_settings_are_refused(vectors: np.ndarray) -> None:
    find = catalog.find
    with pytest.raises(BadInput, match="neighbours is 0; it must be at least 1"):
        find("index.backends", "faiss")("cosine", DIM, neighbours=0)
    with pytest.raises(BadInput, match="code_bytes is 7; it must divide"):
        find("index.backends", "faiss_ivfpq")("cosine", DIM, code_bytes=7)
    with pytest.raises(BadInput, match="at least 256 rows, there are 200; use exact"):
        find("index.backends", "faiss_ivfpq")("cosine", DIM, code_bytes=8).add(vectors, np.arange(200))


def test_milvus_replaces_nothing_unasked_and_sees_a_changed_database(
    vectors: np.ndarray, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    backend = make("milvus", "cosine", tmp_path, request)
    backend.add(vectors, np.arange(50))
    with pytest.raises(BadInput, match=r"has a collection 'omlzoo' already; give collection="):
        make("milvus", "cosine", tmp_path, request).add(vectors, np.arange(9))
    with pytest.raises(BadInput, match="in 'omlzoo' \\(it has other vectors\\)"):
        make("milvus", "cosine", tmp_path, request).restore(tmp_path, vectors[::-1], np.arange(50))
    other = catalog.find("index.backends", "milvus")(
        "cosine", DIM, uri=str(tmp_path / "rows.db"), kind="FLAT", overwrite=True
    )
    other.add(vectors, np.arange(9))
    assert other.search(vectors[:1], 9)[1].max() == 8


@pytest.mark.parametrize("similarity", ["cosine", "euclidean"])
@pytest.mark.parametrize("every", [1, 3, 100, 150, 5000])  # a copy of those allowed, or all looked at and masked
def test_the_exact_backend_finds_the_nearest_of_those_allowed(similarity: str, every: int) -> None:
    random = np.random.default_rng(1)
    vectors = random.normal(size=(10_000, DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    backend = catalog.find("index.backends", "exact")(similarity, DIM)
    backend.add(vectors, np.arange(len(vectors)))
    allowed = np.arange(len(vectors)) % every == 0
    queries = random.normal(size=(3, DIM)).astype(np.float32)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    for _ in range(40):  # after so many searches the first pass is in bytes, where the processor has them
        scores, ids = backend.search(queries, 4, allowed=allowed)
    for place, query in enumerate(queries):
        expected = by_hand(vectors, query, np.flatnonzero(allowed).tolist(), 4)
        assert ids[place].tolist() == expected + [-1] * (4 - len(expected))
        assert np.isneginf(scores[place, len(expected) :]).all()


@pytest.mark.parametrize("similarity", ["cosine", "euclidean"])
def test_codes_are_learnt_again_where_rows_are_many_more(similarity: str, vectors: np.ndarray) -> None:
    """Bytes that two rows taught have two values: every later row would look alike."""
    backend = catalog.find("index.backends", "faiss")(similarity, DIM, search_width=200)
    backend.add(vectors, np.arange(2))
    backend.add(vectors, np.arange(2, 3))
    backend.remove(np.array([1]))
    backend.add(vectors, np.arange(3, ROWS))
    there = [row for row in range(ROWS) if row != 1]
    _, ids = backend.search(vectors[:20], 3)
    for place, query in enumerate(vectors[:20]):
        assert ids[place].tolist() == by_hand(vectors, query, there, 3)


def test_a_graph_of_float32_of_earlier_versions_is_taken_up(
    vectors: np.ndarray, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    import faiss

    graph = faiss.IndexHNSWFlat(DIM, 32)
    graph.add(vectors[:500])
    faiss.write_index(graph, str(tmp_path / "backend.faiss"))
    np.savez(tmp_path / "backend.npz", rows=np.arange(500), middle=np.empty(0, dtype=np.float32))
    backend = catalog.find("index.backends", "faiss")("cosine", DIM, search_width=400)
    backend.restore(tmp_path, vectors, np.arange(500))
    backend.add(vectors, np.arange(500, ROWS))
    _, ids = backend.search(vectors[:20], 3)
    for place, query in enumerate(vectors[:20]):
        assert ids[place].tolist() == by_hand(vectors, query, list(range(ROWS)), 3)


@pytest.mark.parametrize("similarity", ["cosine", "euclidean"])
def test_exact_search_over_what_comes_and_goes_is_the_loop(similarity: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows beside others, passed over in place, copied where most are gone: the same hits each time."""
    monkeypatch.setattr("omlzoo.index.backends.flat.TAIL", 30)
    random = np.random.default_rng(2)
    every = random.normal(size=(400, DIM)).astype(np.float32)
    every /= np.linalg.norm(every, axis=1, keepdims=True)
    every[[50, 60]] = np.nan  # rows without a vector
    buffer = np.empty_like(every)
    buffer[:] = every
    backend = catalog.find("index.backends", "exact")(similarity, DIM)
    there: list[int] = []
    queries = every[:4]

    def check() -> None:
        mask = np.zeros(400, dtype=bool)
        mask[there[::3]] = True
        for allowed, among in ((None, there), (mask, there[::3])):
            own = np.array([there[1], -1, there[-1], 399])
            scores, ids = backend.search(queries, 5, own, allowed)
            for place, query in enumerate(queries):
                wanted = by_hand(every, query, [row for row in among if row != own[place]], 5)
                assert ids[place].tolist() == wanted + [-1] * (5 - len(wanted))
                assert np.isneginf(scores[place, len(wanted) :]).all()

    for start, end in ((0, 100), (100, 110), (110, 125), (125, 126), (126, 200), (200, 201), (201, 400)):
        rows = [row for row in range(start, end) if row not in (50, 60)]
        backend.add(buffer[:end], np.array(rows))
        there += rows
        check()
        gone = there[5::9]
        backend.remove(np.array(gone))
        there = [row for row in there if row not in gone]
        check()
    while len(there) > 12:
        gone = there[::2][2:]
        backend.remove(np.array(gone))
        there = [row for row in there if row not in gone]
        check()
