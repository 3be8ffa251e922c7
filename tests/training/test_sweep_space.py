"""What a sweep tries: ranges and lists in Python or as texts, around the recipe, and one clear line for others."""

from typing import Any

import pytest

from omlzoo.errors import BadInput, UnknownName
from omlzoo.training.recipe import Recipe
from omlzoo.training.sweep_space import Span, current, space_of, with_values


def test_without_names_it_tries_rate_decay_and_the_losss_own_number() -> None:
    space = space_of(Recipe(lr=1e-3))
    assert {name: str(span) for name, span in space.items()} == {
        "lr": "0.0001..0.01", "weight_decay": "1e-06..0.1", "loss_args.margin": "0.05..0.8",
    }  # fmt: skip
    assert "loss_args.temperature" in space_of(Recipe(loss="SupConLoss"))
    assert list(space_of(Recipe(loss="SmoothAPLoss", loss_args={"temperature": 0.04}))) == [
        "lr", "weight_decay", "loss_args.temperature",
    ]  # fmt: skip
    assert list(space_of(Recipe(loss_args={"margin": "none"}))) == ["lr", "weight_decay"], "the soft form has none"
    assert list(space_of(Recipe(loss="mine:Loss"))) == ["lr", "weight_decay"]


@pytest.mark.parametrize(("given", "span"), [
    ({"lr": (1e-5, 1e-3)}, Span(1e-5, 1e-3)), ({"lr": "1e-5..1e-3"}, Span(1e-5, 1e-3)),
    ({"epochs": (2, 9)}, Span(2, 9, whole=True)), ({"n_labels": "4..16"}, Span(4, 16, whole=True)),
    ({"loss": ["TripletLoss", "SupConLoss"]}, Span(options=("TripletLoss", "SupConLoss"))),
    ({"augment": "photo|rich|none"}, Span(options=("photo", "rich", "none"))),
    ({"n_instances": "2|4"}, Span(options=(2, 4))), ({"loss_args.margin": "0.1..0.3"}, Span(0.1, 0.3)),
])  # fmt: skip
def test_spans_are_read(given: dict[str, Any], span: Span) -> None:
    assert list(space_of(Recipe(), given).values()) == [span]


def test_a_range_of_a_factor_of_ten_is_searched_by_its_logarithm() -> None:
    assert Span(1e-4, 1e-3).log
    assert not Span(0.1, 0.5).log
    assert not Span(0.0, 0.5).log


def test_values_become_a_recipe_and_the_recipes_own_are_found() -> None:
    recipe = Recipe(loss_args={"gather": False})
    tried = with_values(recipe, {"lr": 0.01, "loss_args.margin": 0.4})
    assert (tried.lr, tried.loss_args) == (0.01, {"gather": False, "margin": 0.4})
    assert current(recipe, space_of(recipe)) == {"lr": 1e-4, "weight_decay": 1e-4, "loss_args.margin": 0.2}
    assert current(recipe, space_of(recipe, {"lr": (1e-3, 1e-2)})) is None
    assert with_values(recipe, {"loss": "MarginLoss"}).miner == "DistanceWeighted"


@pytest.mark.parametrize(("given", "error", "message"), [
    ({"rate": (1, 2)}, UnknownName, "the recipe has no 'rate'"), ({}, BadInput, "sweep_over is empty"),
    ({"seed": (1, 2)}, BadInput, "sweep_over has seed, which a sweep does not try: trials are compared on the same"),
    ({"log": ["none", "auto"]}, BadInput, "it does not change what is learned"),
    ({"lr": (2, 1)}, BadInput, r"sweep_over has lr = \(2, 1\); give a range"), ({"lr": 0.1}, BadInput, "give a range"),
    ({"lr": "fast"}, BadInput, "give a range"), ({"lr": [1e-3]}, BadInput, "two values or more"),
    ({"lr": (-1, 1)}, BadInput, "lr is -1.0; it must be a number, 0 or more"),
    ({"augment": "photo|glow"}, BadInput, "augment is 'glow'"), ({"loss_args": (1, 2)}, BadInput, "name one argument"),
    ({"lr.x": (1, 2)}, BadInput, "name one argument of a table"), ({"loss": [Recipe, Span]}, BadInput, "give a range"),
])  # fmt: skip
def test_other_spans_are_refused(given: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        space_of(Recipe(), given)


def test_around_a_rate_of_nothing_there_is_nothing_to_try() -> None:
    with pytest.raises(BadInput, match="lr is 0, and a sweep tries values around it"):
        space_of(Recipe(lr=0.0))
