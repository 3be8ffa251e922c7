"""Indexes over every store: what was saved is what is there, whatever a killed process left in the store."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_rows import random_embeddings
from stores import STORES, options_of

import omlzoo
from omlzoo.embedding.embeddings import Embeddings
from omlzoo.errors import BadInput, OmlzooWarning
from omlzoo.index.backends._store import Selection, by_query
from omlzoo.index.index import Index

Open = Callable[[], Index]


@pytest.fixture(scope="module")
def rows() -> Embeddings:
    """120 random unit vectors."""
    return random_embeddings(120)


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, folder: Path) -> dict[str, Any]:
    """The arguments of build_index for each store."""
    return {"backend": request.param, **options_of(request.param, folder, request)}


def part(rows: Embeddings, start: int, end: int) -> Embeddings:
    return rows.rows((np.arange(len(rows)) >= start) & (np.arange(len(rows)) < end))


def reopened(store: dict[str, Any], folder: Path, **more: Any) -> Index:
    """The saved index; an address that no folder may name is named again."""
    named = {
        name: store[name] for name in ("uri", "path") if name in store and store["backend"] in ("qdrant", "pgvector")
    }
    return omlzoo.open_index(folder / "x", **named, **more)


def finds_itself(index: Index, rows: Embeddings) -> bool:
    return bool((index.search(rows.vectors, k=1).scores[:, 0] > 0.999).all())


def test_answers_are_the_exact_ones_through_saving_adding_and_removing(
    store: dict[str, Any], rows: Embeddings, folder: Path
) -> None:
    index = omlzoo.build_index(part(rows, 0, 80), **store)
    exact = omlzoo.build_index(part(rows, 0, 80))
    assert index.recall is not None
    assert index.recall.value == 1.0

    def same(**more: Any) -> None:
        ours, theirs = (each.search(rows.vectors[:9], k=7, **more) for each in (index, exact))
        assert ours.ids.tolist() == theirs.ids.tolist()
        assert ours.scores == pytest.approx(theirs.scores, abs=1e-6)

    same()
    for each in (index, exact):
        each.add(part(rows, 80, 120))
        each.remove(np.arange(120) % 5 == 1)
    same()
    same(where={"kind": "a"})
    same(exclude_self=True)
    index.save(folder / "x")
    index = reopened(store, folder)
    same()
    index.remove(np.arange(120) % 5 == 2)
    exact.remove(np.arange(120) % 5 == 2)
    index.save(folder / "x")
    index = reopened(store, folder)
    same()
    assert index.size == 72


def test_a_filter_reaches_the_store(store: dict[str, Any], rows: Embeddings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omlzoo.index.rows.FEW", 0)  # a filter that leaves a few is answered without the store
    index, exact = omlzoo.build_index(rows, **store), omlzoo.build_index(rows)
    searcher: Any = index.rows.searcher
    asked: list[Selection] = []
    nearest = searcher.store.nearest
    monkeypatch.setattr(searcher.store, "nearest", lambda *given: (asked.append(given[-1]), nearest(*given))[1])
    for every, short in ((3, "only"), (1, "without")):
        mask = np.arange(120) % 3 == 0 if every == 3 else np.arange(120) > 30
        ours, theirs = (each.search(rows.vectors[:5], k=20, where=mask) for each in (index, exact))
        assert ours.ids.tolist() == theirs.ids.tolist()
        wanted = np.flatnonzero(mask if short == "only" else ~mask)
        assert np.asarray(getattr(asked[-1], short)).tolist() == wanted.tolist()
    assert [selection.only is None for selection in asked] == [False, True]


def test_what_was_not_saved_was_not_done(store: dict[str, Any], rows: Embeddings, folder: Path) -> None:
    """As after kill -9. A row that comes again, another one, is found as what it is now."""
    omlzoo.build_index(part(rows, 0, 80), **store).save(folder / "x")
    index = reopened(store, folder)
    index.remove({"path": list(index.embeddings.table["path"][:3])})
    index.add(part(rows, 80, 83))
    assert finds_itself(index, part(rows, 3, 83))
    with pytest.warns(OmlzooWarning, match="3 rows that the index has not, which are left out, and lacked 0"):
        opened = reopened(store, folder)
    assert opened.size == 80
    assert finds_itself(opened, part(rows, 0, 80))
    assert opened.search(part(rows, 80, 83).vectors, k=1).ids.max() < 80
    opened.add(part(rows, 90, 92))
    assert opened.search(part(rows, 90, 92).vectors, k=1).ids[:, 0].tolist() == [80, 81]
    opened.save(folder / "x")
    again = reopened(store, folder)  # in silence: the third one is gone
    assert again.search(part(rows, 90, 92).vectors, k=1).ids[:, 0].tolist() == [80, 81]


def test_a_store_that_changed_behind_our_back(store: dict[str, Any], rows: Embeddings, folder: Path) -> None:
    omlzoo.build_index(rows, **store).save(folder / "x")
    searcher: Any = reopened(store, folder).rows.searcher
    searcher.store.delete(np.array([1, 2]))
    with pytest.warns(OmlzooWarning, match="lacked 2, which were put back"):
        assert finds_itself(reopened(store, folder), rows)
    searcher.store.create(np.arange(120), rows.vectors[::-1].copy(), True)
    with pytest.raises(
        BadInput, match=r"does not hold .*\(it has other vectors\).* overwrite=True\) puts them there anew"
    ):
        reopened(store, folder)
    searcher.store.create(np.arange(120), np.ones((120, 3), dtype=np.float32), True)  # of another dimension
    with pytest.raises(BadInput, match="it has other vectors"):
        reopened(store, folder)
    with pytest.warns(OmlzooWarning, match=r"was made anew with the 120 rows of .* \(it has other vectors\)"):
        assert finds_itself(reopened(store, folder, overwrite=True), rows)
    assert finds_itself(reopened(store, folder), rows)


def test_a_collection_of_another_index_is_no_home_whichever_rows_they_share(
    store: dict[str, Any], rows: Embeddings, folder: Path
) -> None:
    """Another index has the first and the last rows too, or only a few numbers: its others are not ours."""
    omlzoo.build_index(rows, **store).save(folder / "x")
    searcher: Any = reopened(store, folder).rows.searcher
    other = rows.vectors.copy()
    other[90:110] = other[90:110][::-1]  # as where two processes added rows
    for count in (120, 110):
        searcher.store.create(np.arange(count), other[:count], True)
        with pytest.raises(BadInput, match="it has other vectors"):
            reopened(store, folder)
    other = rows.vectors.copy()
    other[1:4] = other[[2, 3, 1]]
    searcher.store.create(np.arange(4), other, True)
    with pytest.raises(BadInput, match="it has other vectors"):
        reopened(store, folder)


def test_two_folders_over_one_collection_are_said(store: dict[str, Any], rows: Embeddings, folder: Path) -> None:
    index = omlzoo.build_index(part(rows, 0, 9), **store)
    index.save(folder / "x")
    with pytest.warns(OmlzooWarning, match="y and .*x answer from the same rows of a store"):
        index.save(folder / "y")


def test_a_collection_that_is_there_is_replaced_only_if_asked(store: dict[str, Any], rows: Embeddings) -> None:
    omlzoo.build_index(rows, **store)
    with pytest.raises(BadInput, match=r"already; give collection= another name, or overwrite=True to replace it"):
        omlzoo.build_index(part(rows, 0, 9), **store)
    index = omlzoo.build_index(part(rows, 0, 9), overwrite=True, **store)
    assert index.search(rows.vectors[:1], k=99).ids.shape == (1, 9)


@pytest.mark.parametrize("collection", ["../x", "", "a b", 'x"; drop table y; --', "a" * 300, 5, None])
def test_a_collection_has_a_name(collection: Any, store: dict[str, Any], rows: Embeddings) -> None:
    with pytest.raises(BadInput, match="collection is"):
        omlzoo.build_index(rows, **{**store, "collection": collection})


def test_threads_search_while_one_adds_and_removes(store: dict[str, Any], rows: Embeddings) -> None:
    index = omlzoo.build_index(part(rows, 0, 60), **store)
    stop, wrong = threading.Event(), []
    query = part(rows, 50, 60)

    def search() -> None:
        while not stop.is_set():
            try:
                hits = index.search(query.vectors, k=3)
                if not (hits.ids[:, 0] == np.arange(50, 60)).all() or (hits.scores < -1).any():
                    wrong.append(hits.ids)
            except Exception as error:
                wrong.append(error)

    threads = [threading.Thread(target=search) for _ in range(2)]
    for thread in threads:
        thread.start()
    for start in range(60, 120, 20):
        index.add(part(rows, start, start + 20))
        index.remove(np.arange(len(index.embeddings)) == start)
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong
    assert index.size == 117


def test_hits_of_several_queries_are_put_into_their_rows() -> None:
    which, hits = np.array([2, 0, 2, 0, 0]), np.array([7, 1, 8, 2, 3])
    assert by_query(which, hits, 4, 3).tolist() == [[1, 2, 3], [-1, -1, -1], [7, 8, -1], [-1, -1, -1]]
    assert by_query(which[:0], hits[:0], 1, 2).tolist() == [[-1, -1]]
