"""A run under way: it trains the epochs, saves the state, keeps the best epoch and writes the run folder."""

import logging
import math
import shutil
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from omlzoo.errors import BadInput
from omlzoo.evaluation.report import Report
from omlzoo.models._extractor import Extractor
from omlzoo.progress import bar
from omlzoo.samplers._embedding_sampler import EmbeddingSampler
from omlzoo.training import notices, state
from omlzoo.training.building import RunParts
from omlzoo.training.callbacks import StopRun, UnderWay
from omlzoo.training.decoded_pictures import keeping_decoded
from omlzoo.training.distributed import everyone, is_first
from omlzoo.training.loggers import CURVES, Log, Nowhere
from omlzoo.training.loop import EpochSummary, train_epoch
from omlzoo.training.lora import merge_lora
from omlzoo.training.monitors import collapse
from omlzoo.training.own_parts import from_worker
from omlzoo.training.run_folder import DECODED, LAST, LOGGED, Run, write_history, write_run
from omlzoo.training.state import Progress
from omlzoo.training.time_left import TimeLeft, in_words
from omlzoo.training.validation import final_report, pack_ranking
from omlzoo.zoo.text_model import TextModel

__all__ = ["Running"]

LOG = logging.getLogger(__name__)
NAMED = 4  # pictures of a bad batch that are named


