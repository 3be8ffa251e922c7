"""What a run says: notices of pictures and batches, how the epoch is chosen, and the facts of its report."""

from typing import Any

from omlzoo.curation.leakage import find_duplicates
from omlzoo.data import table as tables
from omlzoo.errors import BadInput, notice
from omlzoo.training.building import RunParts
from omlzoo.training.distributed import everyone, from_first, is_first
from omlzoo.training.loop import EpochSummary
from omlzoo.training.run_folder import DUPLICATES
from omlzoo.training.state import Progress

__all__ = ["facts_of", "of_duplicates", "of_epoch", "what_chose"]


def of_epoch(epoch: int, summary: EpochSummary, known: dict[int, str], limit: float) -> dict[int, str]:
    """Give notice of the pictures that could not be read, and stop the run if there were too many.

    Args:
        epoch: Number of the epoch, from 0.
        summary: The epoch's summary in this process.
        known: Row and error of the pictures that earlier notices named.
        limit: Largest share of unreadable pictures, from 0 to 1.

    Returns:
        Row and error of the pictures that are not in ``known``, of all processes.

    Raises:
        BadInput: The share was larger, or no picture could be read.
    """
    skipped = {row: error for errors in everyone(summary.skipped) for row, error in errors.items()}
    failures, trained = (sum(everyone(number)) for number in (summary.failures, summary.pictures))
    first = next(iter(skipped.values()), "")
    if not trained:
        raise BadInput(f"no picture of epoch {epoch + 1} could be read; the first: {first}")
    share = failures / (failures + trained)
    if share > limit:
        raise BadInput(
            f"{share:.1%} of the pictures of epoch {epoch + 1} could not be read, more than unreadable, {limit:.1%}; "
            f"mend them, or allow more; the first: {first}"
        )
    new = {row: error for row, error in skipped.items() if row not in known}
    if epoch == 0 and summary.totals.get("empty_batches", 0.0) >= summary.trained:
        text = "no batch of the first epoch had anything to learn from"
        _say(f"{text}; set n_instances and n_labels to 2 or more, and look for labels with a single picture")
    if new:
        _say(f"{len(new)} pictures could not be read and are skipped in training; the first: {first}")
    return new


def of_duplicates(rows: tables.Table) -> tuple[list[dict[str, Any]], int]:
    """Give notice of validation pictures that are also training pictures.

    Returns:
        The rows of these pictures, and the number of pictures that could not be compared.
    """
    table, left_out = from_first(find_duplicates(rows) if is_first() else None)
    copies: list[dict[str, Any]] = table.to_dict("records")
    if copies:
        total = int((rows.frame["split"] == "validation").sum())
        text = f"{len(copies)} of {total} validation pictures are nearly the same as training ones"
        first = f"{copies[0]['path']} and {copies[0]['train_path']}"
        _say(f"{text}: the report is too good; {DUPLICATES} lists them, first {first}")
    return copies, left_out


def what_chose(selection: tables.Table | None, metric: str) -> str:
    """A text that says which rows choose the epoch that is kept.

    Args:
        selection: The rows set apart to choose the epoch; None where the last epoch is kept.
        metric: The metric that chooses.
    """
    if selection is None:
        return "nothing: the last epoch is kept"
    labels = selection.frame["label"].nunique()
    return f"{metric} of {len(selection)} pictures of {labels} labels set apart from the training labels"


def facts_of(parts: RunParts, so_far: Progress, interrupted: bool) -> dict[str, Any]:
    """The facts of a run that stand in its report.

    Args:
        parts: The parts of the run.
        so_far: Its progress.
        interrupted: Whether it was stopped before its last epoch.
    """
    fit = parts.split.fit
    copies = "not looked for" if so_far.duplicates is None else len(so_far.duplicates)
    ended = (", interrupted" if interrupted else "") + (f", ended by {so_far.stopped}" if so_far.stopped else "")
    return {
        "started from": parts.start,
        "epochs": f"{len(so_far.history)} of {parts.plan.epochs}{ended}",
        "epoch kept": so_far.best_epoch,
        "chosen on": what_chose(parts.split.selection, parts.probe.metric),
        "training pictures": len(fit),
        "training labels": int(fit.frame["label"].nunique()),
        "training pictures that could not be read": len(so_far.skipped),
        "validation pictures that are also training pictures": copies,
        "pictures not compared for that, unreadable or of one colour": so_far.uncompared,
        "trained in": parts.step.precision,
        "steps left out because fp16 overflowed": parts.step.overflows,
    }


def _say(text: str) -> None:
    if is_first():
        notice(text)
