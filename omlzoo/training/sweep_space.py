"""Which settings a sweep tries, and between which values."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import isfinite
from typing import Any

from omlzoo import catalog
from omlzoo.errors import BadInput, UnknownName
from omlzoo.jsonio import parse_json
from omlzoo.training.own_parts import is_own
from omlzoo.training.recipe import Recipe

__all__ = ["Span", "current", "space_of", "with_values"]

FIXED = ("seed", "selection", "selection_by", "select", "labels")  # what trials are compared on
AROUND = ("log", "workers", "save_minutes", "duplicates", "callbacks", "decoded_gb", "precision")
AIMS = ("temperature", "margin")  # of losses: the argument that is tried with the learning rate
LOG = 10.0  # a range whose ends differ by so much is searched by its logarithm
RULE = 'give a range, (low, high) or "low..high", or two values or more, [a, b] or "a|b"'


@dataclass(frozen=True)
class Span:
    """The values of one setting: a range, or a list.

    Attributes:
        low: Smallest value of a range.
        high: Largest value of a range.
        whole: Whether the values of the range are whole numbers.
        options: The values of a list; empty for a range.
    """

    low: float = 0.0
    high: float = 0.0
    whole: bool = False
    options: tuple[Any, ...] = ()

    @property
    def log(self) -> bool:
        """Whether a range is searched by the logarithm of its values."""
        return self.low > 0 and self.high >= LOG * self.low

    def has(self, value: Any) -> bool:
        """Whether it is one of the values."""
        if self.options:
            return value in self.options
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and self.low <= value <= self.high

    def __str__(self) -> str:
        return "|".join(map(str, self.options)) if self.options else f"{self.low:g}..{self.high:g}"


def space_of(recipe: Recipe, over: Mapping[str, Any] | None = None) -> dict[str, Span]:
    """The values of each setting that is tried, by its name.

    Args:
        recipe: The settings around which it tries.
        over: By name of a setting, or of an argument such as "loss_args.margin": a range (low, high), a list of values,
            or the text of one, "1e-6..1e-3" or "SupConLoss|TripletLoss". None tries the learning rate within a
            factor of ten, the weight decay, and the loss's temperature or margin within a factor of four.

    Raises:
        UnknownName: There is no such setting.
        BadInput: It is no range and no list, breaks the setting's rule, or is of a setting that trials share.
    """
    if over is None:
        over = _suggested(recipe)
    if not over:
        raise BadInput("sweep_over is empty; name settings, or leave it out")
    space = {name: _span(recipe, name, given) for name, given in over.items()}
    for name, span in space.items():
        for value in span.options or (span.low, span.high):
            with_values(recipe, {name: int(value) if span.whole else value})  # raises what breaks its rule
    return space


def with_values(recipe: Recipe, values: Mapping[str, Any]) -> Recipe:
    """The recipe with the values of a trial.

    Args:
        recipe: The settings around them.
        values: A value for each of the names of :func:`space_of`.
    """
    settings: dict[str, Any] = {}
    for name, value in values.items():
        table, _, argument = name.partition(".")
        settings[table] = {**settings.get(table, getattr(recipe, table)), argument: value} if argument else value
    return recipe.changed(settings)


def current(recipe: Recipe, space: Mapping[str, Span]) -> dict[str, Any] | None:
    """The recipe's own values of the settings that are tried; None where one is outside of its span.

    Args:
        recipe: The settings.
        space: The settings that are tried.
    """
    values = {name: _value(recipe, name) for name in space}
    return values if all(space[name].has(value) for name, value in values.items()) else None


def _value(recipe: Recipe, name: str) -> Any:
    table, _, argument = name.partition(".")
    if not argument:
        return getattr(recipe, table)
    given = getattr(recipe, table)
    if argument in given or table != "loss_args" or is_own(recipe.loss):
        return given.get(argument)
    parameter = inspect.signature(catalog.find("losses", recipe.loss)).parameters.get(argument)
    return None if parameter is None else parameter.default


def _suggested(recipe: Recipe) -> dict[str, Any]:
    if not recipe.lr:
        raise BadInput("lr is 0, and a sweep tries values around it; set it, or name settings in sweep_over")
    over: dict[str, Any] = {"lr": (recipe.lr / 10, recipe.lr * 10), "weight_decay": (1e-6, 0.1)}
    for argument in AIMS if not is_own(recipe.loss) else ():
        value = _value(recipe, f"loss_args.{argument}")
        if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
            over[f"loss_args.{argument}"] = (value / 4, value * 4)
            break
    return over


def _span(recipe: Recipe, name: str, given: Any) -> Span:
    table, _, argument = name.partition(".")
    known = {item.name: item for item in fields(recipe)}
    if table not in known:
        raise UnknownName("the recipe", table, known)
    if table in FIXED or table in AROUND:
        why = "trials are compared on the same rows" if table in FIXED else "it does not change what is learned"
        raise BadInput(f"sweep_over has {table}, which a sweep does not try: {why}; leave it out")
    if bool(argument) != isinstance(getattr(recipe, table), dict):
        raise BadInput(f"sweep_over has {name!r}; name one argument of a table, such as loss_args.margin")
    if isinstance(given, str):
        given = _read(given)
    if isinstance(given, list) and len(given) >= 2 and all(type(each) in (str, int, float, bool) for each in given):
        return Span(options=tuple(given))
    numbers = isinstance(given, tuple) and len(given) == 2
    if not numbers or not all(isinstance(end, int | float) and isfinite(end) for end in given) or given[0] >= given[1]:
        raise BadInput(f"sweep_over has {name} = {given!r}; {RULE}")
    whole = known[name].type is int if not argument else all(isinstance(end, int) for end in given)
    return Span(float(given[0]), float(given[1]), whole)


def _read(text: str) -> Any:
    """The range or list of a text; the text itself where it is neither."""
    if "|" in text:
        return [_number(part) for part in text.split("|")]
    low, dots, high = text.partition("..")
    return (_number(low), _number(high)) if dots else text


def _number(text: str) -> Any:
    try:
        return parse_json(text, "the value")
    except BadInput:
        return text
