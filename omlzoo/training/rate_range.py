"""Learning-rate range test (arXiv 1506.01186): the loss of a run's first steps while the rate rises by a factor."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from omlzoo.data import table as tables
from omlzoo.errors import BadInput, notice
from omlzoo.models._extractor import Extractor
from omlzoo.models._trust import Trust, trusting
from omlzoo.progress import bar
from omlzoo.training.acts import check_settings, learns_captions
from omlzoo.training.building import RunParts, build_run
from omlzoo.training.captioning import Captioning
from omlzoo.training.defaults import suggest
from omlzoo.training.finetuning import start_model
from omlzoo.training.label_budget import within_budget
from omlzoo.training.recipe import Recipe

__all__ = ["RateRange", "lr_range_test", "suggested_rate"]

KEEP = 0.9  # share of the mean so far in the smoothed loss
DIVERGED = 4.0  # times the least smoothed loss, from which on the test ends
BELOW = 10.0  # the suggestion is that of the least loss divided by it
EARLY = 10  # first steps, whose smoothed loss is too young to end the test or to be the least


@dataclass(frozen=True)
class RateRange:
    """What a range test found.

    Attributes:
        curve: A row for each step: "lr", "loss" and "smoothed", the exponential mean of the losses.
        lr: A tenth of the rate with the least smoothed loss, a rate to begin with; None where that is no lower than the
            first losses, or that of the last step.
    """

    curve: pd.DataFrame
    lr: float | None


def lr_range_test(
    model: Extractor | str | Path,
    table: str | Path | pd.DataFrame,
    *,
    recipe: Recipe | None = None,
    low: float = 1e-7,
    high: float = 1.0,
    steps: int = 100,
    root: str | Path | None = None,
    device: str = "auto",
    progress: bool = True,
    trust: Trust = None,
    **settings: Any,
) -> RateRange:
    """Train a copy on the batches of a run while the learning rate rises from ``low`` to ``high``; nothing is written.

    The rows are those that ``omlzoo.finetune`` would train on: neither the validation rows nor those that choose the
    epoch are read. It ends where the loss is four times its least, or not finite.

    Args:
        model: As in ``omlzoo.finetune``.
        table: As in ``omlzoo.finetune``.
        recipe: All settings, as in ``omlzoo.finetune``; lr, warmup and schedule are the test's own.
        low: The first learning rate, above 0.
        high: The last one, above ``low``.
        steps: Number of steps, 20 or more.
        root: The folder where relative paths start; by default the folder of the table.
        device: "cpu", "cuda" or "auto".
        progress: Whether to show a bar where standard error is a terminal.
        trust: As in ``omlzoo.finetune``.
        **settings: Settings of the recipe by name.

    Raises:
        BadTable: The table has faults; all are listed.
        BadInput: A setting breaks its rule, or the first step has no finite loss.
        UnknownName: There is no such setting, loss, miner or sampler.
    """
    if not 0 < low < high or not isinstance(steps, int) or steps < 2 * EARLY:
        raise BadInput(f"low {low}, high {high}, steps {steps}: give 0 < low < high and {2 * EARLY} steps or more")
    known = (recipe or Recipe()).changed(settings)
    check_settings(known, "finetune")
    with trusting(trust), torch.random.fork_rng(devices=[]):
        rows, _ = within_budget(tables.read(table, "train", root), known.labels, known.seed)
        rows = rows.rows((rows.frame["split"] == "train").to_numpy())
        start, captioning, chosen = None, None, {}
        if learns_captions(known):
            start = start_model(model, known)
            captioning = Captioning.of(start, rows, known)
        if recipe is None:
            chosen = suggest(rows.frame, settings) if captioning is None else captioning.suggest(settings)
        plain = known.changed({**chosen, "cache": 0, "log": "none", "duplicates": False})
        start = start_model(model, plain) if start is None else start
        parts = build_run(start, rows, plain, Path(), device, captioning=captioning)
        parts.step.schedule = lambda step: low * (high / low) ** (step / (steps - 1))
        curve = _rising(parts, steps, progress)
    lr = suggested_rate(curve)
    if lr is None:
        rates = f"the learning rates {low:g} and {curve['lr'].iloc[-1]:g}"
        notice(f"between {rates} the loss never fell, or fell to the end; no rate follows: look at the curve")
    return RateRange(curve, lr)


def suggested_rate(curve: pd.DataFrame) -> float | None:
    """A tenth of the rate with the least smoothed loss after the first ten steps.

    Args:
        curve: The curve of a test, with the columns lr, loss and smoothed.

    Returns:
        The rate; None where the least is no lower than the mean of the first ten losses, or that of the last step.
    """
    smoothed = curve["smoothed"].to_numpy()[EARLY:]
    if not len(smoothed) or smoothed.argmin() == len(smoothed) - 1 or smoothed.min() >= curve["loss"][:EARLY].mean():
        return None
    return float(curve["lr"].iloc[EARLY + int(smoothed.argmin())]) / BELOW


def _rising(parts: RunParts, steps: int, progress: bool) -> pd.DataFrame:
    """A row for each step."""
    rows: list[dict[str, float]] = []
    losses: list[float] = []
    step, mean, epoch = parts.step, 0.0, 0
    parts.model.train()
    for part in parts.frozen:
        part.eval()
    with bar(steps, "learning-rate range", "step", progress) as shown:
        while step.steps < steps:
            parts.data.batches.set_epoch(epoch)
            epoch += 1
            before = step.steps
            for loaded, labels, numbers, _ in parts.data.loader:
                if not len(labels):
                    continue
                done, rate = step.steps, step.schedule(step.steps)
                try:
                    losses.append(step.batch(parts.inputs.views(loaded), labels.to(step.device), numbers, lambda: "it"))
                except BadInput:
                    if not rows:  # not the rate, but the loss itself
                        raise
                    return pd.DataFrame(rows)
                if step.steps == done:
                    continue
                loss, losses = sum(losses) / len(losses), []
                mean = KEEP * mean + (1 - KEEP) * loss
                rows.append({"lr": rate, "loss": loss, "smoothed": mean / (1 - KEEP ** (len(rows) + 1))})
                shown.update()
                least = min(row["smoothed"] for row in rows)
                if step.steps >= steps or (done >= EARLY and rows[-1]["smoothed"] > DIVERGED * least > 0):
                    return pd.DataFrame(rows)
            step.step()  # what accumulated, of which no row is kept
            losses = []
            if step.steps == before:
                raise BadInput("no picture of the training rows can be read")
    return pd.DataFrame(rows)
