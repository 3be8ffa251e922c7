"""Counts of pairs equal a loop over all of them, whichever way they are counted."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from omlzoo.errors import BadInput
from omlzoo.metrics import _pair_curve
from omlzoo.metrics._pair_curve import pair_curve, pairs_by_label
from omlzoo.metrics._selection import Selection, select

COUNT = 150
VECTORS = torch.randn(COUNT, 5, generator=torch.Generator().manual_seed(0))
RANDOM = np.random.default_rng(0)
LABELS = RANDOM.integers(0, 12, COUNT)
ROWS = {"all": None, "half": np.arange(COUNT) % 2 == 0}
SEQUENCES = {"none": None, "within a label": LABELS * 3 + np.arange(COUNT) % 3, "across": RANDOM.integers(0, 9, COUNT)}


def loop(chosen: Selection) -> tuple[list[float], list[float]]:
    same, other = [], []
    for query, row in product(chosen.queries.tolist(), chosen.gallery.tolist()):
        if query == row or (chosen.symmetric and row < query):
            continue
        if chosen.sequences is not None and chosen.sequences[query] == chosen.sequences[row] >= 0:
            continue
        kind = same if chosen.labels[query] == chosen.labels[row] else other
        kind.append(float((VECTORS[query].double() - VECTORS[row].double()).norm()))
    return sorted(same), sorted(other)


@pytest.mark.parametrize("sequences", SEQUENCES)
@pytest.mark.parametrize("queries", ROWS)
@pytest.mark.parametrize("block", [(512, 4096), (16, 48)])
def test_a_curve_counts_the_pairs_of_a_loop(
    queries: str, sequences: str, block: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_pair_curve, "ROWS", block[0])
    monkeypatch.setattr(_pair_curve, "COLUMNS", block[1])
    chosen = select(COUNT, LABELS, ROWS[queries], None, SEQUENCES[sequences])
    same, other = loop(chosen)
    exact = pair_curve(VECTORS, chosen)
    monkeypatch.setattr(_pair_curve, "EXACT", 0)
    binned = pair_curve(VECTORS, chosen)
    assert exact.exact
    assert not binned.exact
    for curve, slack in ((exact, 1e-6), (binned, 1e-4)):
        assert (curve.same[-1], curve.other[-1]) == (len(same), len(other))
        for counts, wanted in ((curve.same, same), (curve.other, other)):
            low = np.searchsorted(wanted, curve.distances - slack, side="right")
            high = np.searchsorted(wanted, curve.distances + slack, side="right")
            assert ((low <= counts) & (counts <= high)).all()
    for rate in (0.0, 0.01, 0.4, 1.0):
        wanted_distance = float(np.quantile(other, rate))
        assert exact.distance_at_far(rate) == pytest.approx(wanted_distance, rel=1e-6)
        found = binned.nearer(binned.distance_at_far(rate))[0]
        assert abs(found - np.mean(np.array(same) < wanted_distance)) <= binned.resolution(wanted_distance) + 1e-9


def test_pairs_by_label_are_those_of_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pair_curve, "ROWS", 32)
    monkeypatch.setattr(_pair_curve, "COLUMNS", 64)
    edges = np.linspace(1, 4, 7)
    same, other = pairs_by_label(VECTORS, LABELS, edges)
    apart = torch.cdist(VECTORS.double(), VECTORS.double()).numpy()
    for label in range(12):
        mine = np.flatnonzero(label == LABELS)
        for place, edge in enumerate([*edges, np.inf]):
            near = [(a, b) for a in mine for b in range(COUNT) if a != b and apart[a, b] <= edge]
            assert same[label, place] == sum(LABELS[b] == label for _, b in near)
            assert other[label, place] == sum(LABELS[b] != label for _, b in near)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 10))
def test_neither_order_nor_scale_changes_shares(seed: int, scale: float) -> None:
    random = np.random.default_rng(seed)
    order = random.permutation(COUNT)
    plain = pair_curve(VECTORS, select(COUNT, LABELS))
    moved = pair_curve(VECTORS[torch.from_numpy(order)] * scale, select(COUNT, LABELS[order]))
    for rate in (0.01, 0.2):
        assert moved.distance_at_far(rate) == pytest.approx(plain.distance_at_far(rate) * scale, rel=1e-5)
        ours, theirs = (each.nearer(each.distance_at_far(rate) * (1 + 1e-6))[0] for each in (plain, moved))
        assert abs(ours - theirs) < 0.005


@pytest.mark.parametrize(("labels", "message"), [
    (np.arange(COUNT), "there is no pair of one label"), (np.zeros(COUNT, int), "there is no pair of two labels"),
])  # fmt: skip
def test_both_kinds_of_pairs_are_needed(labels: np.ndarray, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        pair_curve(VECTORS, select(COUNT, labels))


def test_collapsed_rows_are_all_at_distance_0(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pair_curve, "EXACT", 0)
    curve = pair_curve(torch.zeros(COUNT, 5), select(COUNT, LABELS))
    assert len(curve.distances) == 1
    assert curve.distances[0] < 1e-15
