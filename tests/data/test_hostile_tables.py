"""Whatever a table holds, reading it ends soon with a table or one of the package's errors."""

import contextlib
import io
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from toys import toy

import omlzoo
from omlzoo.data import table
from omlzoo.errors import BadInput, BadTable, OmlzooError, OmlzooWarning
from tests.data.test_hostile_pictures import mutated

PURPOSES = ("embed", "check", "evaluate", "train")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.png", "b.png", " c.png"):
        Image.new("RGB", (20, 10)).save(tmp_path / name)
    return tmp_path


def seeds() -> dict[str, bytes]:
    frame = pd.DataFrame({
        "path": ["a.png", "b.png", " c.png"], "label": ["7", "靴", '=cmd|" /C'], "split": ["train", "validation", "validation"],
        "is_query": ["", "1", "true"], "is_gallery": ["", "1", "0"], "category": ["x", "y", ""],
        "x_1": ["0", "", "1"], "x_2": ["5", "", "9.0"], "y_1": ["0", "", "1"], "y_2": ["5", "", "9"], "price": ["1.5", "2", ""],
    })  # fmt: skip
    typed = frame.assign(label=[1, 2, 3], price=[1.5, None, 2], x_1=[0, None, 1], is_query=[None, True, False])
    content = {".csv": frame.to_csv(index=False).encode()}
    for number, (one, kind) in enumerate(
        [(frame, "snappy"), (typed, "none"), (typed.astype({"split": "category"}), "zstd")]
    ):
        buffer = io.BytesIO()
        one.to_parquet(buffer, compression=None if kind == "none" else kind)
        content[f"{number}.parquet"] = buffer.getvalue()
    return content


def fuzz(folder: Path, count: int) -> None:
    random, content = np.random.default_rng(0), seeds()
    for number in range(count):
        name = list(content)[number % len(content)]
        path = folder / f"t{name}"
        path.write_bytes(mutated(content[name], random) if number >= len(content) else content[name])
        start = time.process_time()
        for purpose in PURPOSES:
            said = ""
            try:
                table.read(path, purpose)
            except OmlzooError as error:
                said = str(error)
            assert len(said) < 20_000, (number, purpose)
        with contextlib.suppress(OmlzooError):
            list(map(str, table.find_faults(path)))
        assert time.process_time() - start < 5, number


def test_damaged_tables_give_a_table_or_our_error(folder: Path) -> None:
    fuzz(folder, 100)


@pytest.mark.slow
def test_many_damaged_tables_give_a_table_or_our_error(folder: Path) -> None:
    fuzz(folder, 2000)


def test_frames_of_every_kind_give_a_table_or_our_error(folder: Path) -> None:
    strange: list[object] = [None, np.nan, np.inf, -1, 10**30, 1e300, True, b"a.png", [1], {"a": 1}, pd.NaT, pd.Timestamp("2020"), 1 + 2j,
                             np.array([1]), "\ud800", "\udcff", "a\0b", "", " ", "x" * 10_000, Path("a.png"), object()]  # fmt: skip
    whole = {
        "path": "a.png",
        "label": 1,
        "split": "validation",
        "is_query": 1,
        "is_gallery": 1,
        "x_1": 0,
        "x_2": 5,
        "y_1": 0,
        "y_2": 5,
        "more": 3,
    }
    for column in whole:
        rows = {name: strange if name == column else [usual] * len(strange) for name, usual in whole.items()}
        frame = pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in rows.items()})
        for purpose in ("embed", "train"):
            with contextlib.suppress(OmlzooError):
                table.read(frame, purpose, root=folder)  # type: ignore[arg-type]
        list(map(str, table.find_faults(frame, root=folder)))
    levels = pd.DataFrame([["a.png", 1]], columns=pd.MultiIndex.from_tuples([("path", "x"), ("label", "y")]))
    with pytest.raises(BadTable, match="names of 2 levels"):
        table.read(levels, "embed", root=folder)


def test_text_that_is_not_utf8_is_a_fault_of_its_row(folder: Path) -> None:
    frame = pd.DataFrame(
        {"path": pd.Series(["a.png", "\udcff.png"], dtype=object), "label": pd.Series(["\ud800", "x"], dtype=object)}
    )
    with pytest.raises(BadTable) as caught:
        table.read(frame, "embed", root=folder)
    assert [(fault.row, fault.column, fault.value) for fault in caught.value.faults] == [
        (0, "label", "\\ud800"),
        (1, "path", "\\xff.png"),
    ]
    assert all("is not UTF-8" in fault.remedy for fault in caught.value.faults)
    other = pd.DataFrame({"path": ["a.png"], "note": pd.Series(["\udcff"], dtype=object)})
    with pytest.raises(BadTable, match="column note: '': the column's name or values are not UTF-8"):
        table.read(other, "embed", root=folder)


def test_a_folder_with_a_name_that_is_not_utf8_is_embedded_without_it(folder: Path) -> None:
    Image.new("RGB", (9, 9)).save(folder / os.fsdecode(b"\xff.png"))
    with pytest.warns(
        OmlzooWarning, match=r"1 names are not UTF-8 \(rename them\) and were passed over; the first is '\\\\xff.png'"
    ):
        embeddings = omlzoo.embed(toy("resnet_toy"), folder)
    embeddings.save(folder / "e.parquet")
    assert omlzoo.load_embeddings(folder / "e.parquet").table["path"].tolist() == [" c.png", "a.png", "b.png"]


def test_too_little_memory_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise MemoryError

    (folder / "t.csv").write_text("path\na.png\n")
    monkeypatch.setattr(pd, "read_csv", full)
    for read in (lambda: table.read(folder / "t.csv", "embed"), lambda: table.find_faults(folder / "t.csv")):
        with pytest.raises(BadInput, match=r"t\.csv: there is not enough memory to read it"):
            read()


def test_a_limit_of_memory_ends_a_check_in_one_line(folder: Path) -> None:
    with (folder / "t.csv").open("w") as file:
        file.write("path,label,split\n")
        file.writelines(f"gone{number}.png,{'x' * 50}{number},train\n" for number in range(300_000))
    code = """
import resource, sys
import omlzoo.data.table
from omlzoo.cli import main
pages = int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (20 << 20),) * 2)
sys.exit(main(["check", sys.argv[1]]))
"""
    done = subprocess.run([sys.executable, "-c", code, str(folder / "t.csv")], capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "memory" in done.stderr
