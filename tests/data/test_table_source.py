"""Csv and Parquet files as they come: one line says what is wrong with a file, whatever it holds."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from omlzoo.data import table, table_source
from omlzoo.errors import BadInput, BadTable

HEADER = "path,label,split,is_query,is_gallery\n"
ROW = "a.png,1,validation,1,1\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.png").touch()
    (tmp_path / "b.png").touch()
    return tmp_path


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "t.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(("content", "said"), [
    (HEADER + 'a.png,"1,validation,1,1\n' + ROW * 3, "EOF inside string"),
    (b"\0" * 100_000, "has no rows"), ("x" * 3_000_000, "field larger"), ("\n" * 100_000, "No columns"), ('"' * 300_001, "field larger"),
    ("," * 1_000_000, "it has 1,000,001 columns; a table has at most 16,384"), (HEADER + "," * 1_000_000, "row 2 has 1,000,001 values and the header 5 names"), (HEADER + ROW + "," * 1_000_000, "Expected 5 fields in line 3, saw 1000001"),
    (HEADER + "x" * 200_000 + "," * 100_000 + "\n", "row 2 has 100,000 values"),
    ("path,path,label\na.png,a.png,1\n", "column path: '': the column stands in the table twice"),
    ((HEADER + "a\0.png,1,validation,1,1\n").encode(), r"'a\x00.png': there is no such file"),
])  # fmt: skip
def test_a_strange_csv_gets_one_line_soon(folder: Path, content: str | bytes, said: str) -> None:
    start = time.process_time()
    with pytest.raises(BadTable) as caught:
        table.read(write(folder, content), "embed")
    assert said in str(caught.value)
    assert len(str(caught.value)) < 1000
    assert time.process_time() - start < 3


def test_marks_and_line_ends_of_every_system_are_read(folder: Path) -> None:
    for content in (
        "\ufeff" + HEADER + ROW,
        (HEADER + ROW).replace("\n", "\r\n"),
        (HEADER + ROW).replace("\n", "\r"),
        (HEADER + ROW).rstrip(),
    ):
        assert table.read(write(folder, content), "evaluate").frame.iloc[0].tolist() == [
            "a.png",
            1,
            "validation",
            True,
            True,
        ]


def test_lines_that_are_not_utf8_are_named(folder: Path) -> None:
    path = write(folder, (HEADER + ROW).encode() + b"b.png,caf\xe9,validation,1,1\nd\xff.png,1,validation,1,1\n")
    found = table.find_faults(path)
    assert [(fault.row, fault.value) for fault in found] == [
        (3, "b.png,caf\\xe9,validation,1,1"),
        (4, "d\\xff.png,1,validation,1,1"),
    ]
    assert all("is not UTF-8" in fault.remedy for fault in found)


def test_many_columns_cost_little_and_names_of_few_are_said(folder: Path) -> None:
    count = 5000
    names = ",".join(f"c{i}" for i in range(count))
    start = time.process_time()
    read = table.read(write(folder, f"path,{names}\na.png{',1' * count}\n"), "embed")
    assert read.frame.shape == (1, count + 1)
    with pytest.raises(BadTable, match=r"the table has c0, c1, .* c11 and 4988 more$"):
        table.read(write(folder, f"{names}\n{',1' * (count - 1)}\n"), "embed")
    assert time.process_time() - start < 10, "it was 60 s and grew with the square"


def test_what_cannot_be_opened_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(folder / "pipe.csv")
    os.symlink("/dev/zero", folder / "endless.csv")
    os.symlink("loop.csv", folder / "loop.csv")
    for name, said in [("pipe.csv", "is a pipe"), ("endless.csv", "is a device"), ("loop.csv", "Too many levels"),
                       ("x" * 5000 + ".csv", "File name too long"), ("a\0b.csv", "no such file")]:  # fmt: skip
        with pytest.raises(BadInput, match=said):
            table.read(folder / name, "embed")
    for strange in (5, None, b"t.csv"):
        with pytest.raises(BadInput, match="a table is a csv or parquet file, a folder or a DataFrame, not"):
            table.read(strange, "embed")  # type: ignore[arg-type]

    def closed(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = write(folder, HEADER + ROW)
    monkeypatch.setattr(Path, "open", closed)
    with pytest.raises(BadTable, match="Permission denied"):
        table.read(path, "embed")
    monkeypatch.setattr(Path, "stat", closed)
    with pytest.raises(BadInput, match=r"cannot be opened \(Permission denied\)"):
        table_source.read_file(path, folder)


def test_parquet_keeps_its_values_and_an_index_is_no_column(folder: Path) -> None:
    frame = pd.DataFrame({"path": ["a.png", "b.png"], "price": [1.5, 2.5], "label": ["007", "8"]}, index=[4, 9])
    frame.to_parquet(folder / "t.parquet")
    read = table.read(folder / "t.parquet", "embed")
    assert read.frame.to_dict("list") == frame.to_dict("list")


@pytest.mark.slow
def test_two_million_faults_fit_into_memory_and_a_message(folder: Path) -> None:
    with (folder / "t.csv").open("w") as file:
        file.write("path,label,split\n")
        file.writelines(f"gone{number}.png,1,train\n" for number in range(2_000_000))
    code = f"""
import sys
from omlzoo.cli import main
code = main(["check", {str(folder / "t.csv")!r}])
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
sys.exit(code)
"""
    start = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert "t.csv: 2000000 faults" in done.stderr
    assert "and 1,999,000 more rows, column path: there is no such file" in done.stderr
    assert len(done.stderr) < 300_000
    assert int(done.stdout) < 550 * 1024, "kilobytes"
    assert time.monotonic() - start < 60
