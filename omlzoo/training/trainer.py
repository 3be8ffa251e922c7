"""One run of fine-tuning: what it trains, on what, what it has so far, and the folder it writes."""

import math
import time
import warnings
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from omlzoo import checkpoint, manifest, zoo
from omlzoo import table as tables
from omlzoo.atomic import new_file
from omlzoo.augmentations import augmentation
from omlzoo.dataset import Pictures, Seeded, collate
from omlzoo.errors import BadInput, OmlzooWarning, UnknownName
from omlzoo.evaluation import Report, evaluate_embeddings
from omlzoo.extraction import embed_table
from omlzoo.extractor import Extractor
from omlzoo.manifest import Metric
from omlzoo.pipeline import multiplies_bf16
from omlzoo.progress import bar
from omlzoo.training.loop import EpochSummary, learning_rate, train_epoch
from omlzoo.training.preparation import (
    fingerprint,
    freeze,
    loader_processes,
    make_loss,
    make_sampler,
    parameter_groups,
    set_apart,
)
from omlzoo.training.recipe import Recipe
from omlzoo.transforms import Transform
from omlzoo.weights import Weights

__all__ = ["Run", "Trainer"]

LAST, RECIPE, HISTORY = "last.ckpt", "recipe.toml", "history.csv"
REPORT, PAGE = "report.json", "report.html"
LOGGED = ("cmc@1", "map@5", "map@r")


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        folder: model.safetensors, entry.json, recipe.toml, history.csv, report.json, report.html.
        report: The validation rows, before and after.
        history: A row per epoch.
        interrupted: Whether it was stopped before its last epoch; the best model so far is kept.
    """

    folder: Path
    report: Report
    history: pd.DataFrame
    interrupted: bool = False

    def model(self) -> Extractor:
        """The fine-tuned extractor."""
        return zoo.get_model(str(self.folder))


class Trainer:
    """One run: what it trains, on what, and what it has so far."""

    def __init__(
        self, model: Extractor, rows: tables.Table, recipe: Recipe, out: Path, device: str, progress: bool
    ) -> None:
        self.recipe, self.out, self.progress = recipe, out, progress
        self.start_address = (
            str(model.weights.address) if isinstance(model.weights, Weights) else "a model of one's own"
        )
        self.device = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
        split = rows.frame["split"]
        self.validation = rows.rows((split == "validation").to_numpy())
        self.fit, self.selection = set_apart(rows.rows((split == "train").to_numpy()), recipe)
        self.table_name = rows.name
        self.model = model.to(self.device).to(memory_format=torch.channels_last)
        self.transform = Transform(self.facts.entry.preprocess)
        torch.manual_seed(recipe.seed)
        data = Pictures(self.fit, augmentation(recipe.augment, self.facts.entry.preprocess))
        self.batches = Seeded(make_sampler(self.fit, recipe), recipe.seed)
        self.loss = make_loss(recipe, model.dim, int(data.codes.max()) + 1).to(self.device)
        workers = recipe.workers if recipe.workers >= 0 else loader_processes(len(data))
        self.loader: DataLoader[Any] = DataLoader(
            data, batch_sampler=self.batches, collate_fn=collate, num_workers=workers,
            generator=torch.Generator().manual_seed(recipe.seed), pin_memory=self.device.type == "cuda",
        )  # fmt: skip
        self.frozen = freeze(model, recipe.freeze)
        self.optimizer = torch.optim.AdamW(
            parameter_groups(nn.ModuleList([self.model, self.loss]), recipe.weight_decay), lr=recipe.lr
        )
        self.schedule = learning_rate(recipe.lr, recipe.epochs * len(self.batches), recipe.warmup)
        half = recipe.precision == "bf16" or (recipe.precision == "auto" and multiplies_bf16(self.device))
        self.precision = "bf16" if half else "fp32"
        self.history: list[dict[str, Any]] = []
        self.skipped: dict[int, str] = {}
        self.best: dict[str, Tensor] = {}
        self.best_epoch, self.best_value = 0, -1.0
        self.before: dict[str, Any] | None = None
        self.seconds, self.started = 0.0, time.perf_counter()  # of earlier processes; of this one
        self.rows = fingerprint(rows)
        self.start = checkpoint.state_digest(self.model.state_dict())

    @property
    def facts(self) -> Weights:
        facts = self.model.weights
        if not isinstance(facts, Weights):
            raise BadInput("this model was built bare, without an entry; build it with omlzoo.get_model")
        return facts

    def run(self, resume: bool) -> Run:
        done = self._restore() if resume else 0
        if not resume:
            self._check_selection()
            self.before = self._measure(self.validation).metrics if len(self.validation) else None
        interrupted = False
        try:
            for epoch in range(done, self.recipe.epochs):
                self._epoch(epoch)
        except KeyboardInterrupt:
            if not self.history:
                raise
            interrupted = True
        self.model.load_state_dict(self.best)
        return self._finish(interrupted)

    def _check_selection(self) -> None:
        """Refuse, before anything is trained, a metric that is not there or that the selection rows cannot have."""
        if self.selection is None:
            return
        metrics = self._measure(self.selection).metrics
        if self.recipe.select not in metrics:
            raise UnknownName("the metrics of the selection rows", self.recipe.select, metrics)
        if not math.isfinite(metrics[self.recipe.select]):
            said = f"{len(self.selection)} rows set apart from training"
            raise BadInput(f"{self.recipe.select} of the {said} is not a number: no label has two; set selection to 0")

    def _epoch(self, epoch: int) -> None:
        recipe, steps = self.recipe, len(self.batches)
        start = time.perf_counter()
        torch.manual_seed(recipe.seed * 1_000_003 + epoch)  # dropout and the like
        self.batches.set_epoch(epoch)
        self.model.train()
        for part in self.frozen:
            part.eval()
        self.loss.train()
        with bar(steps, f"epoch {epoch + 1}/{recipe.epochs}", "batch", self.progress) as drawn:

            def report(value: float) -> None:
                drawn.set_postfix(loss=f"{value:.4f}", refresh=False)
                drawn.update()

            summary = train_epoch(
                self.model, self.loss, self.loader, self._prepare, self.optimizer, self.schedule,
                epoch * steps, self._autocast, recipe.clip, report,
            )  # fmt: skip
        self.model.eval()
        if not summary.steps:
            raise BadInput(
                f"no picture of epoch {epoch + 1} could be read; the first: {next(iter(summary.skipped.values()))}"
            )
        seconds = time.perf_counter() - start
        self._note(summary)
        chosen = self._measure(self.selection).metrics if self.selection is not None else {}
        value = chosen.get(recipe.select, float(epoch))
        if value > self.best_value:
            self.best_value, self.best_epoch = value, epoch + 1
            self.best = {name: tensor.detach().cpu().clone() for name, tensor in self.model.state_dict().items()}
        row = {
            "epoch": epoch + 1,
            "loss": summary.loss,
            "lr": self.schedule(epoch * steps + steps - 1),
            "seconds": seconds,
        }
        row |= summary.stats
        row |= {f"selection {name}": chosen[name] for name in LOGGED if name in chosen}
        self.history.append({**row, "skipped": len(summary.skipped)})
        self._keep(epoch + 1)

    def _prepare(self, pixels: Tensor) -> Tensor:
        images = self.transform.normalize(pixels.to(self.device, non_blocking=True))
        return images.contiguous(memory_format=torch.channels_last)

    def _autocast(self) -> AbstractContextManager[object]:
        if self.precision == "fp32":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def _note(self, summary: EpochSummary) -> None:
        new = {row: error for row, error in summary.skipped.items() if row not in self.skipped}
        self.skipped |= new
        if new:
            first = next(iter(new.values()))
            said = f"{len(new)} pictures could not be read and are skipped in training; the first: {first}"
            warnings.warn(said, OmlzooWarning, stacklevel=5)

    def _measure(self, rows: tables.Table) -> Report:
        embeddings = embed_table(
            self.model, rows, precision=self.recipe.precision, device=str(self.device), progress=False
        )
        return evaluate_embeddings(embeddings, rows.name)

    def _keep(self, done: int) -> None:
        """Everything that is needed to go on after this epoch."""
        state = {
            "done": done, "recipe": self.recipe.to_toml(), "rows": self.rows, "start": self.start,
            "before": self.before, "skipped": self.skipped, "seconds": self._elapsed(),
            "model": self.model.state_dict(), "loss": self.loss.state_dict(), "optimizer": self.optimizer.state_dict(),
            "best": self.best, "best_epoch": self.best_epoch, "best_value": self.best_value, "history": self.history,
        }  # fmt: skip
        with new_file(self.out / LAST) as temporary:
            torch.save(state, temporary)
        _write(self.out / HISTORY, pd.DataFrame(self.history).to_csv(index=False))

    def _restore(self) -> int:
        state = torch.load(self.out / LAST, map_location="cpu", weights_only=True)
        ours = {"recipe": self.recipe.to_toml(), "rows": self.rows, "start": self.start}
        for name, value in ours.items():
            if state[name] != value:
                lines = zip(str(state[name]).splitlines(), str(value).splitlines(), strict=False)
                was, now = next(((a, b) for a, b in lines if a != b), (state[name], value))
                raise BadInput(f"{self.out} was run with another {name}: {was} there, {now} here; resume with the same")
        self.model.load_state_dict(state["model"])
        self.loss.load_state_dict(state["loss"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.best, self.history = state["best"], state["history"]
        self.best_epoch, self.best_value = state["best_epoch"], state["best_value"]
        self.before, self.skipped, self.seconds = state["before"], state["skipped"], state["seconds"]
        return int(state["done"])

    def _elapsed(self) -> float:
        return self.seconds + time.perf_counter() - self.started

    def _command(self) -> str:
        return f"omlzoo finetune {self.table_name} --model {self.start_address} --config {RECIPE} --out <folder>"

    def _finish(self, interrupted: bool) -> Run:
        """Measure, write the run folder, and remove what was only for resuming."""
        facts = {
            "started from": self.start_address,
            "epochs": f"{len(self.history)} of {self.recipe.epochs}" + (", interrupted" if interrupted else ""),
            "epoch kept": self.best_epoch,
            "chosen on": _said(self.selection, self.recipe),
            "training pictures": len(self.fit),
            "training labels": int(self.fit.frame["label"].nunique()),
            "training pictures that could not be read": len(self.skipped),
            "seconds": round(self._elapsed(), 1),
        }
        if len(self.validation):
            after = self._measure(self.validation)
            report = replace(after, facts={**after.facts, **facts}, before=self.before)
            report.facts["model"] = str(self.out)
            report.facts.pop("weights sha256")
        else:
            report = Report({}, facts)
        metrics = tuple(
            Metric(
                Path(self.table_name).stem,
                name,
                round(report.metrics[name], 4),
                "omlzoo finetune",
                REPORT,
                "upstream",
            )
            for name in LOGGED
            if name in report.metrics
        )
        entry = manifest.without_address(
            self.facts.entry, name=self.out.resolve().name, metrics=metrics, preprocess_oml=None,
            source=f"fine-tuned from {self.start_address}",
        )  # fmt: skip
        checkpoint.save(self.best, entry, self.out, overwrite=True)
        _write(self.out / RECIPE, self.recipe.to_toml(self._command()))
        report.save(self.out / REPORT)
        report.html(self.out / PAGE)
        if not interrupted:  # an interrupted run can go on
            (self.out / LAST).unlink(missing_ok=True)
        return Run(self.out, report, pd.DataFrame(self.history), interrupted)


def _said(selection: tables.Table | None, recipe: Recipe) -> str:
    if selection is None:
        return "nothing: the last epoch is kept"
    labels = selection.frame["label"].nunique()
    return f"{recipe.select} of {len(selection)} pictures of {labels} labels set apart from the training labels"


def _write(path: Path, text: str) -> None:
    with new_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
