"""Files of a folder: what is none of ours or damaged is one line, and what an earlier version wrote is read."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from toys import PREPROCESS

import omlzoo
from omlzoo.data.table import Table
from omlzoo.embedding.embeddings import Embeddings
from omlzoo.embedding.record import Record
from omlzoo.embedding.shard_files import read_columns, read_rows, removed_rows, row_files, texts_of, write_removed
from omlzoo.embedding.shards import Shards
from omlzoo.errors import BadInput

RECORD = Record("m", "0" * 64, 2, json.loads(json.dumps(asdict(PREPROCESS))), False, "fp32", "/x")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files of three rows each; the user has columns of the names that ours once had."""
    shards = Shards.open(tmp_path / "v", RECORD)
    for number in range(2):
        frame = pd.DataFrame({"path": [f"{number}{row}.png" for row in range(3)], "file_size": ["a", "b", "c"]})
        vectors = np.full((3, 2), number, dtype=np.float32)
        shards.write(vectors, Table(frame, Path("/x"), "t"), [""] * 3, np.arange(6).reshape(3, 2))
    return tmp_path / "v"


def test_a_users_columns_and_ours_are_told_apart(folder: Path) -> None:
    path = row_files(folder)[0]
    found = read_columns(path, RECORD, ["path", "file_size", "omlzoo:file_size", "none"])
    assert found.to_dict("list") == {
        "path": ["00.png", "01.png", "02.png"],
        "file_size": ["a", "b", "c"],
        "omlzoo:file_size": [0, 2, 4],
    }
    assert list(read_rows(path).table) == ["path", "file_size", "error"]


def test_ours_under_their_old_names(folder: Path) -> None:
    path = row_files(folder)[1]
    table = pq.read_table(path).drop_columns(["file_size"])
    old = {"omlzoo:file_size": "file_size", "omlzoo:file_changed_ns": "file_changed_ns"}
    renamed = table.rename_columns([old.get(name, name) for name in table.column_names])
    pq.write_table(renamed.replace_schema_metadata(table.schema.metadata), path)
    assert read_columns(path, RECORD, ["omlzoo:file_size"])["omlzoo:file_size"].tolist() == [0, 2, 4]
    assert list(read_columns(path, RECORD, ["path", "file_size"])) == ["path"]
    assert list(read_rows(path).table) == ["path", "error"]
    assert len(Shards.open(folder)) == 6
    assert omlzoo.load_embeddings(folder).table["file_size"].isna().tolist() == [False] * 3 + [True] * 3


def test_rows_that_were_taken_out_are_never_forgotten(folder: Path) -> None:
    write_removed(folder, np.array([0]), np.array([1]))
    write_removed(folder, np.array([1]), np.array([0]))
    (folder / "removed-00000000.parquet").unlink()
    write_removed(folder, np.array([1]), np.array([2]))
    assert sorted(path.name for path in folder.glob("removed-*")) == [
        "removed-00000001.parquet",
        "removed-00000002.parquet",
    ]
    assert [found.tolist() for found in removed_rows(folder)] == [[1, 1], [0, 2]]
    assert len(omlzoo.load_embeddings(folder)) == 4


