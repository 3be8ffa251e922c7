"""Trials of a recipe's settings by Optuna, compared on the rows that choose the epoch, in a table that outlives a kill.

Which values a trial has follows from the seed, its number and the trials before it, so a resumed sweep tries the same.
"""

import json
import math
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from omlzoo.catalog import optional
from omlzoo.errors import BadInput, notice
from omlzoo.files import new_file
from omlzoo.jsonio import read_json
from omlzoo.training.callbacks import UnderWay
from omlzoo.training.recipe import Recipe
from omlzoo.training.run_folder import LAST
from omlzoo.training.sweep_space import Span, current, with_values

__all__ = ["TRIALS", "Outcome", "Pruning", "Train", "best_of", "run_trials"]

TRIALS, SWEEP = "trials.csv", "sweep.json"
RANDOM = 5  # trials before values are drawn by what the earlier ones gave, and before one may be ended early
COMPLETE, PRUNED, FAILED = "complete", "pruned", "failed"


@dataclass(frozen=True)
class Outcome:
    """What a trial gave.

    Attributes:
        values: The metric of the selection rows after each epoch.
        pruned: Whether it was ended early.
        precision: What its steps were computed in.
        interrupted: Whether the user interrupted it.
    """

    values: list[float]
    pruned: bool
    precision: str
    interrupted: bool = False


class Pruning:
    """Ends a trial after an epoch.

    Args:
        metric: The metric of the selection rows.
        ends: Whether a trial with these values after its epochs is to end.
    """

    def __init__(self, metric: str, ends: Callable[[list[float]], bool]) -> None:
        self.metric, self.ends = metric, ends

    def on_measure(self, run: UnderWay) -> str | None:
        """ "stop" where the trial ends."""
        values = [row[f"selection {self.metric}"] for row in run.history]
        return "stop" if self.ends([*values, run.metrics[self.metric]]) else None


Train = Callable[[Recipe, Path, Callable[[list[float]], bool]], Outcome]


def run_trials(
    recipe: Recipe, count: int, space: Mapping[str, Span], folder: Path, table: str, train: Train
) -> tuple[Recipe, dict[str, str]]:
    """Try settings, those of the recipe first, and return the recipe of the best trial, and facts on the sweep.

    Args:
        recipe: The settings.
        count: Number of trials, 1 or more.
        space: The settings that are tried.
        folder: The folder of the sweep, which has the table of trials; trials that are in it are not made again.
        table: A text that tells the rows and the model from others.
        train: Makes a trial: trains a recipe in a folder, going on where a killed one was, and asks the function that
            it is given after each epoch whether to end.

    Raises:
        BadInput: The folder has another sweep, or every trial failed.
        MissingExtra: Optuna is not installed.
        KeyboardInterrupt: The user interrupted a trial.
    """
    optuna: Any = optional("optuna", "sweep")
    _same_sweep(folder, recipe, space, table)
    rows = _read(folder / TRIALS, space)
    with _quiet(optuna):
        for number in range(len(rows), count):
            precision = next((row["precision"] for row in rows if row["state"] != FAILED), recipe.precision)
            decided = recipe.changed({"precision": precision})  # by the first trial, for all
            trial = _ask(optuna, number, recipe, space, rows)
            rows.append(_made(optuna, trial, decided, folder / f"trial_{number + 1}", train))
            with new_file(folder / TRIALS) as temporary:
                pd.DataFrame(rows).to_csv(temporary, index=False)
            shutil.rmtree(folder / f"trial_{number + 1}", ignore_errors=True)
    return _best(recipe, space, rows[:count])


def best_of(recipe: Recipe, count: int, space: Mapping[str, Span], path: Path) -> tuple[Recipe, dict[str, str]]:
    """The same of a table of trials that is complete.

    Args:
        recipe: The settings.
        count: Number of trials.
        space: The settings that were tried.
        path: The table.

    Raises:
        BadInput: It is no table of trials of these settings, or has another number of them.
    """
    rows = _read(path, space)
    if len(rows) != count:
        raise BadInput(f"{path} has {len(rows)} trials, and sweep is {count}; give the same, or another run folder")
    return _best(recipe, space, rows)


def _same_sweep(folder: Path, recipe: Recipe, space: Mapping[str, Span], table: str) -> None:
    """Write what the sweep is of, or compare with what is there."""
    now = {"recipe": recipe.to_toml(), "space": {name: str(span) for name, span in space.items()}, "table": table}
    if (folder / SWEEP).is_file():
        was = read_json(folder / SWEEP)
        for name, value in now.items():
            if was.get(name) != value:
                raise BadInput(f"{folder} has the trials of another {name}; resume with the same, or remove it")
        return
    folder.mkdir(parents=True, exist_ok=True)
    with new_file(folder / SWEEP) as temporary:
        temporary.write_text(json.dumps(now), encoding="utf-8")


