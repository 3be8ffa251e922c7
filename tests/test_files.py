"""Files appear whole or not at all."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from omlzoo.errors import BadInput
from omlzoo.files import check_free, check_regular, new_file, new_files, settle, settled, writing


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


def test_a_folder_holds_nothing_but_its_own_kind(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").touch()
    (tmp_path / ".lock").touch()
    with pytest.raises(BadInput, match=r"exists and holds photo.jpg"):
        check_free(tmp_path, ("a.txt",))
    check_free(tmp_path, ("photo.jpg",))
    for path, kind in ((tmp_path / "photo.jpg", "a file"), (Path("/dev/null"), "a device")):
        with pytest.raises(BadInput, match=f"is {kind}; give the name of a folder"):
            check_free(path, ())


def test_a_link_leads_to_the_file_that_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    with new_file(tmp_path / "link") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"
    (tmp_path / "dangling").symlink_to("nowhere")
    with new_file(tmp_path / "dangling") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "nowhere").read_text() == "new"


def test_a_pipe_is_written_to_and_stays_one(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE, text=True) as reader:
        with new_file(tmp_path / "pipe") as temporary:
            temporary.write_text("content")
        assert reader.communicate(timeout=10)[0] == "content"
    assert (tmp_path / "pipe").is_fifo()
    with new_file("/dev/null") as temporary:
        temporary.write_text("content")
    assert Path("/dev/null").is_char_device()


def test_a_name_may_be_as_long_as_the_system_allows(tmp_path: Path) -> None:
    path = tmp_path / ("靴" * 80 + ".parquet")  # 248 bytes
    with new_file(path) as temporary:
        temporary.write_text("x")
    assert [path] == list(tmp_path.iterdir())


def test_what_may_never_end_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    (tmp_path / "file").touch()
    for path, kind in ((tmp_path / "pipe", "a pipe"), (tmp_path / "link", "a pipe"), (tmp_path, "a folder"),
                       (Path("/dev/zero"), "a device")):  # fmt: skip
        with pytest.raises(BadInput, match=f"is {kind}; give a regular file"):
            check_regular(path)
    check_regular(tmp_path / "file")
    check_regular(tmp_path / "nothing")


def write(folder: Path, text: str) -> None:
    with new_files(folder, "z.json") as temporary:
        for name in ("a.bin", "m.bin", "z.json"):
            (temporary / name).write_text(text)


def read(folder: Path) -> set[str]:
    return {settled(folder, name, "z.json").read_text() for name in ("a.bin", "m.bin", "z.json")}


@pytest.mark.parametrize("call", range(1, 40))
def test_files_are_replaced_together_wherever_their_writer_is_killed(tmp_path: Path, call: int) -> None:
    """The call of the system with this number ends the process; whoever reads then finds the old files or the new."""
    write(tmp_path, "old")
    if (child := os.fork()) == 0:
        count = 0

        def killing(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
            def tried(*args: Any, **keywords: Any) -> Any:
                nonlocal count
                count += 1
                if count == call:
                    os._exit(9)
                return real(*args, **keywords)

            return tried

        for name in ("replace", "rename", "fsync", "unlink", "rmdir", "mkdir", "chmod", "open"):
            setattr(os, name, killing(name, getattr(os, name)))
        write(tmp_path, "new")
        os._exit(0)
    _, status = os.waitpid(child, 0)
    found = read(tmp_path)
    assert found in ({"old"}, {"new"})
    if status == 0:
        assert found == {"new"}
    settle(tmp_path, "z.json")
    assert read(tmp_path) == found
    assert {(tmp_path / name).read_text() for name in ("a.bin", "m.bin", "z.json")} == found
    write(tmp_path, "next")
    assert read(tmp_path) == {"next"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.bin", "m.bin", "z.json"]


def test_a_hidden_file_of_the_users_own_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".mine.next").write_text("mine")
    write(tmp_path, "new")
    assert (tmp_path / ".mine.next").read_text() == "mine"


def test_nothing_of_a_failed_writer_stays(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), writing(tmp_path / "out"), new_files(tmp_path / "out", "z") as temporary:
        (temporary / "a").touch()
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_one_process_writes_a_folder(tmp_path: Path) -> None:
    code = (
        "import sys; from omlzoo.files import writing\nwith writing(sys.argv[1]): print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(BadInput, match="is being written by another process"), writing(tmp_path):
            pass
        other.communicate()
    with writing(tmp_path):
        pass


def test_what_a_killed_process_left_is_removed_by_the_next_writer_and_only_that(tmp_path: Path) -> None:
    code = "import os, sys; from omlzoo.files import new_file, new_files; "
    code += "a = new_file(sys.argv[1]); a.__enter__(); b = new_files(sys.argv[2], 'z'); b.__enter__(); os.kill(os.getpid(), 9)"
    for _ in range(2):  # the second one meets what the first one left
        subprocess.run([sys.executable, "-c", code, str(tmp_path / "x"), str(tmp_path / "out")], check=False)
        assert len(list(tmp_path.iterdir())) == 2
        assert len(list((tmp_path / "out").iterdir())) == 1
    with new_file(tmp_path / "x") as mine, new_file(tmp_path / "x") as other:  # of a living process
        mine.touch()
        assert mine.exists()
        assert other.exists()
    with new_files(tmp_path / "out", "z") as folder:
        (folder / "z").touch()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["out", "x", "z"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left"), new_file(tmp_path / "x") as temporary:
        temporary.unlink()
        temporary.symlink_to("/dev/full")
        temporary.write_text("x" * 100_000)
    assert not list(tmp_path.iterdir())
