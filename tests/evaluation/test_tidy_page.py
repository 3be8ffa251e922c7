"""The page of a collection says what matters first, and what is decided on it is a table that check and finetune take."""

import base64
import gzip
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from omlzoo.embedding.embeddings import Embeddings, Record
from omlzoo.evaluation.collection import describe_collection
from omlzoo.evaluation.tidy_page import map_of_kinds, write_page

POINTS = np.array([[0, 0], [0, 0.01], [0, 1], [10, 0], [10, 1], [10, 2], [99, 99]], dtype=np.float32)


@pytest.fixture
def embeddings(tmp_path: Path) -> Embeddings:
    """Seven pictures; the first two are one, with the labels lemon and satsuma."""
    names = [f"fruit/{number}.png" for number in range(7)]
    (tmp_path / "fruit").mkdir()
    for number, name in enumerate(names):
        Image.new("RGB", (8, 8), (30 * number, 0, 0)).save(tmp_path / name)
    table = pd.DataFrame({
        "path": names, "label": ["lemon", "satsuma", "pear", "pear", "pear", "fig, dried", None],
        "split": "train", "x_1": [1, *[None] * 6], "error": "",
    }).astype({"x_1": "Int64"})  # fmt: skip
    return Embeddings(POINTS, table.drop(columns="x_1"), Record("m", "x", 2, {}, False, "fp32", str(tmp_path)))


def test_labels_that_differ_come_first_with_folder_and_distance(embeddings: Embeddings, tmp_path: Path) -> None:
    write_page(describe_collection(embeddings, distance=0.1, clusters=3), tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    titles = re.findall(r"<h2>(.*?)</h2>", page)
    assert titles == ["Near-duplicates with different labels", "Unlike all others", "Kinds of pictures", "Map"]
    first = page[page.index('id="labels"') : page.index('id="strange"')]
    for said in ("lemon", "satsuma", "fruit/1.png", "0.010 away", 'data-row="1"', 'data-name="fruit/0.png"'):
        assert said in first


def test_the_table_in_the_page_is_that_of_the_embeddings(embeddings: Embeddings, tmp_path: Path) -> None:
    write_page(describe_collection(embeddings, distance=0.1, clusters=3), tmp_path / "page.html")
    found = re.search(r'id="table">(.*?)</script>', (tmp_path / "page.html").read_text())
    assert found is not None
    table = json.loads(gzip.decompress(base64.b64decode(found[1])))
    assert table["columns"] == ["path", "label", "split"]
    assert table["rows"][5] == ["fruit/5.png", "fig, dried", "train"]
    assert table["rows"][6] == ["fruit/6.png", "", "train"]
    assert f"omlzoo check decided.csv --root {tmp_path}" in (tmp_path / "page.html").read_text()


def test_names_that_no_csv_can_hold_leave_the_buttons_out(embeddings: Embeddings, tmp_path: Path) -> None:
    names = pd.Series(["\udcff.png", *embeddings.table["path"][1:]], dtype=object)
    strange = embeddings.table.assign(path=names)
    named = Embeddings(POINTS, strange, embeddings.record)
    write_page(describe_collection(named, distance=0.1, clusters=3), tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert 'id="table"' not in page
    assert "Decisions cannot be written here" in page


def test_the_map_has_every_row_with_its_kind(embeddings: Embeddings) -> None:
    found = map_of_kinds(describe_collection(embeddings, distance=0.1, clusters=3))
    kinds = dict(zip(found.names, found.columns[0].values, strict=True))
    assert len(kinds) == 7
    assert kinds["fruit/0.png"] == kinds["fruit/1.png"] == kinds["fruit/2.png"] != kinds["fruit/6.png"]
