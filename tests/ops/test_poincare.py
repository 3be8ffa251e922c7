"""Points and distances of the ball equal the formulas one reads, also near the boundary and in half precision."""

import json
import math

import pytest
import torch
from places import DATA

from omlzoo.ops.poincare import distances, to_ball


def test_the_map_is_the_exponential_at_zero() -> None:
    vectors = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    found = to_ball(vectors, curvature=0.1, clip=None)
    for vector, point in zip(vectors, found, strict=True):
        length = 0.1**0.5 * float(vector.norm())
        assert torch.allclose(point, math.tanh(length) * vector / length, atol=1e-6)
    short = to_ball(vectors, curvature=0.1, clip=0.5)
    assert torch.allclose(short, to_ball(0.5 * vectors / vectors.norm(dim=1, keepdim=True), 0.1, None), atol=1e-5)


def test_on_a_line_through_zero_distances_are_known() -> None:
    # From 0 to x the distance is 2 / sqrt(c) artanh(sqrt(c) |x|); along a line distances add.
    c = 0.5
    points = torch.tensor([[0.0, 0.0], [0.4, 0.0], [0.9, 0.0], [-0.3, 0.0]]).double()
    found = distances(points, points, c)
    to = [2 / c**0.5 * math.atanh(c**0.5 * x) for x in (0.0, 0.4, 0.9, -0.3)]
    wanted = torch.tensor([[abs(a - b) for b in to] for a in to]).double()
    assert torch.allclose(found, wanted, atol=1e-3)  # the authors' 1e-5 in the denominator is in ours too
    assert (found.diagonal() == 0).all()


def test_without_curvature_it_is_twice_the_euclidean_distance() -> None:
    left, right = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(1)).double()
    assert torch.allclose(distances(left, right, 1e-8), 2 * torch.cdist(left, right), rtol=1e-4)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("length", [1e-6, 1.0, 30.0, 1e4])
def test_gradients_are_finite_also_near_the_boundary(length: float, kind: torch.dtype) -> None:
    vectors = torch.randn(6, 4, generator=torch.Generator().manual_seed(2))
    vectors = (length * vectors / vectors.norm(dim=1, keepdim=True)).to(kind).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        points = to_ball(vectors, curvature=1.0, clip=None)
        found = distances(points, points, 1.0)
    assert points.norm(dim=1).max() <= 1 - 0.9e-3
    found.sum().backward()
    assert torch.isfinite(found).all()
    assert torch.isfinite(vectors.grad).all()


def test_points_and_distances_are_the_authors() -> None:
    cases = json.loads((DATA / "authors_losses.json").read_text())["cases"]
    case = next(case for case in cases if case["name"] == "hyp_metric_ball")
    v, w = (torch.tensor(case["inputs"][name], dtype=torch.float64) for name in "vw")
    out = {name: torch.tensor(values, dtype=torch.float64) for name, values in case["outputs"].items()}
    points = to_ball(v, 0.1, 2.3), to_ball(w, 0.1, 2.3)
    assert torch.allclose(points[0], out["to_poincare_v"], atol=1e-7)
    assert torch.allclose(points[1], out["to_poincare_w"], atol=1e-7)
    assert torch.allclose(distances(*points, 0.1), out["dist_matrix"], atol=1e-6)
    assert torch.allclose(distances(points[0], points[0], 0.1), out["dist_matrix_self_v"], atol=1e-6)
