"""A projection is a weight and a bias, and says what it is for."""

import torch

from omlzoo.models._linear_map import Projection


def test_it_holds_what_it_was_given() -> None:
    found = Projection(torch.ones(2, 3), torch.zeros(2))
    assert found.weight.shape == (2, 3)
    assert not found.unit
