"""Heads."""

import pytest
import torch

from omlzoo.errors import BadInput
from omlzoo.losses import HyperbolicContrastive
from omlzoo.ops.poincare import PoincareHead, to_ball


def test_the_poincare_head_is_a_layer_and_the_map() -> None:
    torch.manual_seed(0)
    head = PoincareHead(8, 5, curvature=0.3, clip=1.5)
    rows = torch.randn(4, 8)
    assert torch.allclose(head(rows), to_ball(head.linear(rows), 0.3, 1.5), atol=1e-6)
    product = head.linear.weight @ head.linear.weight.T
    assert torch.allclose(product, torch.eye(5), atol=1e-5)
    assert not [name for name, parameter in head.named_parameters() if parameter.requires_grad and "curvature" in name]
    with pytest.raises(BadInput, match="curvature is 0"):
        PoincareHead(8, 5, curvature=0)


def test_its_points_go_to_the_loss_and_the_curvature_can_be_learned() -> None:
    head = PoincareHead(8, 5, learn_curvature=True)
    points = head(torch.randn(8, 8))
    HyperbolicContrastive(clip=None)(points, torch.arange(4).repeat(2)).backward()
    assert torch.isfinite(head.log_curvature.grad)
    assert head.log_curvature.grad != 0
