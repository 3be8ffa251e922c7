"""One run of fine-tuning: what it trains, on what, and what it has so far."""

import math
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from omlzoo.checkpoints.state_dict import state_digest
from omlzoo.data import table as tables
from omlzoo.data.augmentations import augmentation
from omlzoo.data.dataset import ImageTable, Seeded, collate
from omlzoo.data.transforms import Transform
from omlzoo.embedding.embeddings import Embeddings
from omlzoo.embedding.pipeline import multiplies_bf16
from omlzoo.errors import BadInput, UnknownName
from omlzoo.evaluation.evaluation import evaluate_embeddings
from omlzoo.evaluation.report import Report
from omlzoo.models._extractor import Extractor
from omlzoo.ops.all_gather import processes
from omlzoo.progress import bar
from omlzoo.samplers.nearest_labels import NearestLabels
from omlzoo.samplers.share import Share
from omlzoo.training import notices, state
from omlzoo.training.distributed import everyone, is_first, join, share_model
from omlzoo.training.frozen_features import FrozenFeatures
from omlzoo.training.loggers import find_log, open_log
from omlzoo.training.loop import EpochSummary, train_epoch
from omlzoo.training.lora import add_lora, merge_lora
from omlzoo.training.optimization import Optimization, checkpoint_blocks
from omlzoo.training.preparation import (
    check_cache,
    drop_paths,
    freeze,
    loader_processes,
    make_head,
    make_loss,
    make_sampler,
    set_apart,
    table_digest,
)  # fmt: skip
from omlzoo.training.recipe import Recipe
from omlzoo.training.run_folder import CACHE, LAST, LOGGED, RECIPE, Run, write_history, write_run
from omlzoo.training.state import Progress
from omlzoo.training.training_model import TrainingModel
from omlzoo.training.validation import embed_together, final_report, pack_ranking

__all__ = ["Trainer"]

NAMED = 4  # pictures of a bad batch that are named


