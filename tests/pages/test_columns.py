"""Columns are as wide as their cells, and no line is longer than the terminal."""

import pytest

from omlzoo.pages.columns import columns, width_of


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert columns(["a", "long head"], [["longer", "x"], ["b", ""]]) == ["a       long head", "longer  x", "b"]
    assert columns(["a", "b"], [["靴", "1"], ["e\u0301", "2"]]) == ["a   b", "靴  1", "e\u0301   2"]


@pytest.mark.parametrize("width", [40, 60, 80])
def test_the_widest_cells_lose_their_middle_where_a_line_is_too_long(width: int) -> None:
    path = "photos/" + "folder/" * 20 + "picture.jpg"
    lines = columns(["label", "score", "path"], [["shoe", "0.9871", path], ["靴" * 30, "0.5", "a.jpg"]], width)
    assert max(map(width_of, lines)) <= width
    assert "0.9871" in lines[1], "numbers are whole"
    assert lines[1].startswith("shoe")
    assert lines[1].endswith(".jpg")
    assert "~" in lines[1]


def test_nothing_is_cut_that_fits_or_goes_elsewhere() -> None:
    rows = [["x" * 200, "1"]]
    assert columns(["a", "b"], rows)[1] == "x" * 200 + "  1"
    assert columns(["a", "b"], [["x", "1"]], 80) == ["a  b", "x  1"]
    assert columns(["a"] * 9, [["y" * 12] * 9], 20)[1].count("y" * 12) == 9, "12 columns are kept"
