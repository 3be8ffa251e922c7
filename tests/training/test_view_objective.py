"""The objective that a recipe names is made for its model, or refused where it could not use what it is given."""

import pytest
from toys import toy

from omlzoo.errors import BadInput
from omlzoo.models._projected import Projected
from omlzoo.objectives import IBOT
from omlzoo.training import Recipe
from omlzoo.training.view_objective import make_objective

SMALL = {"prototypes": 8}


@pytest.mark.parametrize("objective", ["DINO", "SwAV"])
def test_the_teacher_sees_all_views_of_the_whole_and_no_others(objective: str) -> None:
    recipe = Recipe(objective=objective, globals=3, locals=2, objective_args=SMALL)
    made = make_objective(recipe, toy("resnet_toy"))
    assert made is not None
    assert made.teacher_views == 3 or made.views == 3


def test_an_average_of_what_is_not_kept_is_refused() -> None:
    make_objective(Recipe(objective="SimCLR", ema=0.9), toy("resnet_toy"))
    with pytest.raises(BadInput, match="ema is 0.9, but DINO keeps its teacher"):
        make_objective(Recipe(objective="DINO", ema=0.9, objective_args=SMALL), toy("resnet_toy"))


def test_it_is_told_of_the_patches_of_the_model() -> None:
    narrow = Projected(toy("vit_toy"), 8)
    narrow.weights = toy("vit_toy").weights
    made = make_objective(Recipe(objective="IBOT", objective_args={"separate": True}), narrow)
    assert isinstance(made, IBOT)
    assert (made.width, made.patch_width, made.patches) == (8, 16, 16)
    with pytest.raises(BadInput, match="the embedding has 8 numbers and a patch 16; one head cannot take both"):
        make_objective(Recipe(objective="IBOT"), narrow)


def test_no_objective() -> None:
    assert make_objective(Recipe(), toy("resnet_toy")) is None