def replaced(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        (folder / "00000001.parquet").unlink()
        make(folder / "00000001.parquet")

    return change


def removed(table: pa.Table | None) -> Callable[[Path], object]:
    path = "removed-00000000.parquet"
    return lambda folder: (folder / path).touch() if table is None else pq.write_table(table, folder / path)


def other(dim: int = 2, **changes: Any) -> Callable[[Path], object]:
    table = pd.DataFrame({"path": ["a"], "error": [""]})
    rows = Embeddings(np.ones((1, dim), dtype=np.float32), table, replace(RECORD, dim=dim, **changes))
    return lambda folder: rows.save(folder / "00000001.parquet")


def column(name: str, values: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        table = pq.read_table(folder / "00000000.parquet")
        at = table.column_names.index(name) if name in table.column_names else len(table.column_names)
        table = (
            table.set_column(at, name, values) if at < len(table.column_names) else table.append_column(name, values)
        )
        pq.write_table(table, folder / "00000000.parquet")

    return change


STRANGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "removed, empty": (removed(None), "not a whole Parquet file"),
    "removed, no columns": (removed(pa.table({"a": [1]})), "not a whole Parquet file"),
    "removed, text": (removed(pa.table({"shard": ["a"], "row": ["b"]})), "is of type string"),
    "removed, missing": (removed(pa.table({"shard": pa.array([None], pa.int64()), "row": [1]})), "1 missing"),
    "removed, too large": (removed(pa.table({"shard": [2**62], "row": [1]})), "numbers that no shard has"),
    "removed, below 0": (removed(pa.table({"shard": [0], "row": [-1]})), "numbers that no row has"),
    "removed, another name": (lambda folder: (folder / "removed-x.parquet").touch(), "is no file of ours"),
    "removed, a pipe": (lambda folder: os.mkfifo(folder / "removed-00000000.parquet"), "is a pipe"),
    "number 10^20": (
        lambda folder: shutil.copy(folder / "00000000.parquet", folder / f"{10**20}.parquet"),
        "eight digits",
    ),
    "number 5x": (lambda folder: shutil.copy(folder / "00000000.parquet", folder / "5x.parquet"), "eight digits"),
    "empty": (replaced(Path.touch), "not a whole Parquet file"),
    "a pipe": (replaced(os.mkfifo), "is a pipe"),
    "a folder": (replaced(Path.mkdir), "is a folder"),
    "a device": (replaced(lambda path: path.symlink_to("/dev/zero")), "is a device"),
    "a link to nothing": (replaced(lambda path: path.symlink_to("/nowhere")), "there is no such file"),
    "another dimension": (other(3), "other settings"),
    "another model": (other(sha256="1" * 64), "other settings"),
    "no sizes": (other(), "lacks columns"),
    "sizes that are text": (column("omlzoo:file_size", pa.array(["a"] * 3)), "omlzoo:file_size is of type string"),
    "sizes that are missing": (column("omlzoo:file_size", pa.array([None] * 3, pa.int64())), "3 missing"),
    "paths that are numbers": (column("path", pa.array([1, 2, 3])), "path is of type int64"),
    "boxes that are text": (column("x_1", pa.array(["a"] * 3)), "x_1 is of type string"),
    "a quarter of a box": (column("x_1", pa.array([1] * 3)), "all are needed, or none"),
}


@pytest.mark.parametrize("name", STRANGE)
def test_what_is_not_as_we_write_it_is_one_line(folder: Path, name: str) -> None:
    change, said = STRANGE[name]
    change(folder)
    with pytest.raises(BadInput, match=said) as error:
        omlzoo.load_embeddings(folder)
    assert "\n" not in str(error.value)
    assert str(folder) in str(error.value)


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "[]", "5", "", "null", '{"form": "float32"}', '{"record": 5, "form": "float32"}']
)
def test_settings_that_are_none_are_one_line(folder: Path, text: str) -> None:
    (folder / "shards.json").write_text(text)
    with pytest.raises(BadInput, match=r"^[^\n]*shards.json: damaged[^\n]*$"):
        omlzoo.load_embeddings(folder)


def test_after_the_last_number_nothing_is_written(folder: Path) -> None:
    shutil.copy(folder / "00000000.parquet", folder / "99999999.parquet")
    with pytest.raises(BadInput, match=r"99999999.parquet, the last that there can be"):
        Shards.open(folder).following()


def test_values_as_text() -> None:
    assert texts_of(pd.DataFrame({"a": [1, 2], "b": ["x", None]}), ["a", "b", "c"]) == [("1", "x", ""), ("2", "", "")]
