"""A saved index is whole, is of one saving, and is bound to its files; a stranger's reaches nothing."""

import json
import os
import shutil
import socket
import threading
import warnings
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from drawn_rows import random_embeddings
from mutations import damaged, only_refused

import omlzoo
from omlzoo.embedding.embeddings import Embeddings
from omlzoo.errors import BadInput, OmlzooError, OmlzooWarning
from omlzoo.index.index import Index

BACKENDS = ["exact", "faiss", "faiss_binary", "milvus"]


@pytest.fixture
def rows() -> Embeddings:
    """300 random unit vectors."""
    return random_embeddings(300)


def options(backend: str, folder: Path) -> dict[str, Any]:
    return {"uri": str(folder / "rows.db"), "kind": "FLAT"} if backend == "milvus" else {}


def part(rows: Embeddings, start: int, end: int) -> Embeddings:
    numbers = np.arange(len(rows))
    return rows.rows((numbers >= start) & (numbers < end))


def finds_itself(index: Index, rows: Embeddings) -> bool:
    hits = index.search(rows.vectors, k=1)
    return bool((hits.scores[:, 0] > 0.999).all())


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_refused_addition_changes_nothing(backend: str, rows: Embeddings, tmp_path: Path) -> None:
    index = omlzoo.build_index(part(rows, 0, 200), backend=backend, **options(backend, tmp_path))
    bad = part(rows, 200, 300)
    bad.vectors[7, 3] = np.nan
    with pytest.raises(BadInput, match="row 7 has a number that is not finite or above"):
        index.add(bad)
    assert index.size == 200
    index.save(tmp_path / "x")
    opened = omlzoo.open_index(tmp_path / "x")
    assert opened.size == 200
    assert finds_itself(opened, part(rows, 0, 200))
    assert opened.add(part(rows, 200, 300)).tolist() == list(range(200, 300))
    assert finds_itself(opened, rows)


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_was_not_saved_was_not_done(backend: str, rows: Embeddings, tmp_path: Path) -> None:
    """As after kill -9: the folder says what is there, whatever a database has seen since."""
    omlzoo.build_index(part(rows, 0, 200), backend=backend, **options(backend, tmp_path)).save(tmp_path / "x")
    index = omlzoo.open_index(tmp_path / "x")
    index.remove({"path": list(index.embeddings.table["path"][:3])})
    index.add(part(rows, 200, 203))
    assert finds_itself(index, part(rows, 3, 203))
    del index
    if backend == "milvus":
        with pytest.warns(OmlzooWarning, match="3 rows that the index has not, which are left out, and lacked 0"):
            opened = omlzoo.open_index(tmp_path / "x")
    else:
        opened = omlzoo.open_index(tmp_path / "x")
    assert opened.size == 200
    assert finds_itself(opened, part(rows, 0, 200))
    assert opened.search(part(rows, 200, 203).vectors, k=1).ids.max() < 200


def test_rows_that_a_database_lost_are_put_back(rows: Embeddings, tmp_path: Path) -> None:
    """As after a kill between the deletion from the database and the saving of the folder."""
    index = omlzoo.build_index(rows, backend="milvus", **options("milvus", tmp_path))
    index.save(tmp_path / "x")
    searcher: Any = index.rows.searcher
    searcher.store.client.delete("omlzoo", ids=[1, 2])
    with pytest.warns(OmlzooWarning, match="lacked 2, which were put back"):
        assert finds_itself(omlzoo.open_index(tmp_path / "x"), rows)


def test_a_later_saving_of_another_is_not_overwritten(rows: Embeddings, tmp_path: Path) -> None:
    omlzoo.build_index(part(rows, 0, 100)).save(tmp_path / "x")
    one, other = omlzoo.open_index(tmp_path / "x"), omlzoo.open_index(tmp_path / "x")
    one.add(part(rows, 100, 200))
    one.save(tmp_path / "x")
    one.add(part(rows, 200, 210))
    one.save(tmp_path / "x")  # it knows its own saving
    other.add(part(rows, 210, 300))
    with pytest.raises(BadInput, match="was changed since this index was opened; open it again and repeat"):
        other.save(tmp_path / "x")
    assert omlzoo.open_index(tmp_path / "x").size == 210
    other.save(tmp_path / "y")
    assert omlzoo.open_index(tmp_path / "y").size == 190


