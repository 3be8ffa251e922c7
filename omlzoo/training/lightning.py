"""An extractor, a loss and batches for Lightning's Trainer, that of ``lightning`` and that of ``pytorch_lightning``.

The two packages have the same classes, and do not know each other's. An object of ours becomes one of the package that
the program has imported as it is made; ``lightning``, where it has imported both.
"""

import sys
from functools import cache
from importlib.util import find_spec
from types import new_class
from typing import Any, Self

import pandas as pd
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Sampler

from omlzoo import catalog
from omlzoo.data import table as tables
from omlzoo.data.augmentations import augmentation
from omlzoo.data.dataset import Batch, ImageTable, Seeded, collate
from omlzoo.data.transforms import Transform
from omlzoo.embedding.extraction import embed_table
from omlzoo.embedding.options import ComputeOptions
from omlzoo.errors import MissingExtra
from omlzoo.evaluation.evaluation import evaluate_embeddings
from omlzoo.evaluation.report import Report
from omlzoo.models._extractor import Extractor
from omlzoo.samplers.share import Share

__all__ = ["MetricLearning", "Retrieval", "training_batches"]

PACKAGES = ("lightning.pytorch", "pytorch_lightning")


class _OfLightning:
    """An object that is made as one of a class of Lightning's too, by the name ``base``."""

    base = ""

    def __new__(cls, *_: Any, **__: Any) -> Self:
        kind: Any = cls
        made: Self = object.__new__(_joined(kind, _package()))
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        plain = next(kind for kind in type(self).__mro__ if kind.__dict__.get("joined") is None)
        return _blank, (plain,), self.__getstate__()


def _package() -> str:
    """The package whose Trainer the program uses.

    Raises:
        MissingExtra: None is installed.
    """
    imported = [name for name in PACKAGES if name in sys.modules]
    if imported:
        return imported[0]
    installed = [name for name in reversed(PACKAGES) if find_spec(name.partition(".")[0])]
    if not installed:
        raise MissingExtra("pytorch-lightning", "lightning")
    return installed[0]


@cache
def _joined(kind: Any, package: str) -> Any:
    """The class that is both ours and Lightning's."""
    if kind.__dict__.get("joined"):
        return kind
    theirs = getattr(catalog.optional(package, "lightning"), kind.base)
    return new_class(kind.__name__, (kind, theirs), exec_body=lambda names: names.update(
        joined=True, __module__=kind.__module__, __doc__=kind.__doc__))  # fmt: skip


def _blank(kind: type) -> Any:
    made: Any = kind
    return made.__new__(made)


class MetricLearning(_OfLightning):
    """Trains an extractor with a loss by AdamW, the learning rate falling as a cosine.

    Args:
        model: Built by ``omlzoo.get_model``.
        loss: Called with embeddings (B, D) and labels (B,); build it with ``gather=True`` for several processes.
        lr: Peak learning rate.
        weight_decay: Weight decay of AdamW.
    """

    base = "LightningModule"
    log: Any
    log_dict: Any
    parameters: Any
    trainer: Any

    def __init__(self, model: Extractor, loss: nn.Module, lr: float = 1e-4, weight_decay: float = 1e-4) -> None:
        super().__init__()
        self.model, self.loss, self.lr, self.weight_decay = model.train(), loss, lr, weight_decay
        self.transform = Transform(model.entry.preprocess)

    def forward(self, images: Tensor) -> Tensor:
        """Embeddings (B, D) of normalised images (B, 3, H, W)."""
        embeddings: Tensor = self.model(images)
        return embeddings

    def training_step(self, batch: Batch) -> Tensor | None:
        """The loss of a batch of :func:`training_batches`; batches without a readable picture are left out."""
        pixels, labels, _, bad = batch
        self.log("unreadable", float(len(bad)), reduce_fx="sum", on_step=False, on_epoch=True)
        if not len(labels):
            return None
        value: Tensor = self.loss(self.model(self.transform.normalize(pixels)), labels)
        self.log_dict({"loss": value.detach(), **getattr(self.loss, "stats", {})}, batch_size=len(labels))
        return value

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.lr, weight_decay=self.weight_decay)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class Retrieval(_OfLightning):
    """Measures the validation rows of a table every few epochs, and logs cmc@1, map@5 and map@r.

    Args:
        table: A csv, parquet file, DataFrame, or a folder with a sub-folder per label.
        every: Number of epochs from one measurement to the next, at least 1.
        root: The folder where relative paths start; by default the folder of the table.

    Attributes:
        reports: A report for each measurement; only in the first process.
    """

    base = "Callback"

    def __init__(self, table: str | pd.DataFrame, every: int = 1, root: str | None = None) -> None:
        rows = tables.read(table, "evaluate", root)
        self.rows = rows.rows((rows.frame["split"] == "validation").to_numpy())
        self.every = every
        self.reports: list[Report] = []

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Measure the validation rows if the epoch is one of those to measure after.

        Args:
            trainer: The trainer of Lightning that calls this.
            pl_module: A :class:`MetricLearning`.
        """
        if (trainer.current_epoch + 1) % self.every:
            return
        module = pl_module
        if trainer.is_global_zero:
            module.model.eval()
            options = ComputeOptions(precision="fp32", device=str(module.device))
            embeddings = embed_table(module.model, self.rows, options=options, progress=False)
            self.reports.append(evaluate_embeddings(embeddings, self.rows.name, thorough=False))
            module.model.train()
            metrics = {name: self.reports[-1].metrics[name] for name in ("cmc@1", "map@5", "map@r")}
            pl_module.log_dict(metrics, rank_zero_only=True)
        trainer.strategy.barrier()


def training_batches(
    model: Extractor,
    table: str | pd.DataFrame,
    make_sampler: Any,
    augment: str = "photo",
    seed: int = 0,
    workers: int = 0,
    root: str | None = None,
) -> DataLoader[Any]:
    """Batches of the train rows for ``Trainer(use_distributed_sampler=False)``; each process gets its share.

    Args:
        model: The extractor, whose preprocessing decides the size of the pictures.
        table: A csv, parquet file, DataFrame, or a folder with a sub-folder per label.
        make_sampler: Makes a sampler from labels (N,), such as ``lambda labels: Balanced(labels, 8, 4)``.
        augment: A name of omlzoo.data.augmentations.
        seed: Seed of the augmentation.
        workers: Number of processes that load pictures; 0 loads them in this process.
        root: The folder where relative paths start; by default the folder of the table.
    """
    rows = tables.read(table, "train", root)
    rows = rows.rows((rows.frame["split"] == "train").to_numpy())
    data = ImageTable(rows, augmentation(augment, model.entry.preprocess))
    batches: Sampler[Any] = Share(Seeded(make_sampler(rows.frame["label"].to_numpy()), seed))
    return DataLoader(data, batch_sampler=batches, collate_fn=collate, num_workers=workers)
