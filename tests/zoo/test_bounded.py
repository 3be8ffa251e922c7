"""More numbers than a model of so many parameters can have end its building."""

import pytest
import torch
from torch import nn

from omlzoo.errors import BadEntry
from omlzoo.zoo import bounded
from omlzoo.zoo.bounded import Bounded


def test_the_limit_is_twice_the_parameters_and_some_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "SLACK", 100)
    with Bounded(1000, blank=True):
        nn.Linear(99, 20)  # 2,000 numbers
        torch.zeros(100)
    with (
        Bounded(1000, blank=False),
        pytest.raises(BadEntry, match="params is 1,000; the arguments of the architecture need far more"),
    ):
        nn.Linear(100, 21)