class Trainer:
    """One run: what it trains, on what, and what it has so far."""

    def __init__(
        self, model: Extractor, rows: tables.Table, recipe: Recipe, out: Path, device: str, progress: bool
    ) -> None:
        self.recipe, self.out = recipe, out
        self.log_name = find_log(recipe.log)
        self.start_address = model.facts.address
        self.device = join(
            torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
        )
        self.progress = progress and is_first()
        split = rows.frame["split"]
        self.validation = rows.rows((split == "validation").to_numpy())
        self.fit, self.selection = set_apart(rows.rows((split == "train").to_numpy()), recipe)
        self.rows, self.table_name = rows, rows.name
        self.identity = {
            "recipe": recipe.to_toml(), "table": table_digest(rows),
            "start": state_digest(model.state_dict()),
        }  # fmt: skip
        self.body = model.to(self.device).to(memory_format=torch.channels_last)
        self.transform = Transform(self.body.entry.preprocess)
        torch.manual_seed(recipe.seed)
        check_cache(model, recipe)
        data = ImageTable(self.fit, augmentation(recipe.augment, self.body.entry.preprocess))
        n_labels = int(data.codes.max()) + 1
        self.kept = FrozenFeatures(data, recipe.cache, out / CACHE, recipe.seed) if recipe.cache else None
        self.sampler = make_sampler(self.fit, recipe)
        self.batches = Seeded(self.sampler, recipe.seed)
        self.workers = recipe.workers if recipe.workers >= 0 else loader_processes(len(data))
        self.loader: DataLoader[Any] = DataLoader(
            self.kept or data, batch_sampler=Share(self.batches) if processes() > 1 else self.batches,
            collate_fn=collate, num_workers=0 if self.kept else self.workers,
            generator=torch.Generator().manual_seed(recipe.seed), pin_memory=self.device.type == "cuda",
        )  # fmt: skip
        self.frozen = freeze(model, recipe.freeze)
        drop_paths(model, recipe.drop_path)
        if recipe.lora:
            add_lora(model, recipe.lora)
        stage = recipe.freeze if recipe.cache else 0
        self.model = TrainingModel(model, make_head(recipe, model.dim), stage).to(self.device)
        loss = make_loss(recipe, recipe.poincare or model.dim, n_labels, processes() > 1).to(self.device)
        steps = recipe.epochs * -(-len(self.batches) // recipe.accumulate)
        half = "bf16" if multiplies_bf16(self.device) else "fp32"
        precision = half if recipe.precision == "auto" else recipe.precision
        self.work = Optimization(share_model(self.model), loss, recipe, steps, precision)
        if recipe.recompute:
            checkpoint_blocks(model.stages())
        self.so_far = Progress()
        self.saved = self.started = time.perf_counter()

    def run(self, resume: bool, facts: Mapping[str, str]) -> Run:
        """Train, and write the run folder; ``facts`` are added to those of the report."""
        self.told = dict(facts)
        self.model.eval()
        if resume:
            self.so_far = state.read(self.out / LAST, self.work, self.identity)
        else:
            self._check_selection()
            if self.recipe.duplicates and len(self.validation):
                self.so_far.duplicates, self.so_far.uncompared = notices.of_duplicates(self.rows)
            if len(self.validation):
                report = self._measure(self.validation, thorough=True)
                self.so_far.before, self.so_far.ranking = report.metrics, pack_ranking(report.ranking)
            self._save()
        if self.kept is not None:
            self.kept.fill(self._frozen_stages, self.workers, self.progress)
        self.log = open_log(self.log_name if is_first() else "none", self.out, self.recipe)
        interrupted = False
        try:
            for epoch in range(self.so_far.epochs, self.recipe.epochs):
                self._epoch(epoch)
        except KeyboardInterrupt:
            if not self.so_far.history:
                raise
            interrupted = True
        except BadInput as error:
            if not self.so_far.history:
                raise
            self._finish(True)
            raise BadInput(f"{error}; {self.out} has the model of epoch {self.so_far.best_epoch}") from error
        finally:
            self.log.close()
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
        recipe, so_far = self.recipe, self.so_far
        start = time.perf_counter()
        summary = so_far.summary or EpochSummary()
        had = summary.batches
        if not had:
            torch.manual_seed(recipe.seed * 1_000_003 + epoch)  # dropout and the like
            if epoch and isinstance(self.sampler, NearestLabels):
                vectors = torch.from_numpy(self._embed(self.fit).vectors)
                self.sampler.update(vectors.nan_to_num())  # of unreadable pictures: no direction
                so_far.neighbours = self.sampler.neighbours
        if isinstance(self.sampler, NearestLabels):
            self.sampler.neighbours = so_far.neighbours
        self.batches.set_epoch(epoch, had)
        self.model.train()
        for part in self.frozen:
            part.eval()
        self.work.loss.train()
        with bar(len(self.batches), f"epoch {epoch + 1}/{recipe.epochs}", "batch", self.progress) as drawn:
            drawn.update(had)

            def after(summary: EpochSummary, value: float | None) -> None:
                if value is not None:
                    stats = {name: f"{number:.3g}" for name, number in self._shown().items()}
                    rate = f"{summary.pictures / max(1e-9, time.perf_counter() - start):.0f}/s" if not had else ""
                    drawn.set_postfix({"loss": f"{value:.4f}", "pictures": rate, **stats}, refresh=False)
                    self.log.add(self.work.steps, {"loss": value, "lr": self._rate(), **self._shown()})
                drawn.update()
                due = time.perf_counter() - self.saved > 60 * recipe.save_minutes
                if any(everyone(due)) and not self.work.waiting:
                    so_far.summary = summary
                    self._save()

            summary = train_epoch(self.work, self.loader, self._prepare, summary, self._named, after)
        self.model.eval()
        so_far.skipped |= notices.of_epoch(epoch, summary, so_far.skipped, recipe.unreadable)
        seconds = time.perf_counter() - start
        chosen = self._measure(self.selection).metrics if self.selection is not None else {}
        value = chosen.get(recipe.select, float(epoch))
        if not so_far.best or value > so_far.best_value or math.isnan(so_far.best_value):
            so_far.best_value, so_far.best_epoch = value, epoch + 1
            state_dict = self.work.measured.state_dict()
            so_far.best = {name: tensor.detach().cpu().clone() for name, tensor in state_dict.items()}
        measured = {f"selection {name}": chosen[name] for name in LOGGED if name in chosen}
        self.log.add(self.work.steps, measured)
        so_far.history.append({
            "epoch": epoch + 1, "loss": summary.loss, "lr": self._rate(), "seconds": seconds,
            "pictures_per_second": summary.pictures / seconds, **summary.stats, **measured,
            "skipped": len(summary.skipped), "overflows": self.work.overflows,
        })  # fmt: skip
        so_far.epochs, so_far.summary = epoch + 1, None
        self._save()

    def _rate(self) -> float:
        return self.work.schedule(max(0, self.work.steps - 1))

    def _shown(self) -> dict[str, float]:
        return dict(getattr(self.work.loss, "stats", {}))

    def _frozen_stages(self, pixels: Tensor) -> Tensor:
        with torch.no_grad(), self.work.autocast():
            return self.body.until(self._images(pixels), self.recipe.freeze)

    def _prepare(self, given: Tensor) -> Tensor:
        """What a step takes, of what the loader gives."""
        return self._images(given) if self.kept is None else given.to(self.device)

    def _images(self, pixels: Tensor) -> Tensor:
        images = self.transform.normalize(pixels.to(self.device, non_blocking=True))
        return images.contiguous(memory_format=torch.channels_last)

    def _named(self, rows: Tensor) -> str:
        names = [str(self.fit.frame["path"].iloc[row]) for row in rows[:NAMED].tolist()]
        return ", ".join(names) + f" and {len(rows) - NAMED} more" * (len(rows) > NAMED)

    def _measure(self, rows: tables.Table, thorough: bool = False) -> Report:
        return evaluate_embeddings(self._embed(rows), rows.name, thorough=thorough)

    def _embed(self, rows: tables.Table) -> Embeddings:
        precision = "fp32" if self.recipe.precision == "fp16" else self.recipe.precision
        return embed_together(self.work.measured, rows, precision, self.device)

    def _save(self) -> None:
        """Everything that is needed to go on from here."""
        so_far = replace(self.so_far, seconds=self._elapsed())
        state.write(self.out / LAST, so_far, self.work, self.identity)
        if is_first() and so_far.history:
            write_history(self.out, so_far.history)
        self.saved = time.perf_counter()

    def _elapsed(self) -> float:
        return self.so_far.seconds + time.perf_counter() - self.started

    def _command(self) -> str:
        return f"omlzoo finetune {self.table_name} --model {self.start_address} --config {RECIPE} --out <folder>"

    def _finish(self, interrupted: bool) -> Run:
        """Measure, write the run folder, and remove what was only for resuming."""
        so_far, model = self.so_far, self.work.measured
        model.load_state_dict(so_far.best)
        copies = "not looked for" if so_far.duplicates is None else len(so_far.duplicates)
        facts = {
            "started from": self.start_address,
            "epochs": f"{len(so_far.history)} of {self.recipe.epochs}" + (", interrupted" if interrupted else ""),
            "epoch kept": so_far.best_epoch,
            "chosen on": notices.what_chose(self.selection, self.recipe),
            "training pictures": len(self.fit),
            "training labels": int(self.fit.frame["label"].nunique()),
            "training pictures that could not be read": len(so_far.skipped),
            "validation pictures that are also training pictures": copies,
            "pictures not compared for that, unreadable or of one colour": so_far.uncompared,
            "trained in": self.work.precision,
            "steps left out because fp16 overflowed": self.work.overflows,
            **self.told,
            "seconds": round(self._elapsed(), 1),
        }
        if len(self.validation):
            after = self._measure(self.validation, thorough=True)
            report = final_report(after, facts, so_far.before, so_far.ranking, so_far.history, self.out)
        else:
            report = Report({}, facts)
        run = Run(self.out, report, pd.DataFrame(so_far.history), interrupted)
        if is_first():
            entry = replace(self.body.entry, source=f"fine-tuned from {self.start_address}")
            text = self.recipe.to_toml(self._command())
            if self.kept is not None:
                self.kept.file.unlink(missing_ok=True)
            write_run(run, merge_lora(model), entry, text, Path(self.table_name).stem, so_far.duplicates)
        return run
