"""Exact search equals the loop, in any block size, with ties, exclusions and awkward numbers."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from omlzoo.errors import BadInput
from omlzoo.ops import int8
from omlzoo.ops import nearest as room
from omlzoo.ops.direct_scores import scores_of
from omlzoo.ops.int8 import multiplies_bytes
from omlzoo.ops.nearest import NeighborSearch, nearest


def by_hand(
    queries: Tensor, gallery: Tensor, k: int, similarity: str, own: Tensor, groups: tuple[Tensor, Tensor]
) -> list[list[int]]:
    found = []
    for q, query in enumerate(queries.double()):
        scored = []
        for g, row in enumerate(gallery.double()):
            if g == own[q] or (groups[0][q] >= 0 and groups[0][q] == groups[1][g]):
                continue
            score = float(query @ row) if similarity == "cosine" else -float((query - row).norm())
            scored.append((-score, g))
        found.append([g for _, g in sorted(scored)][:k])
    return found


@pytest.mark.parametrize("similarity", ["euclidean", "cosine"])
@pytest.mark.parametrize("seed", range(4))
def test_equals_the_loop(seed: int, similarity: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "QUERIES", 7)
    monkeypatch.setattr(room, "GALLERY", 11)
    draw = torch.Generator().manual_seed(seed)
    gallery, queries = torch.randn(50, 6, generator=draw), torch.randn(20, 6, generator=draw)
    own = torch.randint(-1, 50, (20,), generator=draw)
    groups = torch.randint(-1, 4, (20,), generator=draw), torch.randint(-1, 4, (50,), generator=draw)
    scores, ids = nearest(queries, gallery, 45, similarity=similarity, own=own, groups=groups)  # type: ignore[arg-type]
    wanted = by_hand(queries, gallery, 45, similarity, own, groups)
    for row, expected in enumerate(wanted):
        assert ids[row, : len(expected)].tolist() == expected
        assert (ids[row, len(expected) :] == -1).all()
        assert (scores[row, len(expected) :] == -torch.inf).all()
        assert (scores[row, : len(expected)].diff() <= 0).all()


needs_bytes = pytest.mark.skipif(not multiplies_bytes(), reason="the processor does not multiply bytes (VNNI)")


@pytest.fixture
def bytes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass in bytes from the first query on, of few candidates and small blocks."""
    for where, name, value in (
        (room, "LARGE", 1),
        (room, "SPARE", 1),
        (int8, "PAYS", 0),
        (int8, "ROUGH", 3),
        (int8, "DOUBT", 1e9),
    ):
        monkeypatch.setattr(where, name, value)


@needs_bytes
@pytest.mark.usefixtures("bytes_first")
@pytest.mark.parametrize("similarity", ["euclidean", "cosine"])
@pytest.mark.parametrize("seed", range(6))
def test_with_bytes_it_equals_the_loop(seed: int, similarity: str) -> None:
    draw = torch.Generator().manual_seed(seed)
    gallery, queries = torch.randn(90, 24, generator=draw), torch.randn(20, 24, generator=draw)
    gallery *= torch.tensor([1, 1, 30, 0.01, 1, 0.2])[seed]  # of any length
    own = torch.randint(-1, 90, (20,), generator=draw)
    groups = torch.randint(-1, 4, (20,), generator=draw), torch.randint(-1, 4, (90,), generator=draw)
    for k in (1, 5, 40):
        searched = NeighborSearch(gallery, similarity)  # type: ignore[arg-type]
        ids = searched.nearest(queries, k, own=own, groups=groups)[1]
        assert searched.int8.rows is not None
        for row, expected in enumerate(by_hand(queries, gallery, k, similarity, own, groups)):
            assert ids[row, : len(expected)].tolist() == expected
            assert (ids[row, len(expected) :] == -1).all()


@needs_bytes
@pytest.mark.usefixtures("bytes_first")
@pytest.mark.parametrize("similarity", ["euclidean", "cosine"])
def test_rows_that_bytes_cannot_tell_apart_are_looked_at_closely(similarity: str) -> None:
    draw = torch.Generator().manual_seed(0)
    gallery = torch.randn(1, 32, generator=draw) + 1e-4 * torch.randn(400, 32, generator=draw)
    gallery[7] *= 3  # the scale of the bytes
    queries = gallery[:6] + 1e-5
    searched = NeighborSearch(gallery, similarity)  # type: ignore[arg-type]
    nobody = torch.full((6,), -1)
    wanted = by_hand(queries, gallery, 4, similarity, nobody, (nobody, torch.zeros(400)))
    assert searched.nearest(queries, 4)[1].tolist() == wanted
    assert searched.int8.open > 0


@pytest.mark.parametrize("first", ["float32", pytest.param("bytes", marks=needs_bytes)])
@pytest.mark.parametrize(("similarity", "length"), [("cosine", 1e-24), ("euclidean", 1e4), ("euclidean", 1e6)])
def test_queries_of_any_length(first: str, similarity: str, length: float, monkeypatch: pytest.MonkeyPatch) -> None:
    if first == "bytes":
        monkeypatch.setattr(room, "LARGE", 1)
        monkeypatch.setattr(int8, "PAYS", 0)
    draw = torch.Generator().manual_seed(0)
    centres = torch.nn.functional.normalize(torch.randn(20, 16, generator=draw))
    gallery = torch.nn.functional.normalize(centres.repeat(100, 1) + 0.02 * torch.randn(2000, 16, generator=draw))
    queries = torch.nn.functional.normalize(torch.randn(10, 16, generator=draw)) * length
    found = NeighborSearch(gallery, similarity).nearest(queries, 10)  # type: ignore[arg-type]
    scores = scores_of(queries, gallery[None].expand(10, -1, -1), similarity)  # type: ignore[arg-type]
    order = scores.sort(dim=1, descending=True, stable=True)
    assert torch.equal(found[0], order.values[:, :10])
    assert torch.equal(found[1], order.indices[:, :10])


