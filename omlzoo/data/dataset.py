"""Pictures for training; a row and a seed always give the same augmented picture, in any worker process."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from omlzoo.data.decoded_cache import DecodedCache, file_identity
from omlzoo.data.images import to_rgb
from omlzoo.data.label_images import nothing_known, read_labels
from omlzoo.data.remarks import Remarks
from omlzoo.data.table import Table
from omlzoo.errors import BadImage

__all__ = ["Batch", "ImageTable", "Item", "Pixels", "Seeded", "collate"]

Pixels = Tensor | list[Tensor]  # one view, or several
Item = tuple[Pixels | None, int, int, str]
Batch = tuple[Any, Tensor, Tensor, list[tuple[int, str]]]  # first a Tensor, or a list of views


class ImageTable(Dataset[Item]):
    """Rows of a table as (pixels (3, H, W) uint8, label code, row, error).

    Args:
        table: The pictures with their labels, which are coded 0, 1, ... in order of their first occurrence.
        augment: Computes (3, H, W) uint8 of a PIL image, or a list of several views. It uses torch's global generator,
            which is seeded for each item.
        side: Pixels that the shorter side of a picture needs. A larger picture is reduced by a whole factor, a JPEG
            while it is decoded, to a shorter side of at least that and less than twice that. None reads it whole.
        masks: The label image of each row, None where a row has none: pixels are then (4, H, W), the last of them
            labels, which ``augment`` is called with beside the picture. None gives pixels alone.

    Attributes:
        kept: Keeps pictures as they are before the augmentation; None, which it is at first, keeps none.
    """

    def __init__(
        self, table: Table, augment: Callable[..., Pixels], side: int | None = None,
        masks: Sequence[Path | None] | None = None,
    ) -> None:  # fmt: skip
        self.files, self.boxes = table.files(), table.boxes()
        labels = table.frame["label"]
        self.codes = labels.map({label: code for code, label in enumerate(labels.unique())}).to_numpy()
        self.augment, self.side, self.masks = augment, side, masks
        self.kept: DecodedCache | None = None

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, item: tuple[int, int]) -> Item:
        """The item of (row, seed). For a picture that cannot be read, pixels are None and the error is given."""
        row, seed = item
        try:
            picture = self.picture(row)
            given = (picture,) if self.masks is None else (picture, self._labels(row, self.masks[row], picture.size))
            return self._augmented(given, seed), int(self.codes[row]), row, ""
        except BadImage as error:
            return None, int(self.codes[row]), row, str(error)

    def picture(self, row: int) -> Image.Image:
        """The picture of a row before the augmentation; the same whether it was kept or is decoded now.

        Raises:
            BadImage: It cannot be read.
        """
        identity = None if self.kept is None else file_identity(self.files[row])
        if self.kept is None or identity is None:
            return self._decoded(row)
        found = self.kept.get(row, identity)
        if found is None:
            found = self._decoded(row)
            self.kept.put(row, identity, found)
        return found

    def _decoded(self, row: int) -> Image.Image:
        remarks = Remarks()
        least = None if self.side is None else (-(-self.side // 2),) * 2  # to_rgb keeps twice as much
        image = to_rgb(self.files[row], self.boxes[row], least, remarks=remarks)
        remarks.say_kinds()
        times = 1 if self.side is None else min(image.size) // self.side
        return image.reduce(times) if times > 1 else image

    def _labels(self, row: int, mask: Path | None, size: tuple[int, int]) -> Image.Image:
        if mask is None:
            return nothing_known(size)
        return read_labels(mask, self.files[row], self.boxes[row], size)

    def _augmented(self, given: tuple[Image.Image, ...], seed: int) -> Pixels:
        before = torch.get_rng_state()  # torchvision's transforms can use only the global generator
        try:
            torch.default_generator.manual_seed(seed)
            return self.augment(*given)
        finally:
            torch.set_rng_state(before)


class Seeded(Sampler[list[tuple[int, int]]]):
    """The batches of a sampler as (row, seed), with a seed for each row that depends on the run's seed and the epoch.

    Args:
        batches: The sampler of batches of rows.
        seed: The seed of the run.
    """

    def __init__(self, batches: Sampler[list[int]], seed: int) -> None:
        self.batches, self.seed, self.epoch, self.start = batches, seed, 0, 0

    def __len__(self) -> int:
        return len(self.batches)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        random = np.random.default_rng((self.seed, self.epoch, 1))
        for number, rows in enumerate(self.batches):
            seeds = random.integers(0, 2**62, size=len(rows)).tolist()
            if number >= self.start:
                yield list(zip(rows, seeds, strict=True))

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """Choose the epoch, which decides the batches and the seeds.

        Args:
            epoch: The epoch, a number from 0.
            start: How many batches at the beginning of the epoch to leave out, because they were used before a run
                was interrupted.
        """
        self.epoch, self.start = epoch, start
        if hasattr(self.batches, "set_epoch"):
            self.batches.set_epoch(epoch)


def collate(items: Sequence[Item]) -> Batch:
    """Stack items: pixels (B, 3, H, W), labels (B,) and rows (B,) of the readable ones; (row, error) of the others.

    Of several views, the pixels are a list with (B, 3, H, W) for each of them.
    """
    good = [(pixels, label, row) for pixels, label, row, _ in items if pixels is not None]
    bad = [(row, error) for pixels, _, row, error in items if pixels is None]
    labels, rows = (torch.tensor([item[column] for item in good], dtype=torch.int64) for column in (1, 2))
    return _stacked([pixels for pixels, _, _ in good]), labels, rows, bad


def _stacked(pixels: list[Pixels]) -> Pixels:
    if not pixels:
        return torch.empty(0, 3, 1, 1, dtype=torch.uint8)
    whole = [each for each in pixels if isinstance(each, Tensor)]
    return torch.stack(whole) if whole else [torch.stack(view) for view in zip(*pixels, strict=True)]
