"""Parts of pictures as rows of their own, so that a search finds what is somewhere in a picture, and where."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from omlzoo.data.images import read_size
from omlzoo.data.late_picture import Picture
from omlzoo.data.table import Table
from omlzoo.errors import BadImage, BadInput, notice

__all__ = ["check_grid", "grid_boxes", "with_parts"]

SIDES = ("x_1", "y_1", "x_2", "y_2")
MOST = 16
LEAST = 8  # pixels of a part's shorter side


def check_grid(grid: int | None) -> None:
    """Refuse a grid that has no parts, or too many.

    Raises:
        BadInput: It is below 2 or above 16.
    """
    if grid is not None and not 2 <= grid <= MOST:
        raise BadInput(f"grid is {grid}; it must be 2 to {MOST}: so many parts in a row and in a column")


def grid_boxes(box: tuple[int, int, int, int], grid: int) -> np.ndarray:
    """The boxes (grid x grid, 4) of parts, row by row: left, top, right, bottom.

    Each overlaps its neighbour by half: a part is 2 / (grid + 1) of the side, and begins 1 / (grid + 1) behind the one
    before. So what is at most half as large as a part lies wholly inside one.

    Args:
        box: What is cut: left, top, right, bottom in pixels.
        grid: Parts in a row and in a column.
    """
    left, top, right, bottom = box
    steps = np.arange(grid + 2) / (grid + 1)
    columns = np.round(left + steps * (right - left)).astype(np.int64)
    rows = np.round(top + steps * (bottom - top)).astype(np.int64)
    return np.array([
        (columns[x], rows[y], columns[x + 2], rows[y + 2]) for y in range(grid) for x in range(grid)
    ])  # fmt: skip


def with_parts(table: Table, pictures: Sequence[Picture] | None, grid: int) -> tuple[Table, Sequence[Picture] | None]:
    """The table with grid x grid rows more behind each row, the parts of its picture or of its box, and their pictures.

    A part is a row with a box and all other columns of its picture. Pictures whose header cannot be read, and those
    whose parts would have less than 8 pixels on a side, have no parts; they are counted.

    Args:
        table: A row for each picture.
        pictures: Those in memory, one for each row; None for the table's files.
        grid: Parts in a row and in a column, 2 to 16.

    Raises:
        BadInput: The grid is out of its range.
    """
    check_grid(grid)
    sizes: dict[int | str, tuple[int, int] | None] = {}
    repeats, boxes, without = [], [], 0
    for number, (picture, box) in enumerate(zip(pictures or table.pictures(), table.boxes(), strict=True)):
        whole = box or _whole(picture, sizes, number if pictures else str(picture))
        own = [[pd.NA] * 4 if box is None else list(box)]
        enough = whole is not None and min(whole[2] - whole[0], whole[3] - whole[1]) * 2 / (grid + 1) >= LEAST
        parts = grid_boxes(whole, grid).tolist() if whole is not None and enough else []
        without += not parts
        repeats.append(1 + len(parts))
        boxes += own + parts
    if without:
        notice(
            f"{without} of {len(table)} pictures are unreadable or too small for a grid of {grid}; they have no parts"
        )
    places = np.repeat(np.arange(len(table)), repeats)
    sides = pd.DataFrame(boxes, columns=list(SIDES)).astype("Int64")
    frame = (
        table.frame.drop(columns=[name for name in SIDES if name in table.frame]).iloc[places].reset_index(drop=True)
    )
    frame = pd.concat([frame, sides[["x_1", "x_2", "y_1", "y_2"]]], axis=1)
    return replace(table, frame=frame), None if pictures is None else [pictures[place] for place in places.tolist()]


def _whole(
    picture: Picture, sizes: dict[int | str, tuple[int, int] | None], key: int | str
) -> tuple[int, int, int, int] | None:
    if key not in sizes:
        try:
            sizes[key] = read_size(picture)
        except BadImage:
            sizes[key] = None
    size = sizes[key]
    return None if size is None else (0, 0, *size)