def test_readers_and_savers_at_once_find_whole_indexes(rows: Embeddings, tmp_path: Path) -> None:
    one, two = omlzoo.build_index(part(rows, 0, 100)), omlzoo.build_index(part(rows, 100, 250))
    one.save(tmp_path / "x")
    stop, sizes, wrong = threading.Event(), set(), []

    def read() -> None:
        while not stop.is_set():
            try:
                index = omlzoo.open_index(tmp_path / "x")
            except Exception as error:
                wrong.append(error)
                return
            sizes.add(index.size)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for _ in range(15):
        for index in (two, one):
            index.saved = None
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", OmlzooWarning)
                index.save(tmp_path / "x", overwrite=True)
    stop.set()
    for reader in readers:
        reader.join()
    assert not wrong
    assert sizes <= {100, 150}


def test_an_index_behind_a_link_is_saved_where_it_leads(rows: Embeddings, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    for count in (100, 200, 300):
        with (
            nullcontext()
            if count == 100
            else pytest.warns(OmlzooWarning, match="pictures by nowhere, which is replaced")
        ):
            omlzoo.build_index(part(rows, 0, count)).save(tmp_path / "link")
        assert (tmp_path / "link").is_symlink()
        assert omlzoo.open_index(tmp_path / "real").size == count
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "real"]