class Running:
    """One run under way.

    Args:
        parts: The parts of the run.
        facts: Facts that are added to those of the report.
        progress: Whether to show progress bars where standard error is a terminal.
    """

    def __init__(self, parts: RunParts, facts: Mapping[str, str], progress: bool) -> None:
        self.parts, self.facts = parts, facts
        self.progress = progress and is_first()
        self.so_far = Progress()
        self.log: Log = Nowhere()
        self.measured: dict[str, float] = {}  # metrics of the selection rows after the last epoch
        self.saved_steps = 0
        self.left = TimeLeft(parts.plan.epochs, len(parts.data.batches))
        self.started = self.saved = time.perf_counter()

    def run(self, resume: bool) -> Run:
        """Train, and write the run folder.

        Args:
            resume: Whether to go on from the saved state in the run folder.

        Raises:
            BadInput: The saved state is of another run, a loss is not finite, or too few pictures can be read. Where an
                epoch was finished, the folder has the best model.
        """
        parts = self.parts
        parts.model.eval()
        if resume:
            self.so_far = state.read(parts.out / LAST, parts.step, parts.identity)
        else:
            self._begin()
        if parts.data.features is not None:
            parts.data.features.fill(parts.frozen_stages, parts.data.workers, self.progress)
        self.log = parts.open_log() if is_first() else Nowhere()
        interrupted = False
        try:
            left, limit = parts.plan.epochs - self.so_far.epochs, parts.plan.decoded_gb
            selection = parts.split.selection
            with keeping_decoded(parts.data, parts.probe, selection, parts.out / DECODED, left, limit):
                for epoch in range(self.so_far.epochs, parts.plan.epochs):
                    if not self.so_far.stopped:
                        self._epoch(epoch)
        except KeyboardInterrupt:
            if not self.so_far.history:
                raise
            interrupted = True
        except BadInput as error:
            said = from_worker(error)
            if not self.so_far.history:
                if not resume:
                    self._withdraw()
                raise BadInput(said) from error
            self._finish(True)
            raise BadInput(f"{said}; {parts.out} has the model of epoch {self.so_far.best_epoch}") from error
        finally:
            self.log.close()
        return self._finish(interrupted)

    def _begin(self) -> None:
        """Check and measure before the first step, and save the state."""
        parts, split = self.parts, self.parts.split
        if split.selection is not None:
            begun = time.perf_counter()
            parts.probe.check(parts.step.measured, split.selection, self._texts())
            self.left.between = time.perf_counter() - begun
        if parts.plan.find_copies and len(split.validation):
            self.so_far.duplicates, self.so_far.uncompared = notices.of_duplicates(split.table)
        if len(split.validation):
            begun = time.perf_counter()
            report = parts.probe.measure(parts.step.measured, split.validation, True, self._texts())
            self.left.finish = time.perf_counter() - begun
            self.so_far.before, self.so_far.ranking = report.metrics, pack_ranking(report.ranking)
        self._save()

    def _epoch(self, epoch: int) -> None:
        """Train one epoch, or the rest of one, measure it, and save."""
        parts, so_far = self.parts, self.so_far
        start = time.perf_counter()
        summary = so_far.summary or EpochSummary()
        self._set_epoch(epoch, summary.batches)
        summary = self._train(epoch, summary)
        parts.model.eval()
        so_far.skipped |= notices.of_epoch(epoch, summary, so_far.skipped, parts.plan.unreadable)
        seconds = time.perf_counter() - start
        watched = {} if parts.monitor is None else parts.monitor.measure(parts.step.measured)
        row = {
            "epoch": epoch + 1, "loss": summary.loss, "lr": self._rate(), "seconds": seconds,
            "pictures_per_second": summary.pictures / seconds, **summary.stats, **watched,
        }  # fmt: skip
        self._check(row)
        measured = self._choose(epoch, row)
        self.log.add(parts.step.steps, {**watched, **measured})
        so_far.history.append({**row, **measured, "skipped": len(summary.skipped), "overflows": parts.step.overflows})
        so_far.epochs, so_far.summary = epoch + 1, None
        self._tell("on_epoch", epoch, summary.loss, self.measured)
        self._save()

    def _check(self, row: dict[str, Any]) -> None:
        """Stop a run that has collapsed, before its weights take the place of the last healthy ones."""
        parts = self.parts
        if parts.monitor is None or not parts.monitor.alarm:
            return
        said = collapse(self.so_far.history, row, parts.step.flat, parts.monitor.warming)
        if said is not None:
            raise BadInput(f"epoch {row['epoch']}: {said}; to go on all the same, set alarm to false (--no-alarm)")

    def _set_epoch(self, epoch: int, done: int) -> None:
        """Random numbers and batches of an epoch of which ``done`` batches were trained already."""
        parts, so_far, sampler = self.parts, self.so_far, self.parts.data.sampler
        if not done:
            torch.manual_seed(parts.plan.seed * 1_000_003 + epoch)  # dropout and the like
            if isinstance(sampler, EmbeddingSampler) and (epoch or sampler.from_first):
                sampler.update(self._vectors(parts.step.measured))
                so_far.neighbours = sampler.neighbours
            parts.step.look_around(self._vectors, torch.tensor(parts.data.pictures.codes))
        if isinstance(sampler, EmbeddingSampler):
            sampler.neighbours = so_far.neighbours
        parts.data.batches.set_epoch(epoch, done)

    def _vectors(self, model: Extractor) -> Tensor:
        """Vectors of all training pictures; those of unreadable ones have no direction."""
        return torch.from_numpy(self.parts.probe.embed(model, self.parts.split.fit).vectors).nan_to_num()

    def _train(self, epoch: int, summary: EpochSummary) -> EpochSummary:
        """The batches of an epoch that are left, under a bar."""
        parts, step, begun, done = self.parts, self.parts.step, time.perf_counter(), summary.batches
        parts.model.train()
        for part in parts.frozen:
            part.eval()
        step.objective.train()
        if step.teacher is not None:
            step.teacher.in_mode_of(step.body)
        self.left.begin(epoch, done)
        with bar(
            len(parts.data.batches), f"epoch {epoch + 1}/{parts.plan.epochs}", "batch", self.progress
        ) as shown_bar:
            shown_bar.update(done)

            def after(summary: EpochSummary, value: float | None) -> None:
                self.left.batch()
                if (minute := self.left.after_a_minute()) is not None:
                    LOG.info("%s left of %s epochs", in_words(minute), parts.plan.epochs)
                if value is not None:
                    stats = {name: f"{number:.3g}" for name, number in step.stats.items()}
                    rate = "" if done else f"{summary.pictures / max(1e-9, time.perf_counter() - begun):.0f}/s"
                    left = self.left.seconds()
                    shown = {"left": "" if left is None else in_words(left), "loss": f"{value:.4f}", "pictures": rate}
                    shown_bar.show_numbers({**shown, **stats})
                    self.log.add(step.steps, {"loss": value, "lr": self._rate(), **step.stats})
                shown_bar.update()
                if value is not None and parts.callbacks.listens("on_step"):
                    self._tell("on_step", epoch, value, {})
                    if self.so_far.stopped:
                        raise StopRun
                due = time.perf_counter() - self.saved > parts.plan.save_seconds
                if any(everyone(due)) and not step.waiting:
                    self.so_far.summary = summary
                    self._save()

            try:
                return train_epoch(step, parts.data.loader, parts.inputs.views, summary, self._named, after)
            except StopRun:  # the summary has the batches before it
                step.step()
                return summary

    def _tell(self, moment: str, epoch: int, loss: float, metrics: dict[str, float]) -> None:
        """Call the callbacks, and remember which of them ends the run."""
        parts, so_far, step = self.parts, self.so_far, self.parts.step
        if parts.callbacks.listens(moment):
            run = UnderWay(parts.out, epoch + 1, parts.plan.epochs, step.steps, loss, step.stats, metrics,
                           so_far.history, step.measured)  # fmt: skip
            so_far.stopped = parts.callbacks.call(moment, run) or so_far.stopped

    def _withdraw(self) -> None:
        """Remove what a run wrote that failed before its first epoch was finished, unless steps of it were saved."""
        if is_first() and not self.saved_steps:
            (self.parts.out / LAST).unlink(missing_ok=True)
            shutil.rmtree(self.parts.out / CURVES, ignore_errors=True)
            if self.parts.data.features is not None:
                self.parts.data.features.file.unlink(missing_ok=True)

    def _choose(self, epoch: int, row: dict[str, Any]) -> dict[str, float]:
        """Keep the weights if they are the best so far; returns what the selection rows gave."""
        parts, so_far = self.parts, self.so_far
        selection, step = parts.split.selection, parts.step
        texts = self._texts()
        metrics = {} if selection is None else parts.probe.measure(step.measured, selection, texts=texts).metrics
        value = metrics.get(parts.probe.metric, float(epoch))
        if not so_far.best or value > so_far.best_value or math.isnan(so_far.best_value):
            so_far.best_value, so_far.best_epoch = value, epoch + 1
            weights = step.measured.state_dict()
            so_far.best = {name: tensor.detach().cpu().clone() for name, tensor in weights.items()}
            if parts.captioning is not None and texts is not None:
                so_far.best_text = parts.captioning.kept(texts.tower, step.objective)
        self.measured = {name: metrics[name] for name in LOGGED if name in metrics}
        self._tell("on_measure", epoch, row["loss"], self.measured)
        return {f"selection {name}": value for name, value in self.measured.items()}

    def _texts(self) -> TextModel | None:
        """The text model as it is now, where the run learns from captions."""
        tower, captioning = self.parts.step.measured_text, self.parts.captioning
        return None if captioning is None or tower is None else captioning.reader(tower)

    def _rate(self) -> float:
        step = self.parts.step
        return step.schedule(max(0, step.steps - 1))

    def _named(self, rows: Tensor) -> str:
        paths = self.parts.split.fit.frame["path"]
        names = [str(paths.iloc[row]) for row in rows[:NAMED].tolist()]
        return ", ".join(names) + f" and {len(rows) - NAMED} more" * (len(rows) > NAMED)

    def _save(self) -> None:
        """Everything that is needed to go on from here."""
        out, so_far = self.parts.out, replace(self.so_far, seconds=self._elapsed())
        state.write(out / LAST, so_far, self.parts.step, self.parts.identity)
        if is_first() and so_far.history:
            write_history(out, so_far.history)
        self.saved, self.saved_steps = time.perf_counter(), self.parts.step.steps

    def _elapsed(self) -> float:
        return self.so_far.seconds + time.perf_counter() - self.started

    def _finish(self, interrupted: bool) -> Run:
        """Measure, write the run folder, and remove what was only for resuming."""
        parts, so_far, model = self.parts, self.so_far, self.parts.step.measured
        model.load_state_dict(so_far.best)
        texts, text = self._texts(), None
        if texts is not None and parts.captioning is not None:
            text = parts.captioning.text, parts.captioning.files(texts.tower, so_far.best_text)
        facts = {**notices.facts_of(parts, so_far, interrupted), **self.facts, "seconds": round(self._elapsed(), 1)}
        report = Report({}, facts)
        if len(parts.split.validation):
            after = parts.probe.measure(model, parts.split.validation, True, texts)
            report = final_report(after, report.facts, so_far.before, so_far.ranking, so_far.history, parts.out)
        run = Run(parts.out, report, pd.DataFrame(so_far.history), interrupted)
        if is_first():
            if parts.data.features is not None:
                parts.data.features.file.unlink(missing_ok=True)
            entry = replace(parts.entry, source=parts.source)
            dataset = Path(parts.split.table.name).stem
            by = f"omlzoo {parts.act}"
            write_run(run, merge_lora(model), entry, parts.recipe, dataset, by, so_far.duplicates, text)
        return run
