"""Every setting of the recipe is a flag, with its text; arguments are read as numbers where they are some."""

from dataclasses import fields

from omlzoo.cli.recipe_flags import Flags, settings_of
from omlzoo.training.recipe import Recipe


def test_every_setting_is_a_flag() -> None:
    assert [item.name for item in fields(Flags)] == [item.name for item in fields(Recipe)]


def test_only_what_was_given_is_a_setting() -> None:
    assert settings_of(Flags()) == {}
    found = settings_of(Flags(epochs=3, loss_args={"margin": "0.2", "kind": "soft"}, objective_args={"version": "2"}))
    assert found == {
        "epochs": 3, "loss_args": {"margin": 0.2, "kind": "soft"}, "objective_args": {"version": 2},
    }  # fmt: skip
