"""Sizes of heads, queues and prototypes follow from the number of pictures; test_pretraining.py has the other rules."""

import pytest
from toys import toy

from omlzoo import catalog
from omlzoo.training.pretraining_defaults import suggest_pretraining


@pytest.mark.parametrize("objective", catalog.names("objectives"))
def test_every_objective_takes_what_is_suggested(objective: str) -> None:
    found = suggest_pretraining(3000, toy("resnet_toy"), True, False, {"objective": objective})
    made = catalog.find("objectives", objective)(64, **found.get("objective_args", {}))
    assert "objective" not in found
    assert made.width == 64
    assert found.get("objective_args", {}).get("queue", 0) <= 1500


def test_what_was_given_is_not_suggested() -> None:
    given = {"objective": "VICReg", "epochs": 3, "objective_args": {"dim": 64}}
    found = suggest_pretraining(3000, toy("resnet_toy"), True, False, given)
    assert not set(found) & set(given)
    assert suggest_pretraining(3000, toy("resnet_toy"), True, False, {"objective": "VICReg"})["objective_args"] == {
        "hidden": 2048, "dim": 2048
    }  # fmt: skip
