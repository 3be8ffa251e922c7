"""A sweep as a part of a run: what is checked before, where its trials are kept, and what the run learns from them."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from omlzoo.errors import BadInput
from omlzoo.files import new_file
from omlzoo.ops.all_gather import processes
from omlzoo.training.recipe import Recipe
from omlzoo.training.run_folder import LOGGED
from omlzoo.training.sweep_space import Span, space_of
from omlzoo.training.trials import TRIALS, Train, best_of, run_trials

__all__ = ["keep_trials", "swept", "tried_settings"]


def tried_settings(recipe: Recipe, sweep: int, over: Mapping[str, Any] | None) -> dict[str, Span]:
    """The settings that a sweep tries; none without a sweep.

    Args:
        recipe: The settings of the run.
        sweep: Number of trials; 0 makes none.
        over: As in :func:`omlzoo.training.sweep_space.space_of`.

    Raises:
        BadInput: A setting does not suit, or nothing would compare the trials.
        UnknownName: There is no such setting.
    """
    if not isinstance(sweep, int) or isinstance(sweep, bool) or sweep < 0:
        raise BadInput(f"sweep is {sweep!r}; it must be a whole number of trials, 0 for none")
    if not sweep:
        if over is not None:
            raise BadInput("sweep_over says what a sweep tries, and sweep is 0; set sweep to a number of trials")
        return {}
    if not recipe.selection:
        raise BadInput("selection is 0, and trials are compared on the labels set apart by it; set it above 0")
    if recipe.select not in LOGGED:
        raise BadInput(f"select is {recipe.select!r}; a sweep compares by one of {', '.join(LOGGED)}")
    if processes() > 1:
        raise BadInput("a sweep runs in one process; leave torchrun out, and train its recipe.toml with it")
    return space_of(recipe, over)


def swept(
    recipe: Recipe, sweep: int, space: Mapping[str, Span], out: Path, resume: bool, table: str, train: Train
) -> tuple[Recipe, dict[str, str]]:
    """The recipe of the best trial, and facts on the sweep; the recipe itself and none without a sweep.

    Args:
        recipe: The settings of the run.
        sweep: Number of trials; 0 makes none.
        space: Those of :func:`tried_settings`.
        out: The run folder; while the sweep goes on, its trials are in a folder beside it.
        resume: Whether to go on with the trials that are there.
        table: A text that tells the rows from others.
        train: Makes a trial.

    Raises:
        BadInput: There are trials and it is not resumed, they are of another sweep, or all failed.
        MissingExtra: Optuna is not installed.
        KeyboardInterrupt: The user interrupted a trial.
    """
    if not sweep:
        return recipe, {}
    if (out / TRIALS).is_file():
        return best_of(recipe, sweep, space, out / TRIALS)
    if (folder := _beside(out)).exists() and not resume:
        raise BadInput(f"{folder} holds the trials of an unfinished sweep; go on with resume, or remove it")
    return run_trials(recipe, sweep, space, folder, table, train)


def keep_trials(out: Path) -> None:
    """Move the table of trials into the finished run folder; without a sweep there is none.

    Args:
        out: The run folder.
    """
    table = _beside(out) / TRIALS
    if table.is_file():
        with new_file(out / TRIALS) as temporary:
            shutil.copyfile(table, temporary)
        shutil.rmtree(_beside(out), ignore_errors=True)


def _beside(out: Path) -> Path:
    return out.with_name(f"{out.name}.trials")
