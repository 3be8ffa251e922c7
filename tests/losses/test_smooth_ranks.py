"""Smooth ranks equal the loop, whole and in parts."""

import math

import pytest
import torch

from omlzoo.losses import _smooth_ranks
from omlzoo.losses._smooth_ranks import smooth_ranks


def test_they_equal_the_loop_and_are_the_same_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = torch.Generator().manual_seed(0)
    similarity = torch.rand(4, 7, generator=draw).double().requires_grad_()
    counted = torch.rand(4, 7, generator=draw) > 0.4
    rows, columns = torch.tensor([0, 0, 3, 2]), torch.tensor([1, 5, 6, 0])
    found = smooth_ranks(similarity, rows, columns, 0.1, counted)
    for number, (a, x) in enumerate(zip(rows.tolist(), columns.tolist(), strict=True)):
        terms = [1 / (1 + math.exp(-(float(similarity[a, i]) - float(similarity[a, x])) / 0.1)) for i in range(7)]
        assert found[number, 0].item() == pytest.approx(sum(terms))
        assert found[number, 1].item() == pytest.approx(sum(t for i, t in enumerate(terms) if counted[a, i]))
    assert torch.equal(smooth_ranks(similarity, rows, columns, 0.1), found[:, 0])
    (wanted,) = torch.autograd.grad(found.sum(), similarity)
    monkeypatch.setattr(_smooth_ranks, "CELLS", 7)
    parts = smooth_ranks(similarity, rows, columns, 0.1, counted)
    assert torch.equal(parts, found)
    assert torch.allclose(torch.autograd.grad(parts.sum(), similarity)[0], wanted)


def test_no_pairs_give_no_ranks() -> None:
    none = torch.empty(0, dtype=torch.long)
    assert smooth_ranks(torch.zeros(2, 3), none, none, 0.1).shape == (0,)
    assert smooth_ranks(torch.zeros(2, 3), none, none, 0.1, torch.ones(2, 3, dtype=torch.bool)).shape == (0, 2)
