"""Sums of exponentials over chosen pairs equal the loop."""

import math

import pytest
import torch

from omlzoo.ops.logsumexp import against_negatives, log_one_plus, log_sum_exp


@pytest.mark.parametrize("scale", [1.0, 200.0])
def test_each_positive_against_all_negatives(scale: float) -> None:
    logits = scale * torch.tensor([[0.5, -0.2, 0.1], [0.3, 0.4, -0.9]])
    positive = torch.tensor([[True, False, False], [True, True, True]])
    negative = torch.tensor([[False, True, True], [False, False, False]])
    found = against_negatives(logits, positive, negative)
    total = sum(math.exp(float(logits[0, i] - logits[0, 0])) for i in range(3))
    assert found[0].tolist() == pytest.approx([math.log(total), 0, 0], rel=1e-5)
    assert found[1].tolist() == [0, 0, 0]  # no negatives


def test_log_one_plus() -> None:
    values = torch.tensor([[1.0, 2.0, 500.0], [1.0, 2.0, 3.0]], requires_grad=True)
    chosen = torch.tensor([[True, True, True], [False, False, False]])
    found = log_one_plus(values, chosen)
    assert found.tolist() == pytest.approx([500.0, 0.0])
    found.sum().backward()
    assert torch.isfinite(values.grad).all()


def test_log_sum_exp_and_its_gradient_are_torch_s() -> None:
    values = torch.randn(4, 6, dtype=torch.float64).mul(30).requires_grad_()
    chosen = torch.rand(4, 6) < 0.6
    chosen[:, 0] = True
    expected = values.masked_fill(~chosen, -torch.inf).logsumexp(dim=1)
    found = log_sum_exp(values, chosen)
    torch.testing.assert_close(found, expected)
    weights = torch.randn(4, dtype=torch.float64)
    ours, theirs = (torch.autograd.grad((each * weights).sum(), values)[0] for each in (found, expected))
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(log_sum_exp(values), values.logsumexp(dim=1))


def test_none_chosen_has_no_gradient() -> None:
    values = torch.ones(2, 3, requires_grad=True)
    found = log_sum_exp(values, torch.tensor([[False] * 3, [True] * 3]))
    found.sum().backward()
    assert torch.isfinite(found).all()
    assert values.grad[0].tolist() == [0, 0, 0]
