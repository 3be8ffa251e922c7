"""A list of pictures is a table too; what is no picture is refused, and a name that is not UTF-8 is written by escapes."""

import os
from pathlib import Path

import pytest
from PIL import Image
from toys import toy

import omlzoo
from omlzoo.data.picture_list import list_table, open_source
from omlzoo.errors import BadInput


def test_paths_and_images_have_a_row_each(tmp_path: Path) -> None:
    image = Image.new("RGB", (3, 3))
    table, pictures = list_table(["a.png", tmp_path / "b.png", image, os.fsdecode(b"\xff.png")], tmp_path)
    assert table.frame["path"].tolist() == ["a.png", str(tmp_path / "b.png"), "image 2", "\\xff.png"]
    assert list_table(image, tmp_path)[1] == list_table((each for each in [image]), tmp_path)[1] == [image]
    with pytest.raises(BadInput, match="there is no picture"):
        list_table([], tmp_path)
    assert pictures == [tmp_path / "a.png", tmp_path / "b.png", image, tmp_path / os.fsdecode(b"\xff.png")]


@pytest.mark.parametrize("item", [None, 5, 0.5, [1]])
def test_what_is_no_picture_is_refused(item: object) -> None:
    with pytest.raises(
        BadInput, match=f"picture 1 is of type {type(item).__name__}; give a path or a PIL image, an array"
    ):
        list_table(["a.png", item], Path())
    model = toy("resnet_toy")
    with pytest.raises(BadInput):
        omlzoo.embed(model, ["a.png", item])
    with pytest.raises(BadInput):
        omlzoo.embed(model, item)


def test_a_name_that_is_not_utf8_costs_the_others_nothing(tmp_path: Path) -> None:
    names = [tmp_path / "a.png", tmp_path / os.fsdecode(b"\xff.png")]
    for name in names:
        Image.new("RGB", (9, 9)).save(name)
    embeddings = omlzoo.embed(toy("resnet_toy"), names)
    embeddings.save(tmp_path / "e.parquet")
    again = omlzoo.load_embeddings(tmp_path / "e.parquet")
    assert again.table["path"].tolist() == [str(tmp_path / "a.png"), f"{tmp_path}/\\xff.png"]
    assert again.good.all()


def test_what_is_nearly_a_list_of_pictures_is_answered_with_how_to_give_it(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    with pytest.raises(BadInput, match=r"not dict; give list\(pictures.values\(\)\)"):
        open_source({"a": tmp_path / "a.png"})
    with pytest.raises(BadInput, match="for pairs of a picture and a label a torch Dataset"):
        open_source([(Image.new("RGB", (4, 4)), 1)])
    with (
        pytest.raises(BadInput, match=r"give its bytes, file\.read\(\), or its path"),
        (tmp_path / "a.png").open("rb") as file,
    ):
        open_source([file])
    with pytest.raises(BadInput, match="patterns are not expanded"):
        open_source(f"{tmp_path}/*.png")
    (tmp_path / "what?.png").write_bytes((tmp_path / "a.png").read_bytes())
    opened = open_source(f"{tmp_path}/what?.png")
    assert len(opened.table) == 1  # type: ignore[union-attr]
