"""pretrain(): learns from pictures without labels and writes a run folder, which the zoo opens as a checkpoint."""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from omlzoo.data.images import read_size
from omlzoo.data.remarks import Remarks
from omlzoo.data.table import Table
from omlzoo.errors import BadImage, BadInput, notice
from omlzoo.files import writing
from omlzoo.models._extractor import Extractor
from omlzoo.models._trust import Trust, trusting
from omlzoo.training.acts import check_settings
from omlzoo.training.building import build_run
from omlzoo.training.distributed import is_first
from omlzoo.training.finetuning import finished_run, start_model
from omlzoo.training.picture_rows import rows_of_pictures
from omlzoo.training.pretraining_defaults import LEAST, drawn, suggest_pretraining
from omlzoo.training.recipe import Recipe
from omlzoo.training.rehearsal import cost_facts
from omlzoo.training.run_folder import Run
from omlzoo.training.run_start import open_start, run_state
from omlzoo.training.running import Running

__all__ = ["check_objective", "chosen_settings", "picture_rows", "pretrain", "readable_rows"]

LOG = logging.getLogger(__name__)
NAMED = 3  # files that a message names
READERS = 16


def pretrain(
    model: Extractor | str | Path,
    pictures: str | Path | pd.DataFrame | Sequence[str | Path],
    *,
    out: str | Path,
    recipe: Recipe | None = None,
    scratch: bool = False,
    root: str | Path | None = None,
    resume: bool = False,
    device: str = "auto",
    progress: bool = True,
    trust: Trust = None,
    **settings: Any,
) -> Run:
    """Train an extractor on pictures without labels.

    Labels, where a table has them, are never learned from: those of a share of the train rows are set apart to watch
    the run, and those of the validation rows are measured before and after. Pictures of one ``sequence`` count as one,
    boxes crop. Before the first step every file's header is read, settings are chosen and said, and twenty steps are
    rehearsed to say what the run will take. A run whose model collapses is stopped, and keeps the last healthy epoch.

    Args:
        model: Where to start: an extractor (it is copied), or what ``omlzoo.get_model`` opens.
        pictures: A folder, a table, a DataFrame, or a list of files.
        out: The run folder; it must not exist, or hold an unfinished run when resuming.
        recipe: All settings. Where it is not given, objective, batch, epochs, views and learning rate follow from the
            number of pictures and the model (said, and in the report).
        scratch: Whether the model starts from random weights.
        root: The folder where relative paths start; by default the folder of the table.
        resume: Whether to go on with the run in ``out`` from its last saved state; without a saved state the run
            begins. A finished run is returned as it is.
        device: "cpu", "cuda" or "auto".
        progress: Whether to show progress bars where standard error is a terminal.
        trust: Packages that a recipe's own parts, named in a file, may be imported from, and a model's class.
        **settings: Settings of the recipe by name, such as ``objective="VICReg"``, ``epochs=100``.

    Raises:
        BadTable: The table has faults; all are listed.
        BadInput: There are fewer than 500 pictures to start from random weights, a setting breaks its rule, ``out`` is
            taken, or the model collapsed.
        UnknownName: There is no such setting or objective.
        WeightsUnavailable: The weights to start from cannot be had.
    """
    known = (recipe or Recipe()).changed(settings)
    check_settings(known, "pretrain")
    out = Path(out)
    with trusting(trust), writing(out) if is_first() else nullcontext():
        finished, resume = run_state(out, resume)
        table = picture_rows(pictures, root)
        count = _distinct(table)
        if scratch and count < LEAST:
            raise BadInput(
                f"{table.name} has {count} pictures; from random weights a model needs {LEAST} or more: start from a "
                "model's weights (without --scratch), or teach a small one by omlzoo distil"
            )
        begin = open_start(model, scratch)
        chosen: dict[str, Any] = {}
        if recipe is None:
            chosen = chosen_settings(table, start_model(begin, known), scratch, settings)
        known = known.changed(chosen)
        check_objective(known)
        said = ", ".join(f"{name} = {value}" for name, value in chosen.items())
        if said:
            LOG.info("chosen from the pictures: %s", said)
        if finished:
            return finished_run(out, known)
        for text in table.notices:
            notice(text)
        with torch.random.fork_rng(devices=[]):
            parts = build_run(start_model(begin, known), table, known, out, device)
            facts = {"settings chosen from the pictures": said or "none", "pictures": str(count)}
            if not resume:
                facts |= cost_facts(parts, rehearsed=True)
            return Running(parts, facts, progress).run(resume)


def check_objective(recipe: Recipe) -> None:
    """Refuse a recipe that names no objective.

    Raises:
        BadInput: It is one.
    """
    if recipe.objective == "none":
        raise BadInput("the recipe's objective is none; name one of omlzoo.objectives, such as SimCLR")


def chosen_settings(table: Table, model: Extractor, scratch: bool, given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that follow from the pictures of a run, without those that were given.

    Args:
        table: The table of :func:`picture_rows`.
        model: The model that is trained.
        scratch: Whether it starts from random weights.
        given: Settings that were decided.
    """
    train = table.rows((table.frame["split"] == "train").to_numpy())
    return suggest_pretraining(_distinct(table), model, scratch, drawn(train.files()), given)


def readable_rows(table: Table) -> tuple[np.ndarray, list[str]]:
    """Which rows (N,) have a picture whose header can be read, and the reasons of the others."""
    remarks = Remarks()

    def reason(file: Path) -> str:
        try:
            read_size(file, remarks)
        except BadImage as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(READERS) as pool:
        reasons = list(pool.map(reason, table.files(), chunksize=256))
    good = np.array([not text for text in reasons], dtype=bool)
    return good, [text for text in reasons if text]


def picture_rows(pictures: Any, root: str | Path | None) -> Table:
    """The table of the pictures, with the columns label and split, without what cannot be read, which is said.

    Args:
        pictures: As in :func:`pretrain`.
        root: The folder where relative paths start.

    Raises:
        BadTable: The table has faults; all are listed.
        BadInput: No picture can be read, pictures are in memory, or there are no train rows.
    """
    table = rows_of_pictures(pictures, root, "pretrain", folders_are_labels=False)
    if (table.frame["label"].astype(str) != "").any():
        notice(f"{table.name} has labels; they are not learned from, and only measure the model")
    good, reasons = readable_rows(table)
    if not good.any():
        raise BadInput(f"{table.name}: none of {len(table)} pictures can be read; the first: {reasons[0]}")
    if reasons:
        more = f" and {len(reasons) - NAMED} more" if len(reasons) > NAMED else ""
        notice(f"{len(reasons)} of {len(table)} pictures cannot be read and are left out: "
               f"{'; '.join(reasons[:NAMED])}{more}")  # fmt: skip
        table = table.rows(good)
    return table


def _distinct(table: Table) -> int:
    """How many train rows there are, a burst counted once."""
    train = table.frame[table.frame["split"] == "train"]
    if "sequence" not in train:
        return len(train)
    burst = train["sequence"].astype(str)
    return int((burst == "").sum() + burst[burst != ""].nunique())
