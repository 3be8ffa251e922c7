"""Names that lead to one file are known, whatever they look like."""

import os
import time
from pathlib import Path

import pandas as pd

from omlzoo.data.same_files import find_files


def test_the_names_of_one_file_are_found_and_hard_links_are_other_files(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_text(name)
    (tmp_path / "sub").mkdir()
    os.symlink("a.png", tmp_path / "link.png")
    os.symlink(tmp_path, tmp_path / "sub" / "up")
    os.link(tmp_path / "a.png", tmp_path / "hard.png")
    names = [
        "a.png",
        "b.png",
        "./a.png",
        str(tmp_path / "a.png"),
        "link.png",
        "sub/../a.png",
        "sub/up/b.png",
        "sub/up/sub/up/a.png",
        "hard.png",
        *("b.png", "b.png", "hard.png"),
    ]
    there, first = find_files(tmp_path, pd.Series(names, dtype="str"))
    assert there.all()
    assert first.tolist() == [0, 1, 0, 0, 0, 0, 1, 0, 8, 1, 1, 8]


def test_what_is_no_file_is_not_there(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    os.symlink("loop.png", tmp_path / "loop.png")
    os.symlink("gone.png", tmp_path / "broken.png")
    names = ["pipe.png", "loop.png", "broken.png", "", ".", "x" * 300, "a\0b", "/dev/zero", "gone/a.png"]
    there, first = find_files(tmp_path, pd.Series(names, dtype="str"))
    assert not there.any()
    assert first.tolist() == list(range(len(names)))


def test_many_missing_files_take_little_time(tmp_path: Path) -> None:
    start = time.process_time()
    there, _ = find_files(tmp_path, pd.Series([f"{number}.png" for number in range(100_000)], dtype="str"))
    assert not there.any()
    assert time.process_time() - start < 2
