"""A changed byte of a file is noticed, other programs read the file, and whatever is wrong is one error."""

import os
from contextlib import suppress
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from omlzoo.embedding.parquet import open_parquet, read_table, write_parquet
from omlzoo.errors import BadInput

TABLE = pa.table({"path": [f"{i}.png" for i in range(40)], "number": list(range(40))})


def written(tmp_path: Path) -> Path:
    write_parquet(tmp_path / "t.parquet", TABLE)
    return tmp_path / "t.parquet"


def test_other_programs_read_it_and_what_they_wrote_is_read(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert pq.read_table(path).equals(TABLE)
    assert pd.read_parquet(path)["number"].tolist() == list(range(40))
    pq.write_table(TABLE, tmp_path / "other.parquet")
    for file in (path, tmp_path / "other.parquet"):
        with open_parquet(file, whole=True) as parquet:
            assert parquet.read().equals(TABLE)


def test_every_flipped_byte_is_noticed(tmp_path: Path) -> None:
    path = written(tmp_path)
    content = path.read_bytes()
    same = []
    for at in range(0, len(content), 3):
        path.write_bytes(content[:at] + bytes([content[at] ^ 4]) + content[at + 1 :])
        with suppress(BadInput), open_parquet(path, whole=True) as parquet:
            assert parquet.read().equals(TABLE)
            same.append(at)
    mark = content.index(b"omlzoo\0\2")
    assert same == [at for at in range(0, len(content), 3) if mark <= at < mark + 8], (
        "without the mark it is a file of another program, and the same"
    )


def test_a_part_that_is_not_read_whole_is_under_the_checksums_of_its_pages(tmp_path: Path) -> None:
    path = written(tmp_path)
    content = bytearray(path.read_bytes())
    content[content.index(b".png")] ^= 1
    path.write_bytes(content)
    with open_parquet(path) as parquet:
        assert parquet.read(columns=["number"])["number"].to_pylist() == list(range(40))
    with pytest.raises(BadInput, match=r"t.parquet: not a whole Parquet file of ours"), open_parquet(path) as parquet:
        parquet.read(columns=["path"])


@pytest.mark.parametrize(
    ("raised", "said"),
    [(KeyError("x"), "not a whole Parquet file of ours"), (MemoryError(), "(MemoryError)"), (BadInput("is odd"), "t.parquet: is odd"),
     (RecursionError("deep\nand more"), "(deep)"), (PermissionError(13, "no"), "cannot be read (Permission denied)")],
)  # fmt: skip
def test_whatever_is_raised_is_one_line_that_names_the_file(tmp_path: Path, raised: Exception, said: str) -> None:
    with pytest.raises(BadInput) as error, open_parquet(written(tmp_path)):
        raise raised
    assert said in str(error.value)
    assert "t.parquet" in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    for name, said in (
        ("pipe", "is a pipe"),
        ("device", "is a device"),
        ("nowhere", "no such file"),
        (".", "a folder"),
    ):
        with pytest.raises(BadInput, match=said), open_parquet(tmp_path / name):
            pass


def test_more_rows_than_such_a_file_can_have_are_refused_before_they_are_read(tmp_path: Path) -> None:
    rows = 3_000_000
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 1000, pa.int32()), pa.array(["a"]))
    table = pa.table({"path": pa.chunked_array([column] * (rows // 1000))})
    pq.write_table(table, tmp_path / "bomb.parquet")
    with (
        pytest.raises(BadInput, match=r"3,000,000 rows in [\d,]+ bytes; such a file is none of ours"),
        open_parquet(tmp_path / "bomb.parquet"),
    ):
        pass


def test_texts_that_are_no_utf_8_are_refused_and_columns_are_in_their_order(tmp_path: Path) -> None:
    path = written(tmp_path)
    with open_parquet(path) as parquet:
        assert read_table(parquet, ["number", "none", "path"]).column_names == ["number", "path"]
    odd = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\1\0\0\0"), pa.py_buffer(b"\xc9")])
    pq.write_table(pa.table({"path": odd}), path)
    with pytest.raises(BadInput, match=r"t.parquet: not a whole Parquet file of ours"), open_parquet(path) as parquet:
        read_table(parquet)
