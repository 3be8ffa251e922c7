"""The pictures of a folder are found, and whatever is passed over is counted and said."""

import os
from pathlib import Path

import pytest

from omlzoo.data import folder, table
from omlzoo.errors import BadInput


def fill(root: Path, *names: str | bytes) -> None:
    for name in names:
        path = root / os.fsdecode(name)
        path.parent.mkdir(exist_ok=True, parents=True)
        path.touch()


def test_pictures_are_found_in_order_and_others_counted(tmp_path: Path) -> None:
    fill(tmp_path, "b.JPG", "a/c.png", "a/notes.txt", ".hidden/x.png", "d.webp", "a-b/x.png", "a/.x.png")
    found = folder.find_pictures(tmp_path)
    assert found.pictures == ["a/c.png", "a-b/x.png", "b.JPG", "d.webp"], "as pathlib sorts: part by part"
    assert found.pictures == [
        p.relative_to(tmp_path).as_posix() for p in sorted(tmp_path / name for name in found.pictures)
    ]
    assert found.notices(tmp_path) == [f"{tmp_path}: 1 files are no pictures and were passed over"]


def test_names_may_begin_and_end_with_spaces(tmp_path: Path) -> None:
    fill(tmp_path, " a.png", "a.png", "b.png ", " shoe /c.png")
    assert folder.find_pictures(tmp_path).pictures == [" a.png", " shoe /c.png", "a.png", "b.png "]
    read = table.read(tmp_path, "embed").frame
    assert read["path"].tolist() == [" a.png", " shoe /c.png", "a.png", "b.png "]
    assert read["label"].tolist() == ["", "shoe", "", ""]


def test_links_and_what_is_no_file_are_counted(tmp_path: Path) -> None:
    fill(tmp_path, "in/a.png", "in/b.png", "out/c.png")
    inside = tmp_path / "in"
    for target, name in [("gone.png", "broken.png"), ("loop.png", "loop.png"), (".", "self"), ("a.png", "z.png"),
                         ("../out/c.png", "c.png"), ("../out/c.png", "d.png")]:  # fmt: skip
        os.symlink(target, inside / name)
    os.mkfifo(inside / "pipe.png")
    found = folder.find_pictures(inside)
    assert found.pictures == ["a.png", "b.png", "c.png"]
    assert {reason: sorted(names) for reason, names in found.passed.items()} == {
        folder.BROKEN: ["broken.png", "loop.png"], folder.LINKED: ["self"], folder.AGAIN: ["d.png", "z.png"], folder.OTHERS: ["pipe.png"],
    }  # fmt: skip
    assert f"{inside}: 2 links lead to no file and were passed over; the first is 'broken.png'" in found.notices(inside)


def test_a_folder_that_may_not_be_opened_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, "a/x.png", "b/y.png", "z.png")
    opened = os.scandir

    def scandir(path: str | Path) -> object:
        if Path(path).name == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path)

    monkeypatch.setattr(os, "scandir", scandir)
    closed = "b"
    assert table.read(tmp_path, "embed").frame["path"].tolist() == ["a/x.png", "z.png"]
    assert table.read(tmp_path, "embed").notices == (
        f"{tmp_path}: 1 folders could not be opened and were passed over; the first is 'b'",
    )
    closed = tmp_path.name
    with pytest.raises(BadInput, match=r"cannot be opened \(Permission denied\)"):
        table.read(tmp_path, "embed")


@pytest.mark.skipif(os.name != "posix", reason="names are bytes there alone")
def test_a_name_that_is_not_utf8_costs_itself_alone(tmp_path: Path) -> None:
    fill(tmp_path, "a.png", b"\xff.png", b"caf\xe9/b.png", "c/d.png")
    found = table.read(tmp_path, "embed")
    assert found.frame["path"].tolist() == ["a.png", "c/d.png"]
    assert found.notices == (
        f"{tmp_path}: 2 names are not UTF-8 (rename them) and were passed over; the first is 'caf\\\\xe9'",
    )
