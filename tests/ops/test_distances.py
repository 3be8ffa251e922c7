"""Distances are exact in float32, safe at zero, and never in half precision."""

import pytest
import torch

from omlzoo.ops.distances import cosine, euclidean


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_equals_the_loop(scale: float) -> None:
    draw = torch.Generator().manual_seed(0)
    left, right = torch.randn(5, 7, generator=draw) * scale, torch.randn(4, 7, generator=draw) * scale
    wanted = [[sum((float(a) - float(b)) ** 2 for a, b in zip(x, y, strict=True)) ** 0.5 for y in right] for x in left]
    assert torch.allclose(euclidean(left, right).double(), torch.tensor(wanted, dtype=torch.float64), rtol=1e-6)


def test_near_rows_far_from_the_origin_keep_their_distance() -> None:
    left = torch.full((1, 4), 1000.0)
    assert euclidean(left, left + 0.25).item() == pytest.approx(0.5, rel=1e-6)


def test_equal_rows_have_distance_and_gradient_zero() -> None:
    rows = torch.randn(6, 16).repeat(2, 1).requires_grad_()
    distances = euclidean(rows, rows)
    assert (distances.diagonal() == 0).all()
    assert (distances[:6, 6:].diagonal() == 0).all()
    distances.diagonal().sum().backward()
    assert (rows.grad == 0).all()


def test_gradient_is_right() -> None:
    rows = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    others = torch.randn(4, 3, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda x: euclidean(x, others), rows)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_half_precision_is_computed_in_float32(kind: torch.dtype) -> None:
    rows = torch.randn(6, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = euclidean(rows.to(kind), rows.to(kind))
    assert found.dtype == torch.float32
    assert torch.equal(found, euclidean(rows.to(kind).float(), rows.to(kind).float()))


@pytest.mark.parametrize("size", [1e-38, 1e-25, 1e-12, 1e20])
def test_distances_and_cosines_of_every_size(size: float) -> None:
    rows = (torch.randn(5, 8, dtype=torch.float64) * size).float()
    wanted = (rows.double()[:, None] - rows.double()[None]).norm(dim=2)
    torch.testing.assert_close(euclidean(rows, rows[:3]).double(), wanted[:, :3], rtol=1e-6, atol=0)
    unit = rows.double() / rows.double().norm(dim=1, keepdim=True)
    torch.testing.assert_close(cosine(rows, rows).double(), unit @ unit.T, rtol=0, atol=1e-6)
