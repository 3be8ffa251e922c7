"""finetune(): trains a model on a table by a recipe and writes a run folder, which the zoo opens as a checkpoint."""

import copy
import logging
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from omlzoo.data import table as tables
from omlzoo.errors import BadInput, notice
from omlzoo.files import writing
from omlzoo.models._extractor import Extractor
from omlzoo.models._trust import Trust, trusting
from omlzoo.training.acts import check_settings, learns_captions
from omlzoo.training.building import build_run
from omlzoo.training.callbacks import Callbacks
from omlzoo.training.captioning import Captioning
from omlzoo.training.defaults import suggest
from omlzoo.training.distributed import is_first
from omlzoo.training.label_budget import within_budget
from omlzoo.training.parts import add_projection
from omlzoo.training.recipe import Recipe
from omlzoo.training.rehearsal import cost_facts
from omlzoo.training.run_folder import LAST, RECIPE, Run, read_run
from omlzoo.training.run_start import run_state
from omlzoo.training.running import Running
from omlzoo.training.split import table_digest
from omlzoo.training.state import difference
from omlzoo.training.sweeping import keep_trials, swept, tried_settings
from omlzoo.training.trials import Outcome, Pruning
from omlzoo.zoo.building import fitted
from omlzoo.zoo.registry import open_model

__all__ = ["finetune", "finished_run", "start_model"]

LOG = logging.getLogger(__name__)


def finetune(
    model: Extractor | str | Path,
    table: str | Path | pd.DataFrame,
    *,
    out: str | Path,
    recipe: Recipe | None = None,
    root: str | Path | None = None,
    resume: bool = False,
    device: str = "auto",
    progress: bool = True,
    sweep: int = 0,
    sweep_over: Mapping[str, Any] | None = None,
    trust: Trust = None,
    **settings: Any,
) -> Run:
    """Fine-tune an extractor on the train rows of a table and measure it on the validation rows.

    The epoch that is kept is chosen on labels set apart from the training labels, never on the validation rows.

    Args:
        model: Where to start: an extractor (it is copied), or what ``omlzoo.get_model`` opens.
        table: A csv, parquet file, DataFrame, or a folder with a sub-folder per label.
        out: The run folder; it must not exist, or hold an unfinished run when resuming.
        recipe: All settings. Where it is not given, those of the batches follow from the table (logged, and in the
            report), the others are the defaults of :class:`omlzoo.training.Recipe`.
        root: The folder where relative paths start; by default the folder of the table.
        resume: Whether to go on with the run in ``out`` from its last saved state; without a saved state the run
            begins. A finished run is returned as it is.
        device: "cpu", "cuda" or "auto".
        progress: Whether to show progress bars where standard error is a terminal.
        sweep: Number of trials of settings by Optuna before the run, which has those of the best trial; 0 makes none.
            Trials are compared on the labels that choose the epoch, never on the validation rows.
        sweep_over: The settings that are tried, each with a range (low, high) or a list of values; see
            :func:`omlzoo.training.sweep_space.space_of`.
        trust: Packages that a recipe's own parts, named in a file, may be imported from, and a model's class.
        **settings: Settings of the recipe by name, such as ``epochs=10``. ``loss``, ``miner``, ``sampler``,
            ``augment``, ``optimizer`` and ``callbacks`` may also be objects, or "module:Name".

    Raises:
        BadTable: The table has faults; all are listed.
        BadInput: A setting breaks its rule, or ``out`` is taken, by another process too.
        UnknownName: There is no such setting, loss, miner or sampler.
    """
    known = (recipe or Recipe()).changed(settings)  # a wrong setting is refused before the table is read
    check_settings(known, "finetune")
    if sweep and learns_captions(known):
        raise BadInput(f"sweep is {sweep}, but trials are compared by labels, and {known.loss} learns captions; leave "
                       "sweep out")  # fmt: skip
    space = tried_settings(known, sweep, sweep_over)
    out = Path(out)
    with trusting(trust), writing(out) if is_first() else nullcontext():
        trials, (finished, resume) = resume, run_state(out, resume)
        rows, budget = within_budget(tables.read(table, "train", root), known.labels, known.seed)
        start, captioning, chosen = None, None, {}
        if learns_captions(known):
            start = start_model(model, known)
            captioning = Captioning.of(start, rows, known)
        if recipe is None and captioning is not None:
            chosen = captioning.suggest(settings)
        elif recipe is None:
            chosen = suggest(rows.frame[rows.frame["split"] == "train"], settings)
        suggested = ", ".join(f"{name} = {value}" for name, value in chosen.items())
        if budget:
            LOG.info("labels drawn: %s", budget)
        trial = partial(_trial, model, rows.rows((rows.frame["split"] == "train").to_numpy()), device, progress)
        recipe, told = swept(known.changed(chosen), sweep, space, out, trials, table_digest(rows), trial)
        if finished:
            return finished_run(out, recipe)
        for text in rows.notices:
            notice(text)
        with torch.random.fork_rng(devices=[]):
            start = start_model(model, recipe) if start is None else start
            parts = build_run(start, rows, recipe, out, device, captioning=captioning)
            if suggested:
                LOG.info("chosen from the table: %s", suggested)
            facts = (
                {"settings chosen from the table": suggested or "none", **told}
                | ({"labels drawn": budget} if budget else {})
                | ({} if captioning is None else captioning.facts)
            )
            if not resume:
                facts |= cost_facts(parts, rehearsed=False)
            run = Running(parts, facts, progress).run(resume)
        keep_trials(out)
        return run


