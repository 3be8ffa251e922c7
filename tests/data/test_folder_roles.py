"""Sub-folders are labels, or splits and roles with labels below them; nothing in between."""

from pathlib import Path

import pytest
from PIL import Image

from omlzoo.data import table
from omlzoo.data.folder_roles import roles_in
from omlzoo.errors import BadInput


def paths(*names: str) -> list[list[str]]:
    return [name.split("/") for name in names]


@pytest.mark.parametrize(("given", "wanted"), [
    (("train/a/1", "test/b/1"), {"train": "train", "test": "validation"}),
    (("Train/a/1", "Test/b/1"), {"Train": "train", "Test": "validation"}),
    (("training/a/1", "VALIDATION/b/1"), {"training": "train", "VALIDATION": "validation"}),
    (("train/a/1", "query/b/1", "gallery/b/2"), {"train": "train", "query": "query", "gallery": "gallery"}),
    (("train/a/1", "train/b/1"), {"train": "train"}),
    (("train/1", "car/1", "test/1"), None),  # labels: pictures lie right below them
    (("train/old/1", "car/new/1"), None),  # trains and cars, each with folders of its own
    (("a/1", "b/1"), None), (("1", "2"), None), (("images/a/1", "images/b/1"), None),
])  # fmt: skip
def test_names_say_what_they_are(given: tuple[str, ...], wanted: dict[str, str] | None) -> None:
    assert roles_in(Path("f"), paths(*given)) == wanted


@pytest.mark.parametrize("given", [("train/a/1", "test/b/1", "extra/c/1"), ("train/a/1", "val/b/1", "x.png")])
def test_splits_beside_others_are_refused(given: tuple[str, ...]) -> None:
    with pytest.raises(BadInput, match="are names of splits, and"):
        roles_in(Path("f"), paths(*given))


def folder(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(root / name)
    return root


def test_roles_become_columns(tmp_path: Path) -> None:
    root = folder(tmp_path, "train/a/1.png", "train/a/2.png", "query/b/1.png", "gallery/b/2.png", "gallery/c/1.png")
    rows = table.read(root, "train").frame
    found = {row.path: (row.label, row.split, row.is_query, row.is_gallery) for row in rows.itertuples()}
    assert found["train/a/1.png"][:2] == ("a", "train")
    assert found["query/b/1.png"] == ("b", "validation", True, False)
    assert found["gallery/c/1.png"] == ("c", "validation", False, True)


def test_one_label_for_all_is_said(tmp_path: Path) -> None:
    root = folder(tmp_path, "images/a/1.png", "images/a/2.png", "images/b/1.png", "images/b/2.png")
    assert "all 4 pictures have the label 'images'" in " ".join(table.read(root, "evaluate").notices)


def test_endings_formats_and_files_of_systems(tmp_path: Path) -> None:
    folder(tmp_path, "a/1.png", "a/2.png")
    for name in ("a/3.jfif", "a/4.JPE", "a/5"):
        Image.new("RGB", (8, 8)).save(tmp_path / name, "JPEG")
    for name in ("a/6.heic", "a/7.tga", "a/Thumbs.db", "a/.DS_Store", "a/._1.png", "a/notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    rows = table.read(tmp_path, "embed")
    assert [path.rpartition("/")[2] for path in rows.frame["path"]] == ["1.png", "2.png", "3.jfif", "4.JPE", "5"]
    said = " ".join(rows.notices)
    assert "2 files are of a format that is not read (convert them)" in said
    assert "1 files are no pictures" in said
    assert "Thumbs" not in said


@pytest.mark.parametrize(
    "names", [("train", "test"), ("train", "query", "gallery"), ("Query", "GALLERY"), ("training", "val", "testing")]
)
def test_splits_without_labels_are_refused_where_labels_are_needed(tmp_path: Path, names: tuple[str, ...]) -> None:
    folder(tmp_path, *(f"{name}/{number}.png" for name in names for number in range(2)))
    with pytest.raises(BadInput, match="are names of splits, and pictures lie right below them"):
        table.read(tmp_path, "evaluate")
    assert len(table.read(tmp_path, "embed")) == 2 * len(names)


def test_a_label_with_the_name_of_a_split_is_said(tmp_path: Path) -> None:
    folder(tmp_path, "train/old/1.png", "car/new/1.png")
    read = table.read(tmp_path, "evaluate")
    assert set(read.frame["label"]) == {"train", "car"}
    assert (
        f"{tmp_path}: the sub-folder 'train' is taken for a label; for a split, call one beside it test" in read.notices
    )
