"""The objective over views that a recipe names, for a model."""

import inspect
from typing import Any

from omlzoo import catalog
from omlzoo.errors import BadInput
from omlzoo.models._extractor import Extractor
from omlzoo.models._masking import patches_of
from omlzoo.objectives._objective import Objective
from omlzoo.training.own_parts import is_own, make_part, takes, trusted_part
from omlzoo.training.recipe import Recipe

__all__ = ["make_objective"]


def make_objective(recipe: Recipe, model: Extractor, gather: bool = False) -> Objective | None:
    """The recipe's objective over views; None where it trains a loss over labels.

    Args:
        recipe: The settings.
        model: The model whose outputs it takes.
        gather: Whether the objective is that of the batches of all processes together.

    Raises:
        UnknownName: There is no such objective.
        BadInput: It does not take the recipe's arguments, or looks at patches, which the model does not have.
    """
    if recipe.objective == "none":
        return None
    known: dict[str, Any] = {"width": model.dim, "gather": gather}
    if is_own(recipe.objective):
        known |= _of_patches(trusted_part(recipe.objective, "objective").thing, model)
        own = make_part(recipe.objective, "objective", {**known, **recipe.objective_args})
        if not isinstance(own, Objective):
            raise BadInput(f"objective {recipe.objective} is no omlzoo.objectives.Objective; make it a subclass")
        return _checked(own, recipe)
    kind = catalog.find("objectives", recipe.objective)
    known |= _of_patches(kind, model)
    further = [name for name in inspect.signature(kind).parameters if name not in known]
    arguments = {name: None if value == "none" else value for name, value in recipe.objective_args.items()}
    for name in arguments:
        if name not in further:
            raise BadInput(f"objective_args has {name!r}; {recipe.objective} takes {', '.join(further)}")
    if "views" in further and "views" not in arguments:
        arguments["views"] = recipe.globals  # those that the teacher sees
    try:
        made: Objective = kind(**known, **arguments)
    except TypeError as error:
        raise BadInput(f"objective_args {arguments} do not suit {recipe.objective}: {error}") from error
    return _checked(made, recipe)


def _checked(objective: Objective, recipe: Recipe) -> Objective:
    """The objective, if the recipe gives it what it can use."""
    if objective.two_views and (recipe.globals, recipe.locals) != (2, 0):
        said = f"globals is {recipe.globals} and locals {recipe.locals}"
        raise BadInput(f"{said}, but {recipe.objective} compares two views of the whole: set them to 2 and 0")
    if objective.kept == "teacher" and recipe.ema:
        raise BadInput(f"ema is {recipe.ema:g}, but {recipe.objective} keeps its teacher, which is an average already: "
                       "set it to 0")  # fmt: skip
    return objective


def _of_patches(kind: Any, model: Extractor) -> dict[str, int]:
    """What a run knows of the patches of its model, by the names of the arguments that an objective takes."""
    needs: Any = getattr(kind, "takes", "embedding")
    if needs == "embedding":
        return {}
    found, known = patches_of(model, needs), takes(kind)
    facts = {"patch_width": found.width, "patches": found.count, "pixels": found.pixels}
    return {name: value for name, value in facts.items() if name in known}
