"""Normalization with a gradient is torch's, and short rows have none."""

import numpy as np
import pytest
import torch

from omlzoo.ops.directions import directions
from omlzoo.ops.unit_rows import normalize


def rows(size: float) -> np.ndarray:
    draw = np.random.default_rng(0).normal(size=(6, 16))
    return (draw / np.abs(draw).max() * size).astype(np.float32)


def test_normalize_and_its_gradient_are_torchs() -> None:
    given = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(normalize, given)
    torch.testing.assert_close(normalize(given), torch.nn.functional.normalize(given))
    large = (given.detach() * 1e25).requires_grad_()
    normalize(large)[:, 0].sum().backward()
    normalize(given)[:, 0].sum().backward()
    torch.testing.assert_close(large.grad * 1e25, given.grad)


@pytest.mark.parametrize("short", [0.0, 1e-13, 1e-30])
def test_short_rows_have_no_gradient(short: float) -> None:
    given = torch.tensor([[short, 0.0], [3.0, 4.0]], requires_grad=True)
    normalize(given).sum().backward()
    assert normalize(given).tolist() == [[float(short > 0), 0], [pytest.approx(0.6), pytest.approx(0.8)]]
    assert given.grad[0].tolist() == [0, 0]


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_half_precision_keeps_its_kind(kind: torch.dtype) -> None:
    given = torch.from_numpy(rows(60_000.0)).to(kind).requires_grad_()
    found = normalize(given)
    found.sum().backward()
    assert (found.dtype, given.grad.dtype) == (kind, kind)
    torch.testing.assert_close(found.float(), torch.from_numpy(directions(rows(1))), rtol=0, atol=1e-2)