def _trial(
    model: Extractor | str | Path, rows: tables.Table, device: str, progress: bool, recipe: Recipe, folder: Path,
    ends: Callable[[list[float]], bool],
) -> Outcome:  # fmt: skip
    """A trial of a sweep: a run on the training rows alone, from which the rows that choose the epoch are set apart."""
    with torch.random.fork_rng(devices=[]):
        plain = recipe.changed({"log": "none", "duplicates": False})
        parts = build_run(start_model(model, plain), rows, plain, folder, device)
        if parts.split.selection is None:
            raise BadInput("there are too few labels to set some apart, by which trials are compared")
        callbacks = Callbacks([*parts.callbacks.members, Pruning(recipe.select, ends)])
        run = Running(replace(parts, callbacks=callbacks), {}, progress).run((folder / LAST).is_file())
    values = run.history[f"selection {recipe.select}"].tolist()
    pruned = f"ended by {Pruning.__name__}" in str(run.report.facts["epochs"])
    return Outcome(values, pruned, parts.step.precision, run.interrupted)


def finished_run(out: Path, recipe: Recipe) -> Run:
    """The finished run in the folder, if its recipe is this one.

    Args:
        out: The run folder.
        recipe: The settings of the run that was asked for.

    Raises:
        BadInput: It was another recipe.
    """
    kept = Recipe.read(out / RECIPE)
    if recipe.precision == "auto" and kept.precision != "fp16":  # the recipe has what was decided
        recipe = recipe.changed({"precision": kept.precision})
    was = kept.to_toml()
    if was != recipe.to_toml():
        raise BadInput(
            f"{out} is finished, with another recipe: {difference(was, recipe.to_toml())}; give another name"
        )
    notice(f"{out} is finished already; nothing was done")
    return read_run(out)


def start_model(model: Extractor | str | Path, recipe: Recipe) -> Extractor:
    """A copy to train, with the recipe's image size, normalisation and projection.

    Args:
        model: An extractor, or what ``omlzoo.get_model`` opens.
        recipe: The settings.
    """
    extractor = copy.deepcopy(model) if isinstance(model, Extractor) else open_model(model)
    extractor.check_saving()
    if recipe.normalize != "model":
        extractor.normalize = recipe.normalize == "yes"
        entry = replace(extractor.entry, normalize=extractor.normalize)
        extractor.weights = replace(extractor.facts, entry=entry)
    if recipe.project:
        extractor = add_projection(extractor, recipe.project, recipe.seed)
    if recipe.image_size:
        preprocess = extractor.entry.preprocess.scaled(recipe.image_size)
        entry = fitted(extractor, replace(extractor.entry, preprocess=preprocess))
        extractor.weights = replace(extractor.facts, entry=entry)
    return extractor
