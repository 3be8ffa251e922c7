"""Positions for other sizes; against the authors' rules in test_models.py and test_exactness.py."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from omlzoo.errors import BadInput
from omlzoo.models._positions import patch_grid, resize_positions, trained_grid


@given(rows=st.integers(1, 12), columns=st.integers(1, 12), resizing=st.sampled_from(["offset", "ratio", "antialias"]))
def test_equal_positions_stay_equal_on_every_grid(rows: int, columns: int, resizing: str) -> None:
    positions = torch.full((1, 36, 3), 0.7)
    found = resize_positions(positions, 6, (rows, columns), resizing)  # type: ignore[arg-type]
    assert found.shape == (1, rows * columns, 3)
    assert torch.allclose(found, torch.tensor(0.7), atol=1e-5)


def test_the_trained_grid_is_left_alone() -> None:
    positions = torch.randn(1, 36, 3)
    assert resize_positions(positions, 6, (6, 6), "offset") is positions


def test_a_grid_that_is_no_square_keeps_its_rows_and_columns() -> None:
    assert (trained_grid((256, 128), 16), trained_grid(224, 16)) == ((16, 8), (14, 14))
    rows = torch.arange(4.0)[None, :, None].expand(4, 4, 2).permute(1, 2, 0).reshape(1, 8, 4)  # row 0 to 3, two columns
    assert resize_positions(rows, (4, 2), (4, 2), "antialias") is rows
    doubled = resize_positions(rows, (4, 2), (4, 6), "antialias")
    assert torch.allclose(doubled.view(4, 6, 4), rows.view(4, 2, 4)[:, :1].expand(4, 6, 4), atol=1e-5)


def test_sides_that_are_no_multiples_are_refused_with_the_nearest() -> None:
    assert patch_grid(torch.empty(1, 3, 32, 48), 16) == (2, 3)
    with pytest.raises(BadInput, match=r"33 x 75 pixels; .* image_size=\(32, 80\)"):
        patch_grid(torch.empty(1, 3, 33, 75), 16)