def test_another_backend_leaves_no_file_of_the_one_before(rows: Embeddings, tmp_path: Path) -> None:
    omlzoo.build_index(rows, backend="faiss").save(tmp_path / "x")
    with pytest.warns(OmlzooWarning, match="holds an index of 300 pictures by nowhere, which is replaced"):
        omlzoo.build_index(rows).save(tmp_path / "x")
    assert sorted(path.name for path in (tmp_path / "x").iterdir()) == [
        "index.json", "rows.parquet", "vectors.npy"
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["backend.faiss", "backend.npz", "rows.parquet", "vectors.npy"])
@pytest.mark.parametrize("damage", ["other", "bit", "cut", "gone", "folder"])
def test_files_of_another_index_and_damaged_ones_are_refused(
    name: str, damage: str, rows: Embeddings, tmp_path: Path
) -> None:
    omlzoo.build_index(rows, backend="faiss").save(tmp_path / "x")
    omlzoo.build_index(random_embeddings(300, seed=5), backend="faiss").save(tmp_path / "y")
    path = tmp_path / "x" / name
    content = bytearray(path.read_bytes())
    if damage == "other":
        shutil.copy(tmp_path / "y" / name, path)
    elif damage == "bit":
        content[len(content) - 30 if name.endswith("parquet") else len(content) // 2] ^= 4
        path.write_bytes(content)
    elif damage == "cut":
        path.write_bytes(content[:-5])
    else:
        path.unlink()
        if damage == "folder":
            path.mkdir()
    if damage == "other" and name in ("backend.npz", "rows.parquet"):
        omlzoo.open_index(tmp_path / "x")  # as many rows in the same order: the very same file
        return
    with pytest.raises(BadInput):
        omlzoo.open_index(tmp_path / "x")


def test_another_collection_in_the_database_is_refused(rows: Embeddings, tmp_path: Path) -> None:
    omlzoo.build_index(rows, backend="milvus", **options("milvus", tmp_path)).save(tmp_path / "x")
    omlzoo.build_index(random_embeddings(300, seed=5), backend="milvus", overwrite=True, **options("milvus", tmp_path))
    with pytest.raises(BadInput, match="in 'omlzoo' \\(it has other vectors\\)"):
        omlzoo.open_index(tmp_path / "x")


@pytest.mark.parametrize("damage", ["dropped", "other"])
def test_a_database_that_lost_the_index_is_filled_again_on_request(
    damage: str, rows: Embeddings, tmp_path: Path
) -> None:
    index = omlzoo.build_index(rows, backend="milvus", **options("milvus", tmp_path))
    index.save(tmp_path / "x")
    searcher: Any = index.rows.searcher
    if damage == "dropped":
        searcher.store.client.drop_collection("omlzoo")
    else:
        searcher.store.client.upsert("omlzoo", [{"row": row, "vector": [0.25] * 16} for row in range(300)])
    with pytest.raises(BadInput, match=r"overwrite=True\) puts them there anew"):
        omlzoo.open_index(tmp_path / "x")
    with pytest.warns(OmlzooWarning, match="was made anew with the 300 rows"):
        assert finds_itself(omlzoo.open_index(tmp_path / "x", overwrite=True), rows)
    assert finds_itself(omlzoo.open_index(tmp_path / "x"), rows)


@pytest.mark.parametrize("changes", [
    {"record": 5}, {"backend": "../x"}, {"backend": 1}, {"options": []}, {"options": {"neighbours": 0}}, {"recall": {"k": "a"}},
    {"recall": {"k": "a", "queries": 3, "value": "x"}}, {"similarity": "euclidean"}, {"similarity": "dot"}, {"files": {"a": 1}},
    {"files": {"../../etc/passwd": "0"}}, {"calibration": {}}, {"calibration": 3}, {"generation": 4}, {"new": 1},
])  # fmt: skip
def test_facts_of_nonsense_are_one_error(changes: dict[str, Any], rows: Embeddings, tmp_path: Path) -> None:
    omlzoo.build_index(rows).save(tmp_path / "x")
    facts = json.loads((tmp_path / "x" / "index.json").read_text())
    (tmp_path / "x" / "index.json").write_text(json.dumps({**facts, **changes}))
    with pytest.raises(OmlzooError):
        omlzoo.open_index(tmp_path / "x")


@pytest.mark.parametrize("text", ["", "[]", "5", "null", "{", "[" * 100_000, '{"a":' * 100_000, "\x00", '{"a": NaN}'])
def test_damaged_facts_are_one_error(text: str, rows: Embeddings, tmp_path: Path) -> None:
    omlzoo.build_index(rows).save(tmp_path / "x")
    (tmp_path / "x" / "index.json").write_text(text)
    with pytest.raises(OmlzooError):
        omlzoo.open_index(tmp_path / "x")


class Listener:
    """A server on loopback that remembers what it was told."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.connected = 0
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connected += 1
            connection.close()


@pytest.mark.parametrize("form", ["http://127.0.0.1:{}", "HTTPS://127.0.0.1:{}", "127.0.0.1:{}", "tcp://127.0.0.1:{}",
                                  "unix:/tmp/omlzoo-none.sock", "new.db", "{}", ""])  # fmt: skip
def test_a_strangers_index_speaks_to_nobody_and_makes_no_file(
    form: str, rows: Embeddings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Listener()
    monkeypatch.setenv("OMLZOO_MILVUS_TOKEN", "secret")
    monkeypatch.chdir(tmp_path)
    omlzoo.build_index(rows).save("x")
    facts = json.loads(Path("x/index.json").read_text())
    for option in ({"uri": form.format(server.port)}, {"uri": [form]}, {"uri": {"a": 1}}, {"uri": 7}):
        Path("x/index.json").write_text(json.dumps({**facts, "backend": "milvus", "options": option}))
        with pytest.raises(BadInput, match="OMLZOO_MILVUS_URI"):
            omlzoo.open_index("x")
    assert server.connected == 0
    assert os.listdir() == ["x"]
    server.socket.close()


def test_an_address_that_is_named_here_is_spoken_to(
    rows: Embeddings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Listener()
    address = f"http://127.0.0.1:{server.port}"
    omlzoo.build_index(rows).save(tmp_path / "x")
    facts = json.loads((tmp_path / "x/index.json").read_text())
    options = {"uri": address}
    (tmp_path / "x/index.json").write_text(json.dumps({**facts, "backend": "milvus", "options": options}))
    monkeypatch.setattr("omlzoo.index.backends.milvus_index._connect", lambda uri, token: pytest.fail(f"asked {uri}"))
    with pytest.raises(pytest.fail.Exception, match=f"asked {address}"):
        omlzoo.open_index(tmp_path / "x", uri=address)
    monkeypatch.setenv("OMLZOO_MILVUS_URI", address)
    with pytest.raises(pytest.fail.Exception, match=f"asked {address}"):
        omlzoo.open_index(tmp_path / "x")
    server.socket.close()


@pytest.mark.parametrize("collection", ["../x", "", "a b", "a" * 300, 5, None, "x;drop"])
def test_a_collection_has_a_name(collection: Any, rows: Embeddings, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="collection is"):
        omlzoo.build_index(rows, backend="milvus", collection=collection, **options("milvus", tmp_path))


@pytest.mark.parametrize("backend", ["exact", "faiss", "milvus"])
def test_threads_search_while_one_adds_and_removes(backend: str, rows: Embeddings, tmp_path: Path) -> None:
    index = omlzoo.build_index(part(rows, 0, 100), backend=backend, **options(backend, tmp_path))
    stop, wrong = threading.Event(), []
    query = part(rows, 50, 60)

    def search() -> None:
        while not stop.is_set():
            try:
                hits = index.search(query.vectors, k=3, where={"kind": "a"})
                if not (hits.ids[:, 0] == np.arange(50, 60)).all() or (hits.scores < -1).any():
                    wrong.append(hits.ids)
            except Exception as error:
                wrong.append(error)

    threads = [threading.Thread(target=search) for _ in range(2)]
    for thread in threads:
        thread.start()
    for start in range(100, 300, 10):
        index.add(part(rows, start, start + 10))
        index.remove(np.arange(len(index.embeddings)) == start)
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong
    assert index.size == 280


def test_rows_that_are_here_are_left_out_where_their_files_are_not(rows: Embeddings) -> None:
    index = omlzoo.build_index(rows)
    with pytest.warns(OmlzooWarning, match="300 of 300 pictures are in the index already"):
        index.add(rows)
    other = random_embeddings(300, seed=9)  # of the same names: no file tells whether they are the same images
    assert len(index.add(other)) == 300


def test_a_column_of_fractions_is_compared_as_the_numbers_that_it_has(rows: Embeddings) -> None:
    index = omlzoo.build_index(part(rows, 0, 100))
    more = part(rows, 100, 200)
    more.table["n"] = more.table["n"].astype(float)
    index.add(more)
    wanted = (rows.table["n"][:200] == 1).sum()
    assert (index.search(rows.vectors[:1], k=200, where={"n": 1}).ids >= 0).sum() == wanted
    assert (index.search(rows.vectors[:1], k=200, where={"n": "1"}).ids >= 0).sum() == wanted
    assert pd.api.types.is_numeric_dtype(index.embeddings.table["n"])


@pytest.mark.parametrize("size", [1e-30, 1e-13, 0.5, 2e19])
def test_vectors_of_ones_own_are_scaled_as_their_record_says(size: float, rows: Embeddings) -> None:
    longer = random_embeddings(300)
    longer.vectors[:] = rows.vectors * np.float32(size)
    with pytest.warns(OmlzooWarning, match="300 vectors have other L2 norms than 1"):
        index = omlzoo.build_index(longer)
    assert finds_itself(index, rows)


@pytest.mark.parametrize("count", [20, pytest.param(500, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["index.json", "rows.parquet", "vectors.npy", "backend.faiss", "backend.npz"])
def test_damaged_folders_are_refused_or_answer_the_same(
    name: str, count: int, rows: Embeddings, tmp_path: Path
) -> None:
    whole = omlzoo.build_index(rows, backend="faiss_int8")
    whole.save(tmp_path / "x")
    wanted = whole.search(rows.vectors[:5], k=3).ids.tolist()
    content = (tmp_path / "x" / name).read_bytes()
    found = []
    for number in range(count):
        (tmp_path / "x" / name).write_bytes(damaged(content, number))
        only_refused(lambda: found.append(omlzoo.open_index(tmp_path / "x")))
    for index in found:
        assert index.search(rows.vectors[:5], k=3).ids.tolist() == wanted


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_backend_refuses_what_the_exact_one_refuses(backend: str, rows: Embeddings, tmp_path: Path) -> None:
    """By distance; a number of 1e20 has a square that float32 does not hold."""
    loose = replace(rows, record=replace(rows.record, normalized=False))
    loose.vectors[5] *= 1e20
    with pytest.raises(BadInput, match="above 1e\\+15|leave float32"):
        omlzoo.build_index(loose, backend=backend, **options(backend, tmp_path))


@pytest.mark.parametrize(("threshold", "accepted"), [(1e300, False), (-1e300, True), (float("inf"), False)])
def test_any_number_is_a_threshold_and_no_other_thing(threshold: float, accepted: bool, rows: Embeddings) -> None:
    index = omlzoo.build_index(rows)
    hits = index.search(rows.vectors[:2], k=3, threshold=threshold)
    assert hits.accepted is not None
    assert (hits.accepted == accepted).all()
    with pytest.raises(BadInput, match="threshold is not a number"):
        index.search(rows.vectors[:2], threshold=float("nan"))


def test_an_index_of_another_model_or_of_other_pictures_is_replaced_on_request_only(
    rows: Embeddings, tmp_path: Path
) -> None:
    omlzoo.build_index(part(rows, 0, 100)).save(tmp_path / "x")
    before = {path.name: path.read_bytes() for path in (tmp_path / "x").iterdir()}
    others = replace(rows, record=replace(rows.record, sha256="1" * 64, model="elsewhere"))
    for other, said in (
        (others, r"100 pictures by nowhere, and this one is by elsewhere, with another sha256; .*\(--overwrite\)"),
        (part(rows, 50, 120), r"this one of 70 lacks 50 of them, such as '/nowhere/0\.png'; give another name"),
    ):
        with pytest.raises(BadInput, match=said):
            omlzoo.build_index(other).save(tmp_path / "x")
        assert {path.name: path.read_bytes() for path in (tmp_path / "x").iterdir()} == before
    with pytest.warns(
        OmlzooWarning, match="holds an index of 100 pictures by nowhere, which is replaced: this one is by"
    ):
        omlzoo.build_index(others).save(tmp_path / "x", overwrite=True)
    assert omlzoo.open_index(tmp_path / "x").embeddings.record.model == "elsewhere"
    opened = omlzoo.open_index(tmp_path / "x")
    opened.remove(np.arange(20))
    opened.save(tmp_path / "x")  # what was opened there is saved there in silence
    (tmp_path / "x" / "index.json").write_text("{}")
    with pytest.warns(OmlzooWarning, match="holds a damaged index .*, which is replaced"):
        omlzoo.build_index(rows).save(tmp_path / "x")
    (tmp_path / "x" / "mine.txt").write_text("mine")
    with pytest.raises(BadInput, match=r"holds mine\.txt"):
        omlzoo.build_index(rows).save(tmp_path / "x", overwrite=True)


def test_a_label_in_another_spelling_is_refused(rows: Embeddings) -> None:
    index, new = omlzoo.build_index(part(rows, 0, 100)), part(rows, 100, 110)
    index.rows.embeddings.table["label"] = pd.Series(["3", *["a"] * 99], dtype="str")
    new.table["label"] = pd.Series(["b", *["3.0"] * 9], dtype="str")
    with pytest.raises(BadInput, match=r"the labels '3\.0' and '3' would stand beside each other"):
        index.add(new)
    assert index.size == 100
    new.table["label"] = pd.Series(["3"] * 10, dtype="str")
    assert len(index.add(new)) == 10


@pytest.mark.parametrize("column", ["label", "category", "sequence"])
@pytest.mark.parametrize(
    ("there", "new"), [("caf\u00e9", "cafe\u0301"), ("a b", "a\u00a0b"), ("a\u200bb", "ab"), ("ab", "a\u00adb")]
)
def test_an_id_that_is_equal_to_the_eye_is_refused(rows: Embeddings, column: str, there: str, new: str) -> None:
    index, added = omlzoo.build_index(part(rows, 0, 100)), part(rows, 100, 110)
    index.rows.embeddings.table[column] = pd.Series([there, *["x"] * 99], dtype="str")
    added.table[column] = pd.Series(["b", *[new] * 9], dtype="str")
    with pytest.raises(BadInput) as refusal:
        index.add(added)
    assert ascii(there) in str(refusal.value)
    assert ascii(new) in str(refusal.value)
    assert index.size == 100
    added.table[column] = pd.Series([there] * 10, dtype="str")
    assert len(index.add(added)) == 10


@pytest.mark.parametrize("spelling", ["./0.png", "../photos/0.png", "absolute", "link.png", "folder link"])
def test_a_picture_that_is_there_under_another_name_is_left_out(
    rows: Embeddings, tmp_path: Path, spelling: str
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(4):
        (folder / f"{number}.png").write_bytes(b"%d" % number)
    (folder / "link.png").symlink_to("0.png")
    (tmp_path / "other").symlink_to("photos")

    def named(start: int, names: list[str]) -> Embeddings:
        found = part(rows, start, start + len(names))
        table = found.table.assign(path=pd.Series(names, dtype="str"))
        return replace(found, table=table, record=replace(found.record, root=str(folder)))

    name = {"absolute": str(folder / "0.png"), "folder link": str(tmp_path / "other" / "0.png")}.get(spelling, spelling)
    index = omlzoo.build_index(named(0, ["0.png", "1.png"]))
    with pytest.warns(OmlzooWarning, match="1 of 2 pictures is in the index already and was left out"):
        assert len(index.add(named(10, [name, "2.png"]))) == 1
    assert index.size == 3


@pytest.mark.parametrize("backend", ["exact", "faiss"])
def test_vectors_are_mapped_and_nothing_is_left_of_removed_ones(backend: str, rows: Embeddings, tmp_path: Path) -> None:
    failed = rows.table["error"].where(np.arange(300) != 7, "broken")
    with pytest.warns(OmlzooWarning, match="1 of 300 rows have no vector"):
        index = omlzoo.build_index(replace(rows, table=rows.table.assign(error=failed)), backend=backend)
    index.remove([3, 299])
    index.save(tmp_path / "x")
    kept = np.load(tmp_path / "x" / "vectors.npy")
    assert np.isnan(kept[7]).all()
    assert not kept[[3, 299]].any()
    with pytest.warns(OmlzooWarning, match="1 of 300 rows have no vector"):
        opened = omlzoo.open_index(tmp_path / "x")
    base: Any = opened.embeddings.vectors.base
    assert isinstance(base, np.memmap)
    there = [row for row in range(300) if row not in (3, 7, 299)]
    assert opened.search(rows.vectors[there], k=1).ids[:, 0].tolist() == there
    opened.embeddings.vectors[7] = 0  # of this process only
    assert np.array_equal(np.load(tmp_path / "x" / "vectors.npy"), kept, equal_nan=True)
    opened.add(part(rows, 3, 4))
    assert opened.size == 298
    assert finds_itself(opened, part(rows, 0, 3))


def test_a_folder_of_one_file_is_opened_and_saved_in_two(rows: Embeddings, tmp_path: Path) -> None:
    """As versions before this wrote it: format 1, which did not say so."""
    index = omlzoo.build_index(rows)
    index.save(tmp_path / "x")
    facts = json.loads((tmp_path / "x/index.json").read_text())
    rows.save(tmp_path / "x/embeddings.parquet")
    for name in ("rows.parquet", "vectors.npy"):
        (tmp_path / "x" / name).unlink()
    del facts["format"]
    (tmp_path / "x/index.json").write_text(json.dumps({**facts, "files": None}))
    opened = omlzoo.open_index(tmp_path / "x")
    assert finds_itself(opened, rows)
    opened.save(tmp_path / "x")
    names = sorted(path.name for path in (tmp_path / "x").iterdir())
    assert names == ["index.json", "rows.parquet", "vectors.npy"]
    assert finds_itself(omlzoo.open_index(tmp_path / "x"), rows)
    facts = json.loads((tmp_path / "x/index.json").read_text())
    for wrong, said in (({"format": 3}, "of format 3, this version reads 1 to 2; install a newer"),
                        ({"files": {}}, "files lacks rows.parquet or vectors.npy")):  # fmt: skip
        (tmp_path / "x/index.json").write_text(json.dumps({**facts, **wrong}))
        with pytest.raises(BadInput, match=said):
            omlzoo.open_index(tmp_path / "x")


def test_an_index_says_what_made_it_and_one_of_before_that_opens_too(
    drawn_embeddings: Embeddings, tmp_path: Path
) -> None:
    omlzoo.build_index(drawn_embeddings).save(tmp_path / "i")
    facts = json.loads((tmp_path / "i/index.json").read_text())
    assert facts["made_with"]["omlzoo"] == omlzoo.__version__
    del facts["made_with"]
    (tmp_path / "i/index.json").write_text(json.dumps(facts))
    assert len(omlzoo.open_index(tmp_path / "i")) == 160
