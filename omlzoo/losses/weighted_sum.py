"""A weighted sum of several losses."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from omlzoo.catalog import described
from omlzoo.errors import BadInput

__all__ = ["WeightedSum"]


class WeightedSum(nn.Module):
    """The sum of several losses times their weights; all are called with the same arguments.

    ``WeightedSum({SupConLoss(): 1.0, ThresholdConsistentMargin(): 0.5})``

    Args:
        losses: The weight of each loss, 0 or more. Any modules that are called as losses are can be used.

    Attributes:
        losses: The losses; their parameters are parameters of this module.
        stats: The numbers of each loss, named "<class>.<name>", and its value as "<class>.value"; classes that occur
            more than once are numbered. "empty_batches" is the smallest number of empty batches of a loss.
    """

    def __init__(self, losses: Mapping[nn.Module, float]) -> None:
        super().__init__()
        if not losses:
            raise BadInput("losses is empty; give at least one loss with its weight")
        for loss, weight in losses.items():
            if not weight >= 0:
                raise BadInput(f"the weight of {type(loss).__name__} is {weight}; it must be 0 or more")
        self.losses = nn.ModuleList(losses)
        self.weights = list(losses.values())
        kinds = [type(loss).__name__ for loss in losses]
        self.names = [
            kind if kinds.count(kind) == 1 else f"{kind}{kinds[:number].count(kind) + 1}"
            for number, kind in enumerate(kinds)
        ]
        self.values: dict[str, Tensor] = {}

    def __repr__(self) -> str:
        return described(self, losses=str(dict(zip(self.losses, self.weights, strict=True))))

    def forward(self, *arguments: Any, **named: Any) -> Tensor:
        """The weighted sum () of the losses; the arguments are passed to each of them."""
        values = [loss(*arguments, **named) for loss in self.losses]
        self.values = {name: value.detach() for name, value in zip(self.names, values, strict=True)}
        total: Tensor = sum(value * weight for value, weight in zip(values, self.weights, strict=True))
        return total

    @property
    def stats(self) -> dict[str, float]:
        """Numbers of the last call of each loss."""
        numbers = {f"{name}.value": float(value) for name, value in self.values.items()}
        empty = []
        for name, loss in zip(self.names, self.losses, strict=True):
            own: dict[str, float] = dict(getattr(loss, "stats", {}))
            empty.append(own.pop("empty_batches", 0.0))
            numbers |= {f"{name}.{key}": number for key, number in own.items()}
        return {**numbers, "empty_batches": min(empty)}
