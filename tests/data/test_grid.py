"""Parts lie where one counts them, behind their picture, and pictures without parts are counted."""

from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from omlzoo.data.grid import check_grid, grid_boxes, with_parts
from omlzoo.data.picture_list import open_source
from omlzoo.data.table import read
from omlzoo.errors import BadInput, OmlzooWarning


def test_parts_overlap_by_half() -> None:
    assert grid_boxes((0, 0, 120, 60), 2).tolist() == [
        [0, 0, 80, 40], [40, 0, 120, 40], [0, 20, 80, 60], [40, 20, 120, 60],
    ]  # fmt: skip
    three = grid_boxes((10, 0, 90, 40), 3).tolist()
    assert three[0] == [10, 0, 50, 20]
    assert three[1] == [30, 0, 70, 20]
    assert three[-1] == [50, 20, 90, 40]
    assert len(three) == 9


def test_rows_of_parts_follow_their_picture_with_its_columns(tmp_path: Path) -> None:
    Image.new("RGB", (120, 60)).save(tmp_path / "a.png")
    Image.new("RGB", (80, 40)).save(tmp_path / "b.png")
    Image.new("RGB", (9, 9)).save(tmp_path / "tiny.png")
    frame = pd.DataFrame({
        "path": ["a.png", "b.png", "tiny.png"], "label": ["x", "y", "z"], "split": "train", "x_1": [None, 10, None],
        "x_2": [None, 70, None], "y_1": [None, 0, None], "y_2": [None, 30, None],
    })  # fmt: skip
    frame.to_csv(tmp_path / "t.csv", index=False)
    with pytest.warns(OmlzooWarning, match="1 of 3 pictures are unreadable or too small for a grid of 2"):
        table, pictures = with_parts(read(tmp_path / "t.csv", "embed"), None, 2)
    assert pictures is None
    assert table.frame["path"].tolist() == ["a.png"] * 5 + ["b.png"] * 5 + ["tiny.png"]
    assert table.frame["label"].tolist() == ["x"] * 5 + ["y"] * 5 + ["z"]
    assert table.boxes()[:3] == [None, (0, 0, 80, 40), (40, 0, 120, 40)]
    assert table.boxes()[5:7] == [(10, 0, 70, 30), (10, 0, 50, 20)]
    assert table.boxes()[10] is None


def test_pictures_in_memory_are_repeated() -> None:
    images = [Image.new("RGB", (40, 40)), Image.new("RGB", (60, 30))]
    table, pictures = with_parts(*open_source(images), 2)  # type: ignore[misc]
    assert pictures is not None
    assert [picture is images[0] for picture in pictures] == [True] * 5 + [False] * 5
    assert table.boxes()[6] == (0, 0, 40, 20)


def test_a_grid_out_of_range_is_refused() -> None:
    check_grid(None)
    for grid in (1, 17):
        with pytest.raises(BadInput, match=f"grid is {grid}; it must be 2 to 16"):
            check_grid(grid)
