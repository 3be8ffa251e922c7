"""The outputs of the frozen stages for each picture, computed once and kept in a file."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from omlzoo.data.dataset import ImageTable, Item, collate
from omlzoo.errors import BadInput
from omlzoo.progress import bar

__all__ = ["FrozenFeatures"]

BATCH = 32  # pictures that go through the stages at once


class FrozenFeatures(Dataset[Item]):
    """A data set of the outputs of frozen stages, float32; an item is a picture's row and a seed that chooses a view.

    Args:
        pictures: The pictures, whose augmentation makes the views.
        views: Number of views of each picture, at least 1.
        file: The file of the outputs, which is replaced if it exists.
        seed: Seed of the augmentations.
    """

    def __init__(self, pictures: ImageTable, views: int, file: Path, seed: int) -> None:
        self.pictures, self.views, self.file, self.seed = pictures, views, file, seed
        self.errors: dict[int, str] = {}
        self.shape: tuple[int, ...] = ()

    def fill(self, stages: Callable[[Tensor], Tensor], workers: int, progress: bool) -> None:
        """Compute the outputs for all views of all pictures.

        Args:
            stages: Computes from pixels (B, 3, H, W) uint8 a tensor of B rows.
            workers: Number of processes that load pictures; 0 loads them in this process.
            progress: Whether to show a progress bar.

        Raises:
            BadInput: The disk has not enough space for the file.
        """
        loader = DataLoader(self.pictures, batch_sampler=self._batches(), collate_fn=collate, num_workers=workers)
        count = len(self.pictures)
        kept: np.ndarray | None = None
        done = 0
        with bar(count * self.views, "frozen stages", "picture", progress) as shown_bar:
            for pixels, _, rows, bad in loader:
                view = done // count
                self.errors.update(bad)
                if len(rows):
                    outputs = stages(pixels).float().cpu().numpy()
                    kept = self._room(outputs.shape[1:]) if kept is None else kept
                    kept[view, rows.numpy()] = outputs
                done += len(rows) + len(bad)
                shown_bar.update(len(rows) + len(bad))

    def _batches(self) -> list[list[tuple[int, int]]]:
        """(row, seed) of all pictures, view after view; no batch has two views."""
        count = len(self.pictures)
        seeds = np.random.default_rng((self.seed, 3)).integers(0, 2**62, (self.views, count)).tolist()
        return [
            [(row, seeds[view][row]) for row in range(start, min(start + BATCH, count))]
            for view in range(self.views)
            for start in range(0, count, BATCH)
        ]

    def _room(self, shape: tuple[int, ...]) -> np.ndarray:
        """The file, of (views, pictures, *shape)."""
        self.shape = (self.views, len(self.pictures), *shape)
        need, free = int(np.prod(self.shape)) * 4, shutil.disk_usage(self.file.parent).free
        if need > free:
            has = f"{self.file.parent} has {free / 1e9:.1f} GB left"
            raise BadInput(f"cache is {self.views}; its outputs of {len(self.pictures)} pictures take "
                           f"{need / 1e9:.1f} GB, and {has}; lower it, or set it to 0")  # fmt: skip
        return np.memmap(self.file, np.float32, "w+", shape=self.shape)

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, item: tuple[int, int]) -> Item:
        row, seed = item
        code = int(self.pictures.codes[row])
        if row in self.errors:
            return None, code, row, self.errors[row]
        kept = np.memmap(self.file, np.float32, "r", shape=self.shape)
        return torch.from_numpy(kept[seed % self.views, row].copy()), code, row, ""
