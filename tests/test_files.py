"""Files appear whole or not at all."""

import subprocess
import sys
from pathlib import Path

import pytest

from omlzoo.errors import BadInput
from omlzoo.files import new_file, new_folder, recovered


def test_a_file_takes_its_place_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "x.txt"
    with new_file(path) as temporary:
        temporary.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError("disk is full"), KeyboardInterrupt()])
def test_on_an_error_the_old_file_stays_and_nothing_is_left(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "x.txt"
    path.write_text("old")
    with pytest.raises(type(error)), new_file(path) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_replaces_only_its_own_kind(tmp_path: Path) -> None:
    path = tmp_path / "out"
    for text in ("one", "two"):
        with new_folder(path, owned=("a.txt",)) as temporary:
            (temporary / "a.txt").write_text(text)
    assert (path / "a.txt").read_text() == "two"
    (path / "photo.jpg").touch()
    with pytest.raises(BadInput, match=r"out exists and holds photo.jpg"), new_folder(path, owned=("a.txt",)):
        pass
    assert (path / "photo.jpg").exists()


def test_a_folder_is_not_half_written(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), new_folder(tmp_path / "out", owned=()) as temporary:
        (temporary / "a.txt").touch()
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_the_working_directory_is_a_folder_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert recovered(".") == tmp_path


def test_what_a_killed_process_left_is_removed_by_the_next_writer_and_only_that(tmp_path: Path) -> None:
    code = "import os, sys; from omlzoo.files import new_file, new_folder; "
    code += "a = new_file(sys.argv[1]); a.__enter__(); b = new_folder(sys.argv[2], ()); b.__enter__(); os.kill(os.getpid(), 9)"
    for _ in range(2):  # the second one meets what the first one left
        subprocess.run([sys.executable, "-c", code, str(tmp_path / "x"), str(tmp_path / "out")], check=False)
        assert len(list(tmp_path.iterdir())) == 2
    with new_file(tmp_path / "x") as mine, new_file(tmp_path / "x") as other:  # of a living process
        mine.touch()
        assert mine.exists()
        assert other.exists()
    with new_folder(tmp_path / "out", ()):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "x"]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(BadInput, match="is a file"), new_folder(tmp_path / "out", owned=()):
        pass


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left"), new_file(tmp_path / "x") as temporary:
        temporary.unlink()
        temporary.symlink_to("/dev/full")
        temporary.write_text("x" * 100_000)
    assert not list(tmp_path.iterdir())