@needs_bytes
def test_bytes_are_made_when_they_pay_and_given_up_where_they_leave_much_open() -> None:
    draw = torch.Generator().manual_seed(0)
    rows = torch.nn.functional.normalize(torch.randn(room.LARGE, 32, generator=draw))
    searched = NeighborSearch(rows, "cosine")
    for _ in range(int(int8.PAYS / (0.5 + 1 / 32))):
        searched.nearest(rows[:1], 3)
        assert searched.int8.rows is None
    searched.nearest(rows[:1], 3)
    assert searched.int8.rows is not None
    alike = NeighborSearch(rows[:1] + 1e-5 * torch.randn(room.LARGE, 32, generator=draw), "cosine")
    for _ in range(4):
        alike.nearest(rows[:1000], 3)
    assert alike.int8.open == 1000, "then it was the float32 pass at once"
    assert NeighborSearch(rows[:100], "cosine").int8.saved == -torch.inf, "a small one is never worth it"


@given(st.integers(1, 40), st.integers(1, 12), st.integers(1, 5), st.integers(0, 10_000))
@settings(max_examples=60, deadline=None)
def test_equal_scores_come_in_order_of_position(count: int, k: int, values: int, seed: int) -> None:
    gallery = torch.from_numpy(np.random.default_rng(seed).integers(0, values, (count, 2))).float() * 1024
    scores, ids = nearest(gallery[:3], gallery, k, similarity="euclidean")
    nobody = torch.full((3,), -1)
    wanted = by_hand(gallery[:3], gallery, k, "euclidean", nobody, (nobody, torch.zeros(count)))
    assert ids.tolist() == wanted
    assert (scores[:, 0] == 0).all(), "a row of the gallery finds itself at distance 0 exactly"


def test_many_equal_rows_are_still_in_order() -> None:
    gallery = torch.ones(500, 3)
    _, ids = nearest(gallery[:2], gallery, 20, similarity="euclidean")
    assert ids.tolist() == [list(range(20))] * 2


def test_near_rows_far_from_the_origin_are_told_apart() -> None:
    # In float32 the usual |q|^2 + |g|^2 - 2 q g would lose these differences altogether.
    gallery = torch.full((40, 4), 1000.0) + torch.arange(40)[:, None] / 64  # exact in float32
    _, ids = nearest(gallery[20:21], gallery, 5, similarity="euclidean")
    assert ids[0].tolist() == [20, 19, 21, 18, 22]


@pytest.mark.parametrize(("queries", "gallery", "k", "message"), [
    (torch.ones(2, 3), torch.ones(2, 4), 1, "both must be"),
    (torch.ones(3), torch.ones(2, 3), 1, "both must be"),
    (torch.ones(2, 3), torch.ones(2, 3), 0, "k is 0; it must be at least 1"),
    (torch.tensor([[1.0], [torch.nan]]), torch.ones(2, 1), 1, "queries: 1 of 2 rows hold NaN or infinity, the first is row 1"),
    (torch.ones(2, 1), torch.tensor([[torch.inf], [1.0]]), 1, "gallery: 1 of 2 rows hold NaN"),
])  # fmt: skip
def test_bad_input_is_named(queries: Tensor, gallery: Tensor, k: int, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        nearest(queries, gallery, k, similarity="euclidean")


def test_no_query_and_more_than_there_is() -> None:
    scores, ids = nearest(torch.ones(0, 2), torch.ones(3, 2), 5, similarity="cosine")
    assert scores.shape == ids.shape == (0, 3)
    assert nearest(torch.ones(1, 2), torch.ones(3, 2), 5, similarity="cosine")[1].tolist() == [[0, 1, 2]]


def test_autocast_does_not_change_the_answer() -> None:
    rows = torch.randn(300, 16, generator=torch.Generator().manual_seed(0))
    wanted = nearest(rows, rows, 5, similarity="euclidean")[1]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(nearest(rows, rows, 5, similarity="euclidean")[1], wanted)


@pytest.mark.parametrize("first", ["float32", pytest.param("bytes", marks=needs_bytes)])
@pytest.mark.parametrize("similarity", ["euclidean", "cosine"])
def test_hidden_rows_are_never_found(first: str, similarity: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if first == "bytes":
        monkeypatch.setattr(room, "LARGE", 1)
        monkeypatch.setattr(int8, "PAYS", 0)
    monkeypatch.setattr(room, "GALLERY", 40)  # several blocks
    draw = torch.Generator().manual_seed(3)
    gallery, queries = torch.randn(150, 8, generator=draw), torch.randn(7, 8, generator=draw)
    whole = NeighborSearch(gallery, similarity)  # type: ignore[arg-type]
    nobody = torch.full((7,), -1)
    for hidden in ([0, 39, 40, 149], list(range(0, 150, 2)), list(range(148)), list(range(150))):
        groups = torch.zeros(7), torch.tensor([0 if row in hidden else 1 for row in range(150)])
        wanted = by_hand(queries, gallery, 5, similarity, nobody, groups)
        for form in (torch.tensor(hidden), torch.isin(torch.arange(150), torch.tensor(hidden))):
            scores, ids = whole.hiding(form).nearest(queries, 5)
            for row, expected in enumerate(wanted):
                assert ids[row].tolist() == expected + [-1] * (5 - len(expected))
                assert torch.isneginf(scores[row, len(expected) :]).all()
    assert torch.equal(whole.nearest(queries, 5)[1], NeighborSearch(gallery, similarity).nearest(queries, 5)[1])  # type: ignore[arg-type]
