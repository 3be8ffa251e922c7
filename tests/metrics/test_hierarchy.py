"""Hierarchical precision is that of a loop one can check by eye; hierarchies that are none are refused."""

from typing import Any

import numpy as np
import pytest

from omlzoo.errors import BadInput
from omlzoo.metrics import hierarchical_precision
from omlzoo.metrics._levels import heights_of, level_codes

# Two floors on one side, one on the other.
PARENTS = {"boot": "shoe", "mule": "shoe", "shoe": "worn", "hat": "worn", "worn": "thing", "cup": "thing"}
DRAW = np.random.default_rng(5)
LABELS = ["boot", "mule", "hat", "cup", "boot", "mule", "hat", "cup"] * 4
VECTORS = DRAW.normal(size=(len(LABELS), 3)).astype(np.float32)


def above(name: str, parents: dict[str, str]) -> list[str]:
    return [name, *above(parents[name], parents)] if name in parents else [name]


def similar(one: str, other: str, parents: dict[str, str], height: dict[str, int], top: int) -> float:
    common = [name for name in above(one, parents) if name in above(other, parents)]
    return 1 - height[common[0]] / top if common else 0.0


@pytest.mark.parametrize("k", [1, 4, 100])
@pytest.mark.parametrize("forest", [False, True])
@pytest.mark.parametrize("sequences", [None, [f"s{row // 3}" for row in range(len(LABELS))]])
def test_it_is_a_loop(k: int, forest: bool, sequences: list[Any] | None) -> None:
    parents = {c: p for c, p in PARENTS.items() if not (forest and p == "thing")}
    height = {"boot": 0, "mule": 0, "hat": 0, "cup": 0, "shoe": 1, "worn": 2, "thing": 3}
    wanted = []
    for q in range(len(LABELS)):
        rows = [g for g in range(len(LABELS)) if g != q and not (sequences and sequences[g] == sequences[q])]
        rows.sort(key=lambda g: (np.linalg.norm(VECTORS[g].astype(float) - VECTORS[q]), g))
        near = [similar(LABELS[q], LABELS[g], parents, height, 3) for g in rows]
        wanted.append(sum(near[:k]) / sum(sorted(near, reverse=True)[:k]))
    found = hierarchical_precision(VECTORS, LABELS, parents, sequences=sequences, k=(k,))
    assert found == {f"hp@{k}": pytest.approx(sum(wanted) / len(wanted))}


def test_with_categories_alone_another_label_of_the_category_counts_half() -> None:
    vectors = np.array([[0.0], [1.0], [2.0], [3.0]], np.float32)
    labels, parents = ["a", "b", "c", "a"], {"a": "x", "b": "x", "c": "y"}
    found = hierarchical_precision(
        vectors, labels, parents, is_query=[1, 0, 0, 0], is_gallery=[0, 1, 1, 1], k=(1, 2, 3)
    )
    assert found == {"hp@1": 0.5 / 1, "hp@2": pytest.approx(0.5 / 1.5), "hp@3": pytest.approx(1.5 / 1.5)}


def test_heights_and_levels() -> None:
    assert heights_of(PARENTS) == {"boot": 0, "mule": 0, "hat": 0, "cup": 0, "shoe": 1, "worn": 2, "thing": 3}
    codes = level_codes(["boot", "mule", "hat", "cup"], PARENTS)
    assert codes.shape == (3, 4)
    assert [len(set(level.tolist())) for level in codes] == [4, 3, 2]


@pytest.mark.parametrize(
    ("parents", "circle"),
    [({"a": "b", "b": "c", "c": "a", "x": "a"}, "a > b > c > a"), ({"a": "a"}, "a > a")],
)
def test_a_circle_is_refused(parents: dict[str, str], circle: str) -> None:
    with pytest.raises(BadInput, match=f"names go round in a circle: {circle}; a hierarchy ends at the top"):
        hierarchical_precision(VECTORS, LABELS, parents)


def test_what_is_related_to_nothing_has_no_value() -> None:
    found = hierarchical_precision(VECTORS[:2], ["a", "b"], {"a": "x", "b": "y"}, k=(1,))
    assert np.isnan(found["hp@1"])
    with pytest.raises(BadInput, match="ranks start at 1"):
        hierarchical_precision(VECTORS, LABELS, PARENTS, k=(0,))
