"""Figures are SVG that a browser reads, the same for the same numbers."""

from xml.etree import ElementTree

import numpy as np
import pytest

from omlzoo.evaluation import plots

pytest.importorskip("matplotlib", reason="matplotlib is not installed")


def texts(svg: str) -> str:
    """The comments in which matplotlib keeps the words that it draws as outlines."""
    assert ElementTree.fromstring(svg).tag.endswith("svg")
    return svg


def test_curves_show_what_there_is() -> None:
    svg = texts(
        plots.curves({"loss": [3.0, 2.0], "lr": [0.1, 0.0]}, {"Loss": ["loss"], "Rate": ["lr"], "Other": ["x"]})
    )
    assert "<!-- Loss -->" in svg
    assert "<!-- Rate -->" in svg
    assert "Other" not in svg
    assert svg == plots.curves({"loss": [3.0, 2.0], "lr": [0.1, 0.0]}, {"Loss": ["loss"], "Rate": ["lr"]})


@pytest.mark.parametrize("labels", [["a", "a", "b", "b"], ["a", "b", "c", "d"], ["a", "a", "a", "a"]])
def test_distances_and_map_of_few_rows(labels: list[str]) -> None:
    vectors = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    assert "<!-- distance -->" in texts(plots.distances(vectors, np.array(labels)))
    assert "<!-- a -->" in texts(plots.map_of(vectors, np.array(labels)))
    texts(plots.map_of(vectors[:, :1], np.array(labels)))


@pytest.mark.parametrize("kinds", [[[0, 1], [2, 3]], [[0, 1, 2, 3]], [[0], [1], [2], [3]]])
def test_map_of_kinds_shows_a_picture_for_each_that_has_one(kinds: list[list[int]]) -> None:
    vectors = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    members = [np.array(rows) for rows in kinds]
    centres = np.stack([vectors[rows].mean(axis=0) for rows in members])
    picture = np.zeros((8, 6, 3), dtype=np.uint8)
    assert texts(plots.map_of_kinds(vectors, members, centres, [picture] * len(kinds))).count("<image") == len(kinds)
    assert "<image" not in texts(plots.map_of_kinds(vectors, members, centres, [None] * len(kinds)))
    texts(plots.map_of_kinds(vectors[:, :1], members, centres[:, :1], [picture] * len(kinds)))
