"""batches(): the training rows of a table as float batches that a model takes, for one's own loop of torch."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import Sampler

from omlzoo.data import table as tables
from omlzoo.data.transforms import Transform
from omlzoo.errors import UnknownName, notice
from omlzoo.models._extractor import Extractor
from omlzoo.training.building import TrainingData, build_data
from omlzoo.training.defaults import suggest
from omlzoo.training.inputs import Inputs
from omlzoo.training.recipe import Recipe

__all__ = ["TrainingBatches", "batches"]

TAKEN = ("n_labels", "n_instances", "n_categories", "sampler_args", "decode", "seed", "workers")


class TrainingBatches:
    """Batches of training pictures; each pass over them is an epoch with other batches and augmentations.

    A pass gives (images (B, 3, H, W) float, normalised and on the device of the model, label codes (B,) int64).
    Pictures that cannot be read are left out, and a notice counts them once.

    Args:
        data: The pictures and their order.
        inputs: Prepares pixels for the model.
        names: The label of each code.

    Attributes:
        epoch: The number of the next pass, from 0; the same number gives the same batches.
        unreadable: Row and error of the pictures that could not be read so far.
        names: The label of each code.
    """

    def __init__(self, data: TrainingData, inputs: Inputs, names: list[str]) -> None:
        self.data, self.inputs, self.names = data, inputs, names
        self.epoch = 0
        self.unreadable: dict[int, str] = {}

    def __len__(self) -> int:
        return len(self.data.batches)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        self.set_epoch(self.epoch)
        self.epoch += 1
        known = len(self.unreadable)
        for pixels, labels, _, bad in self.data.loader:
            self.unreadable.update(bad)
            if len(labels):
                yield self.inputs.images(pixels), labels.to(self.inputs.device)
        if len(self.unreadable) > known:
            first = next(iter(self.unreadable.values()))
            notice(f"{len(self.unreadable)} pictures could not be read and were left out; the first: {first}")

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the next pass, a number from 0; without it each pass is the next epoch."""
        self.epoch = epoch
        self.data.batches.set_epoch(epoch)

    @property
    def sampler(self) -> Sampler[list[int]]:
        """The sampler; ``update`` of a NearestLabels or HardNegatives is told the vectors before an epoch."""
        return self.data.sampler


def batches(
    model: Extractor,
    table: str | Path | pd.DataFrame,
    sampler: str | Callable[[Any], Any] | Sampler[Any] | None = None,
    *,
    augment: Any = "photo",
    root: str | Path | None = None,
    **settings: Any,
) -> TrainingBatches:
    """The train rows of a table as normalised float batches, ready for ``model(images)`` in one's own loop.

    Args:
        model: The extractor, whose preprocessing decides size and normalisation, and whose device gets the batches.
        table: A csv, parquet file, DataFrame, or a folder with a sub-folder per label; rows whose split is not "train"
            are passed over.
        sampler: A function that makes a sampler from the labels of the train rows, such as
            ``lambda labels: Balanced(labels, 8, 4)``; a sampler over these rows that is made already; or a name of
            omlzoo.samplers. None is Balanced, with as many labels and pictures of each as suit the table.
        augment: A name of omlzoo.data.augmentations, or any callable of a PIL image, as in ``omlzoo.finetune``.
        root: The folder where relative paths start; by default the folder of the table.
        **settings: n_labels, n_instances, n_categories, sampler_args, decode, seed and workers, as in
            :class:`omlzoo.training.Recipe`.

    Raises:
        BadTable: The table has faults; all are listed.
        BadInput: The sampler or the augmentation does not suit.
        UnknownName: There is no such setting.
    """
    for name in settings:
        if name not in TAKEN:
            raise UnknownName("omlzoo.batches", name, TAKEN)
    given = {**settings, "augment": augment, **({} if sampler is None else {"sampler": sampler})}
    recipe = Recipe(selection=0.0).changed(given)
    rows = tables.read(table, "train", root)
    for text in rows.notices:
        notice(text)
    rows = rows.rows((rows.frame["split"] == "train").to_numpy())
    recipe = recipe.changed(suggest(rows.frame, given))
    device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
    data = build_data(rows, recipe, model.entry.preprocess, Path(), device)
    names = [str(label) for label in rows.frame["label"].unique()]
    return TrainingBatches(data, Inputs(Transform(model.entry.preprocess), device), names)
