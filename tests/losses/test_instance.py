"""The instance loss is the paper's shared softmax over instances."""

import math

import pytest
import torch

from omlzoo.errors import BadInput
from omlzoo.losses import InstanceLoss


@pytest.mark.parametrize("seed", range(3))
def test_it_equals_the_loop(seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    pictures, texts = torch.randn(2, 4, 6, generator=draw, dtype=torch.float64)
    labels, loss = torch.tensor([2, 0, 4, 2]), InstanceLoss(6, 5).double()
    w = loss.weight.tolist()
    values = []
    for tower in (pictures, texts):  # one W for both
        for x, label in zip(tower.tolist(), labels.tolist(), strict=True):
            scores = [sum(a * b for a, b in zip(x, row, strict=True)) for row in w]
            values.append(math.log(sum(map(math.exp, scores))) - scores[label])
    both = torch.cat([pictures, texts]).requires_grad_()
    found = loss(both, labels.repeat(2))
    found.backward()
    assert found.item() == pytest.approx(sum(values) / 8, rel=1e-6)
    shares = (both.detach() @ loss.weight.detach().T).softmax(dim=1)
    error = shares - torch.nn.functional.one_hot(labels.repeat(2), 5)
    assert torch.allclose(both.grad, error @ loss.weight.detach() / 8, rtol=1e-6, atol=1e-9)
    assert torch.allclose(loss.weight.grad, error.T @ both.detach() / 8, rtol=1e-6, atol=1e-9)


def test_bad_sizes_and_what_it_has_no_use_for_are_refused() -> None:
    with pytest.raises(BadInput, match="dim 6 and n_labels 0 must be 1 or more"):
        InstanceLoss(6, 0)
    rows, labels = torch.randn(4, 6), torch.arange(4)
    with pytest.raises(BadInput, match="takes no references"):
        InstanceLoss(6, 4)(rows, labels, rows, labels)
    with pytest.raises(BadInput, match="is not computed over chosen pairs"):
        InstanceLoss(6, 4)(rows, labels, (labels[:1],) * 3)
