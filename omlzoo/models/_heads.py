"""Heads that only training has: projectors and predictors over embeddings, and prototypes."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

__all__ = ["LastNorm", "Perceptron", "PrototypeHead"]

LastNorm = Literal["none", "affine", "gain", "plain"]


class Perceptron(nn.Module):
    """Linear layers with a batch norm and an activation after each but the last.

    Args:
        widths: The dimension of the input, of each hidden layer, and of the output; two or more.
        norm: Whether hidden layers have a batch norm.
        last_norm: Batch norm after the last layer: "none", "affine", "gain" (without an offset) or "plain" (neither).
        bias: Whether hidden layers have a bias.
        last_bias: Whether the last layer has one.
        activation: The activation of hidden layers.
        deviation: Weights are drawn from a normal distribution of this standard deviation, cut off at 2 on both sides,
            and biases are 0; None leaves torch's initialisation.

    Attributes:
        layers: The layers in order; the first hidden layer with its norm and activation comes first.
    """

    def __init__(
        self, widths: Sequence[int], *, norm: bool = True, last_norm: LastNorm = "none", bias: bool = False,
        last_bias: bool = False, activation: type[nn.Module] = nn.ReLU, deviation: float | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        layers: list[nn.Module] = []
        for given, hidden in pairwise(widths[:-1]):
            layers += [nn.Linear(given, hidden, bias=bias), *([nn.BatchNorm1d(hidden)] if norm else []), activation()]
        layers.append(nn.Linear(widths[-2], widths[-1], bias=last_bias))
        if last_norm != "none":
            layers.append(nn.BatchNorm1d(widths[-1], affine=last_norm != "plain"))
        if last_norm == "gain":
            layers[-1].bias.requires_grad_(False)
        self.layers = nn.Sequential(*layers)
        if deviation is not None:
            for layer in layers:
                if isinstance(layer, nn.Linear):
                    nn.init.trunc_normal_(layer.weight, std=deviation)
                    if layer.bias is not None:
                        nn.init.zeros_(layer.bias)

    def forward(self, embeddings: Tensor) -> Tensor:
        projected: Tensor = self.layers(embeddings)
        return projected


class PrototypeHead(nn.Module):
    """The head of DINO (arXiv 2104.14294): a perceptron, L2 norm 1, and the cosines to prototypes.

    The last layer of the authors is a linear layer with weight norm. With its gains frozen at 1 its outputs are these
    cosines, so the rows of the weight are normalised here and gains exist only where they are trained.

    Args:
        widths: The dimension of the input, of the hidden layers, and of the bottleneck.
        prototypes: K, the number of prototypes.
        norm: Whether hidden layers have a batch norm; the authors have none for transformers.
        gains: Whether each prototype has a gain that is trained.
        beside: Whether the input follows the cosines in the output, (B, K + width), for terms over embeddings.
    """

    def __init__(
        self, widths: Sequence[int], prototypes: int, norm: bool = False, gains: bool = False, beside: bool = False
    ) -> None:
        super().__init__()
        self.perceptron = Perceptron(widths, norm=norm, bias=True, last_bias=True, activation=nn.GELU, deviation=0.02)
        self.prototypes = nn.Parameter(torch.empty(prototypes, widths[-1]))
        nn.init.kaiming_uniform_(self.prototypes, a=5**0.5)
        self.gains = nn.Parameter(torch.ones(prototypes)) if gains else None
        self.beside = beside

    def forward(self, embeddings: Tensor) -> Tensor:
        narrow = self.perceptron(embeddings)
        with torch.autocast(narrow.device.type, enabled=False):
            unit = nn.functional.normalize(narrow.float() if narrow.dtype.itemsize < 4 else narrow, dim=1)
        cosines = nn.functional.linear(unit.to(narrow.dtype), nn.functional.normalize(self.prototypes, dim=1))
        if self.gains is not None:
            cosines = cosines * self.gains
        return torch.cat([cosines, embeddings.to(cosines.dtype)], dim=1) if self.beside else cosines
