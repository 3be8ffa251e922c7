"""The folder that a run writes: weights, entry, recipe, history and report; the zoo opens it as a checkpoint."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from torch import nn

from omlzoo.checkpoints.entry import Entry, Metric, Text, without_address
from omlzoo.checkpoints.entry_rules import name_of
from omlzoo.checkpoints.folder import Beside, save_folder
from omlzoo.errors import BadInput
from omlzoo.evaluation.caption_recall import RECALLS
from omlzoo.evaluation.report import Report
from omlzoo.files import new_file
from omlzoo.jsonio import read_json
from omlzoo.models._extractor import Extractor
from omlzoo.models._trust import Trust
from omlzoo.zoo.registry import get_model

__all__ = [
    "CACHE",
    "DECODED",
    "DUPLICATES",
    "LAST",
    "LOGGED",
    "RECIPE",
    "REPORT",
    "Run",
    "read_run",
    "write_history",
    "write_run",
]

LAST, CACHE, RECIPE, HISTORY = "last.ckpt", "frozen.cache", "recipe.toml", "history.csv"
DECODED = "decoded.cache"  # a folder
REPORT, PAGE, DUPLICATES = "report.json", "report.html", "duplicates.csv"
LOGGED = ("cmc@1", "map@5", "map@r", *(f"{name}@1" for name in RECALLS))


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        folder: The run folder, with model.safetensors, entry.json, recipe.toml, history.csv, report.json, report.html.
        report: The metrics of the validation rows before and after training.
        history: A row per epoch.
        interrupted: Whether it was stopped before its last epoch; the best model so far is kept.
    """

    folder: Path
    report: Report
    history: pd.DataFrame
    interrupted: bool = False

    def model(self, trust: Trust = None, module: nn.Module | type[nn.Module] | None = None) -> Extractor:
        """The fine-tuned extractor.

        Args:
            trust: As in ``omlzoo.get_model``, for a module of one's own.
            module: As in ``omlzoo.get_model``.
        """
        return get_model(str(self.folder), trust=trust, module=module)


def read_run(folder: Path) -> Run:
    """A finished run from its folder.

    Raises:
        BadInput: Its report or history cannot be read.
    """
    values = read_json(folder / REPORT)
    try:
        before = None if values["before"] is None else dict(values["before"])
        report = Report(dict(values["metrics"]), dict(values["facts"]), before, dict(values["errors"]))
        history = pd.read_csv(folder / HISTORY)
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise BadInput(f"{folder}: its {REPORT} or {HISTORY} is damaged ({error}); train again") from error
    return Run(folder, report, history)


def write_history(folder: Path, history: list[dict[str, Any]]) -> None:
    """Write history.csv.

    Args:
        folder: The run folder.
        history: A row for each epoch, values by column.
    """
    _write(folder / HISTORY, pd.DataFrame(history).to_csv(index=False))


def write_run(
    run: Run, model: nn.Module, entry: Entry, recipe: str, dataset: str, by: str,
    duplicates: list[dict[str, Any]] | None, text: tuple[Text, Beside] | None = None,
) -> None:  # fmt: skip
    """Write all files of a finished run, and then remove the saved state, which only resuming needs.

    Args:
        run: The run, with folder, report and history.
        model: The model with the weights that are kept.
        entry: The entry of the model that the run began with; its ``source`` describes the run.
        recipe: The text of recipe.toml.
        dataset: Name of the data that the metrics were measured on.
        by: Who measured them, "omlzoo finetune" for instance.
        duplicates: Rows of duplicates.csv; without any, the file is not written.
        text: The facts of the text tower that was trained with it, and its files; None for none.
    """
    metrics = tuple(
        Metric(dataset, name, round(run.report.metrics[name], 4), by, REPORT, "upstream")
        for name in LOGGED
        if name in run.report.metrics
    )
    ours = without_address(
        entry, name=name_of(run.folder.resolve().name), metrics=metrics, preprocess_oml=None, source=entry.source,
        text=None if text is None else replace(text[0], source=entry.source),
    )  # fmt: skip
    save_folder(model.state_dict(), ours, run.folder, True, None if text is None else text[1])
    _write(run.folder / RECIPE, recipe)
    if duplicates:
        _write(run.folder / DUPLICATES, pd.DataFrame(duplicates).to_csv(index=False))
    run.report.save(run.folder / REPORT)
    run.report.html(run.folder / PAGE)
    if not run.interrupted:  # an interrupted run can go on
        (run.folder / LAST).unlink(missing_ok=True)


def _write(path: Path, text: str) -> None:
    with new_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
