"""Positions for other sizes; against the authors' rules in test_models.py and test_exactness.py."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from omlzoo.errors import BadInput
from omlzoo.models._positions import patch_grid, resize_positions


@given(rows=st.integers(1, 12), columns=st.integers(1, 12), resizing=st.sampled_from(["offset", "ratio", "antialias"]))
def test_equal_positions_stay_equal_on_every_grid(rows: int, columns: int, resizing: str) -> None:
    positions = torch.full((1, 36, 3), 0.7)
    found = resize_positions(positions, 6, (rows, columns), resizing)  # type: ignore[arg-type]
    assert found.shape == (1, rows * columns, 3)
    assert torch.allclose(found, torch.tensor(0.7), atol=1e-5)


def test_the_trained_grid_is_left_alone() -> None:
    positions = torch.randn(1, 36, 3)
    assert resize_positions(positions, 6, (6, 6), "offset") is positions


def test_sides_that_are_no_multiples_are_refused_with_the_nearest() -> None:
    assert patch_grid(torch.empty(1, 3, 32, 48), 16) == (2, 3)
    with pytest.raises(BadInput, match=r"33 x 75 pixels; .* image_size=\(32, 80\)"):
        patch_grid(torch.empty(1, 3, 33, 75), 16)
