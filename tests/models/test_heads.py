"""Heads: their layers in order, what is frozen, and the cosines of prototypes."""

import pytest
import torch
from torch import nn

from omlzoo.models._heads import Perceptron, PrototypeHead


@pytest.mark.parametrize(("settings", "kinds"), [
    ({}, ["Linear", "BatchNorm1d", "ReLU", "Linear"]),
    ({"norm": False, "activation": nn.GELU}, ["Linear", "GELU", "Linear"]),
    ({"last_norm": "plain"}, ["Linear", "BatchNorm1d", "ReLU", "Linear", "BatchNorm1d"]),
])  # fmt: skip
def test_layers_in_order(settings: dict, kinds: list[str]) -> None:
    head = Perceptron([4, 6, 3], **settings)
    assert [type(layer).__name__ for layer in head.layers] == kinds
    assert head(torch.randn(5, 4)).shape == (5, 3)


def test_biases_where_they_are_asked_for() -> None:
    linear = [each for each in Perceptron([4, 6, 6, 3], bias=True).layers if isinstance(each, nn.Linear)]
    assert [layer.bias is not None for layer in linear] == [True, True, False]
    assert Perceptron([4, 3], last_bias=True).layers[0].bias is not None


def test_the_last_norm_has_what_it_says() -> None:
    found = {name: Perceptron([4, 3], last_norm=name).layers[-1] for name in ("affine", "gain", "plain")}
    assert found["plain"].weight is None
    assert [found["affine"].bias.requires_grad, found["gain"].bias.requires_grad] == [True, False]
    assert found["gain"].weight.requires_grad
    assert torch.equal(found["gain"].bias, torch.zeros(3))


def test_weights_are_drawn_with_the_deviation() -> None:
    torch.manual_seed(0)
    layer = Perceptron([300, 300], deviation=0.01, last_bias=True).layers[0]
    assert layer.weight.std().item() == pytest.approx(0.01, rel=0.02)
    assert not layer.bias.any()


def test_prototypes_give_cosines() -> None:
    head = PrototypeHead([4, 6, 6, 3], 5).double()
    given = torch.randn(7, 4, dtype=torch.float64)
    narrow = head.perceptron(given)
    wanted = [[float(row @ p / row.norm() / p.norm()) for p in head.prototypes] for row in narrow]
    assert torch.allclose(head(given), torch.tensor(wanted, dtype=torch.float64))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.allclose(head.float()(given.float()).float(), torch.tensor(wanted), atol=0.03)


def test_gains_multiply_and_the_embedding_may_stand_beside() -> None:
    torch.manual_seed(0)
    plain = PrototypeHead([4, 6, 3], 5)
    torch.manual_seed(0)
    both = PrototypeHead([4, 6, 3], 5, gains=True, beside=True)
    both.gains.data.fill_(2)
    given = torch.randn(7, 4)
    assert torch.equal(both(given), torch.cat([2 * plain(given), given], dim=1))
