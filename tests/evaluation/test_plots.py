"""Figures are SVG that a browser reads, the same for the same numbers."""

from xml.etree import ElementTree

import numpy as np
import pytest

from omlzoo.errors import OmlzooWarning
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


LABELS = [
    "$^$", "$\\frac{x$", "$$", "\\$", "$", "$a$ $b$", "\\frac", "_a", "__", "", " ", "靴", "ботинок", "👟", "\x00\x1b[31m", "\x7f", "x" * 10_000,
    "\u202eabc", "\u200fשלום", "\udcff.png", "<script>--></script>", "]]>", "a\nb", "nan", "{0}", "%s", "{}" * 50, "$" * 10_000, "\ufffe",
]  # fmt: skip


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("label", LABELS, ids=range(len(LABELS)))
def test_every_label_is_drawn_and_none_is_obeyed(label: str) -> None:
    vectors = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    labels = np.array([label, "boot", label, "boot"], dtype=object)
    for svg in (plots.map_of(vectors, labels), plots.distances(vectors, labels)):
        svg.encode("utf-8")
        texts(svg)
        assert "<script>" not in svg
    svg = plots.map_of(vectors, labels)
    assert svg.count('id="PathCollection') == 5, "grey, and one colour for each label here and in the legend"
    if label in ("$^$", "_a", "\\frac", "$a$ $b$"):
        assert f"<!-- {label} -->" in svg
    assert label not in ("靴", "👟") or f">{label}<" in svg, "where the font lacks it, the browser's writes it"
    assert ("x" * 18 in svg) is False


def test_a_figure_that_cannot_be_drawn_is_left_out_and_said() -> None:
    def broken(number: int) -> str:
        raise RuntimeError(f"no {number}\nmore")

    with pytest.warns(OmlzooWarning, match="the figure broken is left out, it cannot be drawn: RuntimeError: no 5$"):
        assert plots.drawn(broken, 5) == []
    assert len(plots.drawn(plots.curves, {"loss": [1.0]}, {"Loss": ["loss"]})) == 1


@pytest.mark.parametrize("size", [1e-30, 1e14])
def test_distances_of_every_size_are_drawn(size: float) -> None:
    vectors = (np.random.default_rng(0).normal(size=(40, 3)) * size).astype(np.float32)
    texts(plots.distances(vectors, np.arange(40) // 4))
    texts(plots.map_of(vectors, np.arange(40) // 4))


@pytest.mark.parametrize("kinds", [[[0, 1], [2, 3]], [[0, 1, 2, 3]], [[0], [1], [2], [3]]])
def test_map_of_kinds_shows_a_picture_for_each_that_has_one(kinds: list[list[int]]) -> None:
    vectors = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    members = [np.array(rows) for rows in kinds]
    centres = np.stack([vectors[rows].mean(axis=0) for rows in members])
    picture = np.zeros((8, 6, 3), dtype=np.uint8)
    assert texts(plots.map_of_kinds(vectors, members, centres, [picture] * len(kinds))).count("<image") == len(kinds)
    assert "<image" not in texts(plots.map_of_kinds(vectors, members, centres, [None] * len(kinds)))
    texts(plots.map_of_kinds(vectors[:, :1], members, centres[:, :1], [picture] * len(kinds)))