def _ask(optuna: Any, number: int, recipe: Recipe, space: Mapping[str, Span], rows: list[dict[str, Any]]) -> Any:
    """Optuna's next trial."""
    known = {name: _distribution(optuna, span) for name, span in space.items()}
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.TPESampler(n_startup_trials=RANDOM, seed=recipe.seed + number),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=RANDOM, n_warmup_steps=1),
    )  # fmt: skip
    states = {COMPLETE: "COMPLETE", PRUNED: "PRUNED", FAILED: "FAIL"}
    for row in rows:
        values = _numbers(row["values"])
        study.add_trial(optuna.trial.create_trial(
            state=optuna.trial.TrialState[states[row["state"]]], params={name: row[name] for name in space},
            distributions=known, value=None if row["state"] == FAILED else row["value"],
            intermediate_values=dict(enumerate(values)),
        ))  # fmt: skip
    if not number and (own := current(recipe, space)) is not None:
        study.enqueue_trial(own)
    return study.ask(known)


def _distribution(optuna: Any, span: Span) -> Any:
    kinds = optuna.distributions
    if span.options:
        return kinds.CategoricalDistribution(span.options)
    if span.whole:
        return kinds.IntDistribution(int(span.low), int(span.high), log=span.log)
    return kinds.FloatDistribution(span.low, span.high, log=span.log)


def _made(optuna: Any, trial: Any, recipe: Recipe, folder: Path, train: Train) -> dict[str, Any]:
    """Train one trial; returns its row of the table."""
    told = 0

    def ends(values: list[float]) -> bool:
        nonlocal told
        for epoch in range(told, len(values)):
            trial.report(values[epoch], epoch)
        told = len(values)
        return bool(trial.should_prune())

    if not (folder / LAST).is_file():
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    row = {"trial": trial.number + 1, "state": FAILED, "value": math.nan, "epoch": 0, "seconds": 0.0, **trial.params,
           "precision": recipe.precision, "values": "", "error": ""}  # fmt: skip
    begun = time.perf_counter()
    try:
        found = train(with_values(recipe, trial.params), folder, ends)
    except BadInput as error:  # such as a loss that is not finite
        return {**row, "seconds": round(time.perf_counter() - begun, 1), "error": str(error)}
    if found.interrupted:
        notice(f"interrupted in trial {trial.number + 1}; resume goes on with it")
        raise KeyboardInterrupt
    best = max(found.values)
    return {
        **row, "state": PRUNED if found.pruned else COMPLETE, "value": best, "epoch": found.values.index(best) + 1,
        "seconds": round(time.perf_counter() - begun, 1), "precision": found.precision,
        "values": " ".join(map(repr, found.values)),
    }  # fmt: skip


def _best(recipe: Recipe, space: Mapping[str, Span], rows: list[dict[str, Any]]) -> tuple[Recipe, dict[str, str]]:
    """The recipe of the best trial that was not ended early, and the facts."""
    whole = [row for row in rows if row["state"] == COMPLETE]
    if not whole:
        raise BadInput(f"all {len(rows)} trials failed; the first: {rows[0]['error']}")
    best = max(whole, key=lambda row: row["value"])
    chosen = {name: best[name] for name in space}
    failed, pruned = (sum(row["state"] == state for row in rows) for state in (FAILED, PRUNED))
    if failed:
        first = next(row for row in rows if row["state"] == FAILED)
        notice(f"{failed} of {len(rows)} trials failed; the first, trial {first['trial']}: {first['error']}")
    first_value = f"{rows[0]['value']:.4f}" if rows[0]["state"] == COMPLETE else rows[0]["state"]
    facts = {
        "sweep": f"{len(rows)} trials, {pruned} ended early, {failed} failed; {TRIALS} has them",
        "swept over": ", ".join(f"{name} = {span}" for name, span in space.items()),
        "chosen by the sweep": ", ".join(f"{name} = {value}" for name, value in chosen.items()),
        "best trial": f"trial {best['trial']}, {recipe.select} of the selection rows {best['value']:.4f} "
                      f"(trial 1 {first_value})",
    }  # fmt: skip
    return with_values(recipe.changed({"precision": best["precision"]}), chosen), facts


def _read(path: Path, space: Mapping[str, Span]) -> list[dict[str, Any]]:
    """The rows of a table of trials, with values as they were tried."""
    if not path.is_file():
        return []
    try:
        frame = pd.read_csv(path, keep_default_na=False, dtype=str)
        rows: list[dict[str, Any]] = []
        for record in frame.to_dict("records"):
            row: dict[str, Any] = {str(name): value for name, value in record.items()}
            row |= {"trial": int(row["trial"]), "epoch": int(row["epoch"]), "seconds": float(row["seconds"])}
            row["value"] = float(row["value"]) if row["value"] else math.nan
            rows.append(row | {name: _typed(row[name], span) for name, span in space.items()})
    except (ValueError, KeyError, StopIteration, OSError) as error:
        raise BadInput(f"{path} is no table of trials of this sweep ({type(error).__name__}); remove it") from error
    return rows


def _typed(text: str, span: Span) -> Any:
    if span.options:
        return next(value for value in span.options if str(value) == text)
    return int(text) if span.whole else float(text)


def _numbers(text: str) -> list[float]:
    return [float(each) for each in text.split()]


@contextmanager
def _quiet(optuna: Any) -> Iterator[None]:
    """A context in which Optuna says warnings only; its lines on trials are in the table."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
