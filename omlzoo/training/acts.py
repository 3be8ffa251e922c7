"""Which act has a use for a setting of the recipe: one that would change nothing is refused, or said."""

from typing import Literal

from omlzoo import catalog
from omlzoo.errors import BadInput, notice
from omlzoo.training.own_parts import is_own
from omlzoo.training.recipe import Recipe
from omlzoo.training.run_folder import RECIPE

__all__ = ["Act", "check_settings", "described", "learns_captions"]

Act = Literal["finetune", "pretrain", "distil"]

OF_LABELS = ("loss", "loss_args", "add_losses", "miner", "memory")  # what learns from labels
USED_BY: dict[str, tuple[Act, ...]] = {
    **dict.fromkeys(("objective", "objective_args", "views", "globals", "locals", "alarm"), ("pretrain",)),
    **dict.fromkeys(("n_taught", "teacher_weight", "teacher_args"), ("distil",)),
    **dict.fromkeys((*OF_LABELS, "labels", "augment"), ("finetune", "distil")),
    "poincare": ("finetune",),
    "selection_by": ("finetune",),
    "towers": ("finetune",),
}  # settings that are not named here are used by all
TOLD: dict[str, tuple[Act, ...]] = {"HardNegatives": ("finetune",), "NearestLabels": ("finetune", "pretrain")}


def check_settings(recipe: Recipe, act: Act) -> None:
    """Refuse settings that were changed and that an act has no use for.

    Args:
        recipe: The settings as they were given.
        act: What they were given for.

    Raises:
        BadInput: Another act takes one of them.
    """
    plain = Recipe()
    changed = [name for name in USED_BY if getattr(recipe, name) != getattr(plain, name)]
    for name in changed:
        value, acts = getattr(recipe, name), USED_BY[name]
        if act in acts or (name == "augment" and is_own(value)):  # an own one makes the views too
            continue
        takes = " and ".join(acts)
        raise BadInput(f"{name} is {value!r}, which {takes} {'takes' if len(acts) == 1 else 'take'}; {act} has no use "
                       "for it: leave it out")  # fmt: skip
    if act not in TOLD.get(recipe.sampler, (act,)):
        takes = " and ".join(TOLD[recipe.sampler])
        raise BadInput(f"sampler is {recipe.sampler}, which is told the vectors of the training rows in {takes} alone; "
                       f"{act} takes Balanced")  # fmt: skip
    if act != "distil":
        return
    if learns_captions(recipe):
        raise BadInput(f"loss is {recipe.loss}, which learns from captions in finetune alone; take a loss of labels")
    if not recipe.teacher_weight:
        raise BadInput("teacher_weight is 0, so the teacher would say nothing; raise it, or use finetune")
    unused = [name for name in changed if name in OF_LABELS] if recipe.teacher_weight == 1 else []
    if unused:
        notice(f"{', '.join(unused)}: labels are not learned from at teacher_weight 1; lower it for a part of theirs")


def learns_captions(recipe: Recipe) -> bool:
    """Whether the recipe's loss compares pictures with their captions.

    Raises:
        UnknownName: There is no such loss.
        BadInput: Other settings do not suit such a loss, or suit only such a loss.
    """
    if is_own(recipe.loss) or not getattr(catalog.find("losses", recipe.loss), "of_captions", False):
        if recipe.towers != "both":
            raise BadInput(f"towers is {recipe.towers!r}, but {recipe.loss} compares with no texts; leave towers out")
        return False
    for name, remedy in (("add_losses", "{}"), ("project", "0"), ("poincare", "0")):
        if value := getattr(recipe, name):
            raise BadInput(f"{name} is {value}, which does not go with {recipe.loss}; set {name} to {remedy}")
    if recipe.towers == "text" and (recipe.freeze or recipe.drop_path):
        raise BadInput("towers is 'text', so nothing of the image tower is trained; set freeze and drop_path to 0")
    return True


def described(act: str, table: str, address: str, teacher: str = "") -> tuple[str, str]:
    """What a run does with its model, and the beginning of the command that runs it again.

    Args:
        act: What the run is.
        table: The name of its table.
        address: The model that it begins with.
        teacher: The name of the teacher, of distil.
    """
    command = f"omlzoo {act} {table} --model {address} {f'--teacher {teacher} ' * bool(teacher)}--config {RECIPE}"
    how = {"distil": f"taught by {teacher},", "finetune": "fine-tuned", "pretrain": "pre-trained without labels"}[act]
    return how, command
