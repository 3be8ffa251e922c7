"""Inner products of bytes are off by no more than they say."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from omlzoo.ops.int8 import Int8Rows, multiplies_bytes

pytestmark = pytest.mark.skipif(not multiplies_bytes(), reason="the processor does not multiply bytes (VNNI)")


@given(st.integers(1, 40), st.integers(1, 40), st.floats(1e-3, 1e3), st.integers(0, 10_000))
@settings(max_examples=150, deadline=None)
def test_the_margin_holds_for_every_pair(rows: int, dim: int, size: float, seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    gallery = torch.randn(rows, dim, generator=draw) * size * torch.rand(rows, 1, generator=draw)
    queries = torch.randn(5, dim, generator=draw)
    queries[0] = 0
    coarse = Int8Rows(gallery)
    found, scales = coarse.of(queries)
    whole = coarse.products(found, 0, rows, torch.empty(5, rows, dtype=torch.int32))
    off = (whole * (scales * coarse.scale) - queries.double() @ gallery.double().T).abs()
    rounding = 1e-5 * queries.norm(dim=1, keepdim=True) * gallery.norm(dim=1)
    assert (off <= coarse.margin(queries)[:, None] + rounding).all()


def test_rows_of_nothing_are_no_trouble() -> None:
    coarse = Int8Rows(torch.zeros(4, 8))
    assert coarse.error == 0
    assert coarse.margin(torch.ones(2, 8)).tolist() == [0, 0]
