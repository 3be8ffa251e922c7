"""What a notebook shows: few, small pictures, and no text that a browser would obey."""

from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from omlzoo.data.table import Table
from omlzoo.pages.notebook import MOST, Tile, facts_html, rows_html, table_html, tiles_html

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def table(tmp_path: Path) -> Table:
    for number in range(20):
        Image.new("RGB", (400, 300), (number * 12, 0, 0)).save(tmp_path / f"{number}.png")
    frame = pd.DataFrame({"path": [f"{number}.png" for number in range(20)], "label": [HOSTILE] * 20})
    return Table(frame, tmp_path, "the table")


def test_a_table_shows_its_first_pictures(table: Table) -> None:
    html = table_html(table)
    assert html.count("data:image/jpeg;base64,") == MOST
    assert "the table: 20 rows; the first 12" in html
    assert "<script" not in html
    assert html == table._repr_html_()
    assert len(html) < 60_000


def test_a_picture_that_is_not_there_and_an_error_are_said(table: Table) -> None:
    (table.root / "0.png").unlink()
    html = table_html(table, errors=["damaged"] + [""] * 19)
    assert html.count("no picture") == 1
    assert "damaged" in html
    assert html.count("data:image") == MOST - 1


def test_right_and_wrong_are_words_and_not_colours_alone(table: Table) -> None:
    file = table.files()[0]
    html = tiles_html([Tile(file, "a", "0.5", right=True), Tile(file, "b", right=False), Tile(None, HOSTILE)])
    assert "right 0.5" in html
    assert "wrong" in html
    assert "<script" not in html


def test_rows_and_facts_are_escaped() -> None:
    for html in (rows_html(["a"], [[HOSTILE]], HOSTILE), facts_html(HOSTILE, {HOSTILE: HOSTILE})):
        assert "<script" not in html
        assert "&lt;script&gt;" in html
