"""Hits of known and unknown queries are those of a loop, for even and uneven labels, bursts, and flags."""

from typing import Any

import numpy as np
import pytest
import torch

from omlzoo.errors import BadInput
from omlzoo.evaluation.query_hits import HITS, QueryHits
from omlzoo.metrics import _large_labels
from omlzoo.metrics._selection import select

COUNT = 90
RANDOM = np.random.default_rng(0)
VECTORS = RANDOM.normal(size=(COUNT, 6)).astype(np.float32)
LABELS = np.r_[np.zeros(40, int), 1 + np.arange(50) // 5]
FLAGS: dict[str, dict[str, Any]] = {
    "all": {}, "split": {"is_query": np.arange(COUNT) % 3 > 0, "is_gallery": np.arange(COUNT) % 4 > 0},
    "bursts": {"sequences": [None if row % 5 == 0 else row // 3 for row in range(COUNT)]},
}  # fmt: skip


@pytest.mark.parametrize("counted", [0.0, 1e9])
@pytest.mark.parametrize("flags", FLAGS)
def test_hits_are_those_of_a_loop(flags: str, counted: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_large_labels, "COUNTED", counted)
    chosen = select(COUNT, LABELS, **FLAGS[flags])
    found = QueryHits(torch.from_numpy(VECTORS), chosen)
    bursts = np.full(COUNT, -1) if chosen.sequences is None else chosen.sequences
    apart = np.linalg.norm(VECTORS[:, None].astype(float) - VECTORS[None], axis=2)
    for place, query in enumerate(chosen.queries):
        rows = [g for g in chosen.gallery if g != query and not (bursts[g] == bursts[query] >= 0)]
        rows.sort(key=lambda g: apart[query, g])
        np.testing.assert_allclose(found.distances[place], apart[query, rows[:HITS]], rtol=1e-5)
        assert found.labels_right[place].tolist() == [LABELS[g] == LABELS[query] for g in rows[:HITS]]
        strangers = sorted(apart[query, g] for g in chosen.gallery if LABELS[g] != LABELS[query])
        assert found.first.unknown[place] == pytest.approx(strangers[0], rel=1e-5)


def test_a_gallery_of_one_label_is_refused() -> None:
    with pytest.raises(BadInput, match="nothing is left to be taken for it"):
        QueryHits(torch.from_numpy(VECTORS), select(COUNT, np.zeros(COUNT, int)))
