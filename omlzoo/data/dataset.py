"""Pictures to train on: a row and a seed give the same augmented picture, whichever worker makes it."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from omlzoo.data.images import to_rgb
from omlzoo.data.table import Table
from omlzoo.errors import BadImage

__all__ = ["Batch", "ImageTable", "Item", "Seeded", "collate"]

Item = tuple[Tensor | None, int, int, str]
Batch = tuple[Tensor, Tensor, Tensor, list[tuple[int, str]]]


class ImageTable(Dataset[Item]):
    """Rows of a table as (pixels (3, H, W) uint8, label code, row, error).

    Args:
        table: Its labels are coded 0, 1, ... in order of first appearance.
        augment: A PIL image to (3, H, W) uint8; it draws from torch's generator, which is seeded for each item.
    """

    def __init__(self, table: Table, augment: Callable[[Image.Image], Tensor]) -> None:
        self.files, self.boxes = table.files(), table.boxes()
        labels = table.frame["label"]
        self.codes = labels.map({label: code for code, label in enumerate(labels.unique())}).to_numpy()
        self.augment = augment

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, item: tuple[int, int]) -> Item:
        """The item of (row, seed); a picture that cannot be read has pixels None and its error."""
        row, seed = item
        try:
            image = to_rgb(self.files[row], self.boxes[row])
        except BadImage as error:
            return None, int(self.codes[row]), row, str(error)
        before = torch.get_rng_state()  # torchvision's transforms know no generator but the global one
        try:
            torch.default_generator.manual_seed(seed)
            return self.augment(image), int(self.codes[row]), row, ""
        finally:
            torch.set_rng_state(before)


class Seeded(Sampler[list[tuple[int, int]]]):
    """The batches of a sampler as (row, seed), the seed made of the run's seed, the epoch and the place in it."""

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
        """Choose the batches and seeds of an epoch, and how many of them were had already."""
        self.epoch, self.start = epoch, start
        if hasattr(self.batches, "set_epoch"):
            self.batches.set_epoch(epoch)


def collate(items: Sequence[Item]) -> Batch:
    """Pixels (B, 3, H, W), labels (B,) and rows (B,) of the readable items, and (row, error) of the others."""
    good = [(pixels, label, row) for pixels, label, row, _ in items if pixels is not None]
    bad = [(row, error) for pixels, _, row, error in items if pixels is None]
    stacked = torch.stack([pixels for pixels, _, _ in good]) if good else torch.empty(0, 3, 1, 1, dtype=torch.uint8)
    labels, rows = (torch.tensor([item[column] for item in good], dtype=torch.int64) for column in (1, 2))
    return stacked, labels, rows, bad
