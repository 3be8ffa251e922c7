"""Average precision over the whole gallery equals a loop, in blocks too."""

import numpy as np
import pytest
import torch

from omlzoo.metrics import _average_precision
from omlzoo.metrics._average_precision import average_precision
from omlzoo.metrics._selection import select


@pytest.mark.parametrize("few", [24, 1])
@pytest.mark.parametrize("numbers", [1 << 22, 200])
def test_it_is_the_mean_precision_at_every_relevant_row(
    numbers: int, few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_average_precision, "NUMBERS", numbers)
    monkeypatch.setattr(_average_precision, "FEW", few)
    random = np.random.default_rng(3)
    vectors = torch.from_numpy(random.integers(0, 3, (60, 2)).astype(np.float32))  # many are equally far
    labels, cameras = random.integers(0, 6, 60), random.integers(0, 3, 60)
    chosen = select(60, labels, random.random(60) < 0.6, random.random(60) < 0.8, cameras=cameras)
    expected: dict[int, tuple[float, float]] = {}
    for query in chosen.queries.tolist():
        rows = [
            g
            for g in chosen.gallery
            if g != query and not (labels[g] == labels[query] and cameras[g] == cameras[query])
        ]
        far = {g: float((vectors[g] - vectors[query]).square().sum()) for g in rows}
        relevant = [g for g in rows if labels[g] == labels[query]]
        at = [
            sum(far[g] <= far[r] for g in relevant) / sum(far[g] <= far[r] for g in rows)
            for r in sorted(relevant, key=lambda g: far[g])
        ]
        if at:
            expected[query] = (float(np.mean(at)), at[-1])
    assert len(expected) > 20
    found = average_precision(vectors, chosen, np.array(list(expected)))
    np.testing.assert_allclose(np.stack(found, axis=1), list(expected.values()), rtol=1e-12)
