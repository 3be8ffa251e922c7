"""The newest row of each picture, as a dictionary that is filled in the order of writing has it."""

from pathlib import Path

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from omlzoo.embedding.latest_rows import LatestRows, keys_of, last_rows, whole_paths

WRITTEN = st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=5), max_size=6)  # names of each file's rows
REMOVED = st.sets(st.tuples(st.integers(0, 5), st.integers(0, 4)))


@given(WRITTEN, REMOVED)
def test_the_newest_row_counts_unless_it_was_removed(written: list[list[int]], removed: set[tuple[int, int]]) -> None:
    places = [(name, file, row) for file, names in enumerate(written) for row, name in enumerate(names)]
    expected = {name: (file, row) for name, file, row in places}
    expected = {name: place for name, place in expected.items() if place not in removed}
    names, files, rows = (
        np.array(column, dtype=np.int64) for column in (zip(*places, strict=True) if places else [[]] * 3)
    )
    gone = np.array(sorted(removed), dtype=np.int64).reshape(-1, 2)
    frame = pd.DataFrame({"path": names.astype(str)})
    found = LatestRows.of(
        keys_of(frame, Path()), files, rows, np.stack([names, names + 1], axis=1), (gone[:, 0], gone[:, 1])
    )
    assert len(found) == len(expected)
    asked = pd.DataFrame({"path": [str(name) for name in range(10)]})
    sizes = np.stack([np.arange(10), np.arange(10) + 1], axis=1)
    assert found.has(keys_of(asked, Path()), sizes).tolist() == [name in expected for name in range(10)]
    assert not found.has(keys_of(asked, Path()), sizes + 1).any()
    for file in range(6):
        at = found.of_file(file)
        assert found.rows[at].tolist() == sorted(row for other, row in expected.values() if other == file)


def test_a_picture_is_told_by_its_whole_path_and_its_box(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"path": ["a.jpg", "./b/../a.jpg", str(tmp_path / "a.jpg"), "a.jpg", "a.jpg", "b.jpg"],
         "x_1": [pd.NA, pd.NA, pd.NA, 1, 2, pd.NA], "y_1": [pd.NA, pd.NA, pd.NA, 0, 0, pd.NA],
         "x_2": [pd.NA, pd.NA, pd.NA, 9, 9, pd.NA], "y_2": [pd.NA, pd.NA, pd.NA, 9, 9, pd.NA]}
    )  # fmt: skip
    keys = keys_of(frame, tmp_path).tolist()
    assert keys[0] == keys[1] == keys[2]
    assert len(set(keys)) == 4
    assert whole_paths(["./b/../a.jpg"], tmp_path) == [str(tmp_path.resolve() / "a.jpg")]
    assert keys_of(frame[["path"]], tmp_path / "elsewhere").tolist()[0] not in keys
    many = pd.DataFrame({"path": [f"{i}.jpg" for i in range(70_000)]})  # more than a block
    assert len(np.unique(keys_of(many, tmp_path))) == 70_000


def test_the_last_row_of_each_key() -> None:
    keys, last = last_rows(np.array([b"b", b"a", b"b", b"c", b"a"]))
    assert keys.tolist() == [b"a", b"b", b"c"]
    assert last.tolist() == [4, 2, 3]
