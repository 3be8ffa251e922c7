"""Vectors of another L2 norm than 1 are found, given one, and said where rounding does not explain it."""

import warnings

import numpy as np
import pytest

from omlzoo.embedding.unit_length import make_unit, not_unit
from omlzoo.errors import OmlzooWarning


def test_rows_of_another_norm_are_found_and_scaled_and_the_vectors_stay() -> None:
    vectors = np.array([[3, 4], [0.6, 0.8], [0, 0], [np.nan, np.nan], [3e-30, 4e-30], [3e30, 4e30]], dtype=np.float32)
    before = vectors.copy()
    with pytest.warns(OmlzooWarning, match="^here: 3 vectors have other L2 norms than 1, the first 5, though"):
        rows, found = not_unit(vectors, "here")
    assert rows.tolist() == [0, 2, 4, 5]
    assert found == pytest.approx(np.array([[0.6, 0.8], [0, 0], [0.6, 0.8], [0.6, 0.8]]), rel=1e-6)
    assert np.array_equal(vectors, before, equal_nan=True)


def test_what_rounding_explains_is_scaled_and_not_said() -> None:
    vectors = np.array([[0.61, 0.8], [0.6, 0.8]], dtype=np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rows, found = not_unit(vectors, "here")
        make_unit(longer := vectors[:1] * np.float32(1.2), "here", rounding=0.25)
        assert np.allclose(np.linalg.norm(longer, axis=1), 1)
    assert rows.tolist() == [0]
    assert np.linalg.norm(found) == pytest.approx(1)


@pytest.mark.parametrize("block", [4, 1 << 20])
def test_rows_are_scaled_in_place_a_block_at_a_time(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("omlzoo.embedding.unit_length.BLOCK", block)
    vectors = np.array([[1, 0], [0, 2], [0, 0], [np.nan, 1], [0.995, 0], [3, 4]], dtype=np.float32)
    with pytest.warns(OmlzooWarning, match="here: 2 vectors have other L2 norms than 1, the first 2, though"):
        make_unit(vectors, "here")
    wanted = np.array([[1, 0], [0, 1], [0, 0], [np.nan, 1], [1, 0], [0.6, 0.8]])
    assert np.allclose(vectors, wanted, equal_nan=True)
