"""Every backend answers as the exact loop does where it promises to."""

import numpy as np
import pytest

from omlzoo import catalog

BACKENDS = sorted(catalog.names("index"))


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("similarity", ["cosine", "euclidean"])
def test_finds_the_nearest_and_leaves_out_itself(name: str, similarity: str) -> None:
    vectors = np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    backend = catalog.find("index", name)(vectors, similarity)
    scores, ids = backend.search(vectors[:5], 3)
    assert ids[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert scores[:, 0].tolist() == pytest.approx([1 if similarity == "cosine" else 0] * 5, abs=1e-6)
    assert backend.search(vectors[:5], 3, np.arange(5))[1][:, :2].tolist() == ids[:, 1:].tolist()
