"""Objects of users as texts: equal where they hold the same, different where they do not, and said where nobody knows."""

import functools
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from omlzoo.losses import SupConLoss, TripletLoss
from omlzoo.miners import AllTriplets
from omlzoo.training.part_identity import describe


class Margin:
    """A callable with a plain setting, and one that is not."""

    def __init__(self, margin: float, table: Any = None) -> None:
        self.margin, self.table = margin, table


def doubled(x: Tensor) -> Tensor:
    return 2 * x


def test_an_object_is_the_call_that_makes_it_and_a_digest() -> None:
    text = describe(SupConLoss(0.2)).text
    assert text.startswith("omlzoo.losses.supcon:SupConLoss(temperature=0.2, gather=False)#")
    assert describe(SupConLoss(0.2)).text == text
    assert describe(doubled).text == f"{__name__}:doubled"
    assert describe(SupConLoss).text == "omlzoo.losses.supcon:SupConLoss"


@pytest.mark.parametrize(("one", "other"), [
    (lambda: SupConLoss(0.2), lambda: SupConLoss(0.3)),
    (lambda: TripletLoss(), lambda: TripletLoss(miner=AllTriplets())),  # its miner is no plain value
    (lambda: Margin(1.0), lambda: Margin(2.0)),
    (lambda: Margin(1.0, np.arange(3)), lambda: Margin(1.0, np.arange(3) + 1)),
    (lambda: Margin(1.0, torch.arange(3)), lambda: Margin(1.0, torch.arange(4))),
    (lambda: Margin(1.0, {"a": {1, 2}}), lambda: Margin(1.0, {"a": {1, 3}})),
    (lambda: Margin(1.0, doubled), lambda: Margin(1.0, torch.relu)),
    (lambda: functools.partial(doubled, 1), lambda: functools.partial(doubled, 2)),
    (lambda: nn.Linear(2, 3), lambda: nn.Linear(2, 4)),
], ids=range(9))  # fmt: skip
def test_other_objects_have_other_texts(one: Any, other: Any) -> None:
    assert describe(one()).text == describe(one()).text
    assert describe(one()).text != describe(other()).text
    assert not describe(one()).why


def test_values_of_parameters_are_those_of_the_saved_state_not_of_the_text() -> None:
    first, second = nn.Linear(2, 3), nn.Linear(2, 3)
    assert not torch.equal(first.weight, second.weight)
    assert describe(first).text == describe(second).text


@pytest.mark.parametrize(("thing", "why"), [
    (lambda x: x, "a lambda"),
    (Margin(1.0, lambda x: x), "a lambda"),
    (Margin(1.0, np.random.default_rng(0)), "it holds a numpy"),
])  # fmt: skip
def test_what_cannot_be_told_is_said(thing: Any, why: str) -> None:
    assert why in describe(thing).why


def test_an_object_that_holds_itself_has_a_text() -> None:
    thing = Margin(1.0)
    thing.table = [thing]
    assert describe(thing).text == describe(thing).text


def test_nothing_but_plain_arguments_is_written_out() -> None:
    text = describe(Margin(float("nan"), "x" * 500)).text
    assert text.startswith(f"{__name__}:Margin()#")
