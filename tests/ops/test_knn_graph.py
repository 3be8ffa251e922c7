"""The best of every row from half of the products equals the loop over all of them, and the search that computes all."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from omlzoo.ops import knn_graph as room
from omlzoo.ops import nearest as search
from omlzoo.ops.knn_graph import best_of_each
from omlzoo.ops.nearest import nearest


def by_hand(vectors: Tensor, count: int, own: bool, groups: Tensor | None, squared: bool) -> list[list[float]]:
    wanted = []
    for i, one in enumerate(vectors.double()):
        values = []
        for j, other in enumerate(vectors.double()):
            if (own and i == j) or (groups is not None and groups[i] >= 0 and groups[i] == groups[j]):
                continue
            values.append(float(-((one - other) ** 2).sum() / 2 if squared else (one * other).sum()))
        values = sorted(values, reverse=True)[:count]
        wanted.append(values + [-math.inf] * (count - len(values)))
    return wanted


@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("crowd", [0, 4])
def test_equals_the_loop(squared: bool, own: bool, grouped: bool, crowd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "TILE", 13)
    monkeypatch.setattr(room, "CROWD", crowd)  # 0: the way of a tile in which too much is better
    draw = torch.Generator().manual_seed(int(squared) + 2 * own + 4 * grouped)
    vectors = torch.randn(50, 6, generator=draw)
    groups = torch.randint(-1, 9, (50,), generator=draw) if grouped else None
    halves = vectors.square().sum(dim=1) / 2 if squared else None
    values, places = best_of_each(vectors, halves, 7, own, groups)
    assert values.tolist() == [pytest.approx(row, abs=1e-5) for row in by_hand(vectors, 7, own, groups, squared)]
    for i in range(50):  # each position is where its value is
        direct = (
            -(vectors[places[i]] - vectors[i]).square().sum(dim=1) / 2 if squared else vectors[places[i]] @ vectors[i]
        )
        assert direct.tolist() == pytest.approx(values[i].tolist(), abs=1e-5)


@given(st.integers(8, 60), st.integers(1, 9), st.integers(1, 4), st.booleans(), st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_a_search_of_rows_among_themselves_is_the_search_among_a_copy(
    rows: int, k: int, values: int, own: bool, seed: int
) -> None:
    draw = torch.Generator().manual_seed(seed)
    vectors = torch.randint(-values, values + 1, (rows, 3), generator=draw).float()  # many equal distances
    itself = torch.arange(rows) if own else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "TILE", 5)
        patch.setattr(search, "QUERIES", 4)
        for similarity in ("euclidean", "cosine"):
            found = nearest(vectors, vectors, k, similarity=similarity, own=itself)  # type: ignore[arg-type]
            wanted = nearest(vectors, vectors.clone(), k, similarity=similarity, own=itself)  # type: ignore[arg-type]
            assert found[1].tolist() == wanted[1].tolist()
            assert found[0].tolist() == wanted[0].tolist()


def test_half_of_the_products_are_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "TILE", 10)
    sizes = []
    whole = torch.mm
    monkeypatch.setattr(torch, "mm", lambda a, b, **more: (sizes.append(len(a) * b.shape[1]), whole(a, b, **more))[1])
    best_of_each(torch.randn(100, 4), None, 3, True, None)
    assert sum(sizes) == 55 * 100  # of 100 tiles of 10 x 10
