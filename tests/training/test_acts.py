"""A setting that would change nothing is refused, or said, in every act."""

from typing import Any

import pytest

from omlzoo.errors import BadInput, OmlzooWarning
from omlzoo.training.acts import USED_BY, check_settings
from omlzoo.training.recipe import Recipe

OTHER: dict[str, Any] = {
    "objective": "SimCLR", "objective_args": {"version": 1}, "views": "photo", "globals": 3, "locals": 2, "alarm": False,
    "n_taught": 5, "teacher_weight": 0.5, "teacher_args": {"queue": 3}, "loss": "SupConLoss", "loss_args": {"a": 1},
    "add_losses": {"SupConLoss": 1.0}, "miner": "AllTriplets", "memory": 3, "labels": 0.5, "augment": "rich",
    "poincare": 4, "selection_by": "category", "towers": "text",
}  # fmt: skip


def test_every_setting_of_the_table_is_one_of_the_recipe() -> None:
    assert set(OTHER) == set(USED_BY)
    assert all(getattr(Recipe(), name) != value for name, value in OTHER.items())


@pytest.mark.parametrize("act", ["finetune", "pretrain", "distil"])
@pytest.mark.parametrize("name", USED_BY)
def test_each_is_taken_where_it_is_used_and_refused_elsewhere(act: Any, name: str) -> None:
    recipe = Recipe().changed({name: OTHER[name]} | ({"teacher_weight": 0.5} if act == "distil" else {}))
    if act in USED_BY[name]:
        check_settings(recipe, act)
        return
    with pytest.raises(BadInput, match=rf"{name} is .*, which .* takes?; {act} has no use for it"):
        check_settings(recipe, act)


def test_labels_that_are_not_learned_from_are_said() -> None:
    with pytest.warns(OmlzooWarning, match="loss: labels are not learned from at teacher_weight 1"):
        check_settings(Recipe(loss="SupConLoss"), "distil")
    with pytest.raises(BadInput, match="teacher_weight is 0"):
        check_settings(Recipe(teacher_weight=0.0), "distil")


def test_plain_settings_suit_all() -> None:
    for act in ("finetune", "pretrain", "distil"):
        check_settings(Recipe(), act)  # type: ignore[arg-type]


@pytest.mark.parametrize(("act", "sampler"), [("pretrain", "HardNegatives"), ("distil", "HardNegatives"),
                                             ("distil", "NearestLabels")])  # fmt: skip
def test_a_sampler_that_would_draw_as_another_is_refused(act: Any, sampler: str) -> None:
    check_settings(Recipe(sampler=sampler), "finetune")
    with pytest.raises(BadInput, match=rf"sampler is {sampler}.*{act} takes Balanced"):
        check_settings(Recipe(sampler=sampler), act)
