"""Rows are found by their file and box, through links and whatever their paths look like."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from omlzoo.data.table import Table
from omlzoo.index import row_keys as room
from omlzoo.index.row_keys import RowKeys, keys_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Files a.png to d.png in two folders, a link to a file and a link to a folder."""
    for name in ("one", "two/three"):
        (tmp_path / name).mkdir(parents=True)
        for letter in "abcd":
            (tmp_path / name / f"{letter}.png").touch()
    (tmp_path / "one" / "link.png").symlink_to(tmp_path / "two/three/a.png")
    (tmp_path / "also").symlink_to("two")
    return tmp_path


def table(root: Path, paths: list[str], boxes: list[int] | None = None) -> Table:
    frame = pd.DataFrame({"path": pd.Series(paths, dtype="str")})
    for name, value in {"x_1": 0, "y_1": 0, "y_2": 9}.items() if boxes else ():
        frame[name] = pd.array([value] * len(frame), dtype="Int64")
    if boxes:
        frame["x_2"] = pd.array(boxes, dtype="Int64")
    return Table(frame, root, "t")


def written(folder: Path) -> list[str]:
    return ["one/a.png", "one/link.png", "also/three/b.png", "two/../one/c.png", "./one//d.png", "one/./b.png", "gone/e.png", "also/../f.png",
            str(folder / "two/three/c.png"), "one/", "one/.", "one/..", "one/a.png/", "x", "/", "/x.png", "one/" + "y" * 300]  # fmt: skip


@pytest.mark.parametrize("many", [1, 3, 1000])
def test_a_key_is_the_resolved_file(many: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MANY", many)
    paths = written(folder)
    for root in (folder, folder / "also" / "..", Path(os.path.relpath(folder))):
        assert keys_of(table(root, paths)) == [(str((root / path).resolve()), None) for path in paths]


def test_the_last_good_row_of_a_file_and_box_is_found(folder: Path) -> None:
    paths = ["one/a.png", "one/b.png", "two/three/a.png", "one/a.png", "one/a.png"]
    rows = table(folder, paths, [5, 5, 5, 5, 7])
    keys = RowKeys.of(rows)
    asked = keys_of(table(folder, ["one/a.png", "one/a.png", "one/link.png", "one/d.png"], [5, 7, 5, 5]))
    assert keys.find(asked, rows, np.ones(5, dtype=bool)).tolist() == [3, 4, 2, -1]
    assert keys.find(asked, rows, np.array([1, 1, 1, 0, 1], dtype=bool)).tolist() == [0, 4, 2, -1]
    assert keys.find(asked, rows, np.zeros(5, dtype=bool)).tolist() == [-1] * 4


def test_rows_that_follow_are_found_too_and_equal_hashes_are_told_apart(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [f"one/{number}.png" for number in range(40)]
    for hashes in (room._hashes, lambda keys: np.array([len(key[0]) % 2 for key in keys], dtype=np.int64)):
        monkeypatch.setattr(room, "_hashes", hashes)
        whole = table(folder, paths)
        keys = RowKeys.of(table(folder, paths[:25])).extended(keys_of(table(folder, paths[25:])))
        assert keys.find(keys_of(whole), whole, np.ones(40, dtype=bool)).tolist() == list(range(40))
        assert (np.diff(keys.hashes) >= 0).all()


@pytest.mark.parametrize("count", [1, 100])  # of a folder with many rows the links are listed
def test_a_name_that_no_file_can_have_is_told_from_others(count: int) -> None:
    odd = [f"a\0{row}.png" for row in range(count)] + [f"b\0/{row}.png" for row in range(count)]
    table = Table(pd.DataFrame({"path": [*odd, "x" * 100_000, "c.png"]}), Path("/nowhere"), "odd")
    keys = keys_of(table)
    assert len(set(keys)) == len(table)
    known = RowKeys.of(table)
    assert known.find(keys, table, np.ones(len(table), dtype=bool)).tolist() == list(range(len(table)))
