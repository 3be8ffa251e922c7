"""The map shows rows where they are, with their columns and pictures."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from omlzoo.data.table import Table
from omlzoo.evaluation.embedding_map import map_of_rows, outcomes, principal_components, rows_on_map
from omlzoo.metrics.ranking import RetrievalPerQuery
from omlzoo.pages.charts import Colouring


def test_the_first_direction_is_that_in_which_rows_differ_most() -> None:
    line = np.array([[0, 0, 1], [3, 0, 1], [6, 0, 1], [9, 0.1, 1]], np.float32)
    flat = principal_components(line)
    assert np.abs(np.diff(flat[:, 0])) == pytest.approx(3, abs=0.01)
    assert np.abs(flat[:, 1]).max() < 0.1
    assert principal_components(line[:, :1]).shape == (4, 2)


def test_a_map_of_many_rows_shows_some_of_them_once() -> None:
    rows = rows_on_map(10_000)
    assert len(rows) == len(set(rows.tolist())) == 3_000
    assert sorted(rows_on_map(5)) == [0, 1, 2, 3, 4]


def test_a_row_is_right_where_its_first_hit_has_its_label() -> None:
    ranking = RetrievalPerQuery(
        np.array([0, 2, 3]), {}, np.array([[1], [0], [-1]]), np.zeros((3, 1)), np.array([], dtype=int)
    )
    table = pd.DataFrame({"label": ["a", "a", "b", "c"]})
    assert outcomes(table, ranking) == ["right", "not asked", "wrong", "wrong"]


def test_columns_and_pictures_are_those_of_the_rows(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), "red").save(tmp_path / "0.png")
    frame = pd.DataFrame(
        {"path": ["0.png", "gone.png", "0.png"], "label": ["a", None, "c"], "price": [1.5, 2, np.nan], "is_query": True}
    )
    frame = pd.concat([frame] * 4, ignore_index=True).assign(price=np.arange(12.0))
    rows = np.array([2, 1, 0])
    found = map_of_rows(
        "Rows", "text", np.eye(3)[:, :2], rows, Table(frame, tmp_path, "t"), [Colouring("kind", [*"xyz"] * 4)]
    )
    assert list(found.names) == ["0.png", "gone.png", "0.png"]
    assert [(each.name, each.kind, list(each.values)) for each in found.columns] == [
        ("kind", "choice", ["z", "y", "x"]), ("label", "choice", ["c", "", "a"]), ("price", "number", [2, 1, 0]),
    ]  # fmt: skip
    assert found.pictures is not None
    assert list(found.pictures.places) == [0, -1, 1]
