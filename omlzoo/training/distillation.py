"""distil(): teaches a model what another one sees in every picture, and writes a run folder, which the zoo opens."""

import logging
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from omlzoo.data.table import Table
from omlzoo.embedding.rehearsal import weights_digest
from omlzoo.errors import BadInput, notice
from omlzoo.evaluation.evaluation import evaluate_embeddings
from omlzoo.files import writing
from omlzoo.models._extractor import Extractor
from omlzoo.models._trust import Trust, trusting
from omlzoo.training.acts import check_settings
from omlzoo.training.building import build_run
from omlzoo.training.distillation_defaults import suggest_distillation
from omlzoo.training.distributed import is_first, join
from omlzoo.training.finetuning import finished_run, start_model
from omlzoo.training.label_budget import within_budget
from omlzoo.training.lesson import Lesson
from omlzoo.training.picture_rows import rows_of_pictures
from omlzoo.training.pretraining_defaults import drawn
from omlzoo.training.recipe import Recipe
from omlzoo.training.rehearsal import cost_facts
from omlzoo.training.run_folder import LOGGED, Run, read_run
from omlzoo.training.run_start import open_start, run_state
from omlzoo.training.running import Running
from omlzoo.training.teacher_vectors import TeacherVectors
from omlzoo.zoo.registry import open_model

__all__ = ["distil"]

LOG = logging.getLogger(__name__)
TEACHER = "teacher's weights sha256"  # the fact of a report
NAMED = 3  # pictures that a message names


def distil(
    student: Extractor | str | Path,
    table: str | Path | pd.DataFrame | Sequence[str | Path],
    *,
    teacher: Extractor | str | Path,
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
    """Train a student on a teacher's vectors of all train rows, and on labels where there are some (arXiv 2006.10029).

    Rows without a label count. The teacher embeds each picture once, with its own preprocessing; its vectors are kept
    below ``OMLZOO_HOME`` for other students. The validation rows measure the student before and after, and the teacher.

    Args:
        student: Where to start: an extractor (it is copied), or what ``omlzoo.get_model`` opens.
        table: A folder, a table, a DataFrame, or a list of files. Without the column split all rows are train rows.
        teacher: An extractor, or what ``omlzoo.get_model`` opens, such as a run folder; of any dimension.
        out: The run folder; it must not exist, or hold an unfinished run when resuming.
        recipe: All settings. Where it is not given, epochs, learning rate, augmentation and batches follow from the
            table (said, and in the report).
        scratch: Whether the student starts from random weights.
        root: The folder where relative paths start; by default the folder of the table.
        resume: Whether to go on with the run in ``out`` from its last saved state; without a saved state the run
            begins. A finished run is returned as it is.
        device: "cpu", "cuda" or "auto".
        progress: Whether to show progress bars where standard error is a terminal.
        trust: Packages that a recipe's own parts, named in a file, may be imported from, and a model's class.
        **settings: Settings of the recipe by name, such as ``teacher_weight=0.8``, ``labels=0.2``, ``epochs=50``.

    Raises:
        BadTable: The table has faults; all are listed.
        BadInput: A setting breaks its rule, ``out`` is taken, or the teacher gives no picture a vector.
        UnknownName: There is no such setting, loss or miner.
        WeightsUnavailable: The weights of student or teacher cannot be had.
    """
    known = (recipe or Recipe()).changed(settings)
    check_settings(known, "distil")
    out = Path(out)
    with trusting(trust), writing(out) if is_first() else nullcontext():
        finished, resume = run_state(out, resume)
        rows, budget = within_budget(
            rows_of_pictures(table, root, "distil", folders_are_labels=known.teacher_weight < 1),
            known.labels,
            known.seed,
            keep_rows=True,
        )
        begin = open_start(student, scratch)
        chosen: dict[str, Any] = {}
        if recipe is None:
            train = rows.rows((rows.frame["split"] == "train").to_numpy())
            chosen = suggest_distillation(train, scratch, drawn(train.files()), settings)
        known = known.changed(chosen)
        said = ", ".join(f"{name} = {value}" for name, value in chosen.items())
        if budget:
            LOG.info("labels drawn: %s", budget)
        if said:
            LOG.info("chosen from the table: %s", said)
        if finished:
            return _finished(out, known, teacher)
        for text in rows.notices:
            notice(text)
        with torch.random.fork_rng(devices=[]):
            model = start_model(begin, known)
            where = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
            vectors = TeacherVectors.of(open_model(teacher), rows, known, join(where), progress)
            rows = _taught(rows, vectors)
            parts = build_run(model, rows, known, out, device, Lesson(vectors))
            facts = {
                "teacher": vectors.record.model, TEACHER: vectors.record.sha256,
                "settings chosen from the table": said or "none", **_labels(parts.split.fit, known, budget),
                **_of_teacher(vectors, parts.split.validation),
            }  # fmt: skip
            if not resume:
                facts |= cost_facts(parts, rehearsed=True)
            return Running(parts, facts, progress).run(resume)


def _finished(out: Path, recipe: Recipe, teacher: Extractor | str | Path) -> Run:
    """The finished run in the folder, if its recipe and its teacher are these."""
    was, now = read_run(out).report.facts.get(TEACHER), weights_digest(open_model(teacher))
    if was != now:
        said = f"{out} is finished, with another teacher ({str(was)[:16]}, not {now[:16]})"
        raise BadInput(f"{said}; give another name")
    return finished_run(out, recipe)


def _taught(rows: Table, teacher: TeacherVectors) -> Table:
    """The rows of which the teacher has a vector; the others are said.

    Raises:
        BadInput: There are fewer than two train rows among them.
    """
    errors = teacher.vectors(rows)[1]
    good = np.array([not error for error in errors], dtype=bool)
    train = (rows.frame["split"] == "train").to_numpy()
    if (good & train).sum() < 2:
        first = next((error for error in errors if error), "there is one picture")
        raise BadInput(
            f"the teacher gives {int((good & train).sum())} of {int(train.sum())} training pictures a vector, and a "
            f"lesson needs two; the first reason: {first}"
        )
    if good.all():
        return rows
    reasons = [error for error in errors if error]
    more = f" and {len(reasons) - NAMED} more" if len(reasons) > NAMED else ""
    notice(f"{len(reasons)} of {len(rows)} pictures have no vector of the teacher and are left out: "
           f"{'; '.join(reasons[:NAMED])}{more}")  # fmt: skip
    return rows.rows(good)


def _labels(fit: Table, recipe: Recipe, budget: str) -> dict[str, str]:
    """Facts on what the labels of the training rows are used for."""
    count = int((fit.frame["label"].astype(str) != "").sum())
    use = "not learned from (teacher_weight = 1)"
    if recipe.teacher_weight < 1:
        use = f"learned from by {recipe.loss} with the weight {1 - recipe.teacher_weight:.3g}"
    facts = {"training pictures with a label": f"{count} of {len(fit)}, {use}"}
    return facts | ({"labels drawn": budget} if budget else {})


def _of_teacher(teacher: TeacherVectors, validation: Table) -> dict[str, str]:
    """The teacher's own metrics of the validation rows."""
    if not len(validation):
        return {}
    metrics = evaluate_embeddings(teacher.embeddings(validation), validation.name, thorough=False).metrics
    return {f"teacher's {name}": f"{metrics[name]:.4f}" for name in LOGGED if name in metrics}
