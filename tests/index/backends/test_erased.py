"""Rows that are removed from a graph have the code of their nearest neighbour, by a loop over its links."""

import numpy as np
import pytest

from omlzoo import catalog
from omlzoo.index.backends._erased import erased

faiss = pytest.importorskip("faiss")


def codes_of(index: faiss.Index) -> np.ndarray:
    storage = faiss.downcast_index(index.storage)
    return faiss.vector_to_array(storage.codes).view(np.uint8).reshape(index.ntotal, -1).astype(int)


@pytest.mark.parametrize("block", [1, 1 << 24])
def test_a_removed_row_has_the_code_of_the_nearest_that_it_is_linked_to(
    block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omlzoo.index.backends._erased.BLOCK", block)
    vectors = np.random.default_rng(0).normal(size=(200, 8)).astype(np.float32)
    backend = catalog.find("index.backends", "faiss")("euclidean", 8, neighbours=4)
    backend.add(vectors, np.arange(200))
    gone = np.arange(200) % 3 == 0
    before = codes_of(backend.index)
    index, rows, marks = erased(faiss.clone_index(backend.index), np.arange(200), gone)
    assert rows.tolist() == list(range(200))
    assert marks.tolist() == gone.tolist()
    after = codes_of(index)
    neighbours, starts = (faiss.vector_to_array(each).tolist() for each in (index.hnsw.neighbors, index.hnsw.offsets))
    for row in range(200):
        links = neighbours[starts[row] : starts[row] + 8]
        there = [link for link in links if link >= 0 and not gone[link]]
        apart = [int(np.abs(before[link] - before[row]).sum()) for link in there]
        if not gone[row]:
            assert after[row].tolist() == before[row].tolist()
        elif there:
            assert after[row].tolist() == before[there[apart.index(min(apart))]].tolist()
        else:
            assert after[row].tolist() == before[1].tolist()


@pytest.mark.parametrize("name", ["faiss_int8", "faiss_float16", "faiss_binary"])
def test_out_of_all_that_are_looked_at_they_are_taken_out(name: str) -> None:
    backend = catalog.find("index.backends", name)("cosine", 8)
    vectors = np.eye(8, dtype=np.float32)
    backend.add(vectors, np.arange(8))
    index, rows, marks = erased(backend._copied(), np.arange(8) + 10, np.arange(8) == 2)
    assert index.ntotal == 7
    assert rows.tolist() == [10, 11, 13, 14, 15, 16, 17]
    assert not marks.any()
