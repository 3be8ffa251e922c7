"""The newest row of each picture, in 64 bytes each: a key of 16 bytes identifies a picture in place of its name."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pandas as pd

from omlzoo.data.addresses import is_address

__all__ = ["BLOCK", "BOX", "KEY", "LatestRows", "keys_of", "last_rows", "whole_paths"]

KEY = "S16"
BLOCK = 1 << 16  # rows whose names are in memory at once
BOX = ["x_1", "y_1", "x_2", "y_2"]


@dataclass(frozen=True)
class LatestRows:
    """The newest row of each of M pictures.

    Attributes:
        keys: (M,) keys of :func:`keys_of`, ascending.
        files: (M,) number of the file that has the row.
        rows: (M,) number of the row in that file.
        sizes: (M, 2) size in bytes and time of change in nanoseconds of the picture's file when it was embedded.
        order: (M,) positions in the arrays above, sorted by file and row.
        ordered: (M,) ``files`` in that order.
    """

    keys: np.ndarray
    files: np.ndarray
    rows: np.ndarray
    sizes: np.ndarray
    order: np.ndarray
    ordered: np.ndarray

    @staticmethod
    def of(
        keys: np.ndarray, files: np.ndarray, rows: np.ndarray, sizes: np.ndarray, removed: tuple[np.ndarray, np.ndarray]
    ) -> "LatestRows":
        """The newest rows among all rows in the order they were written, without pictures whose newest row was removed.

        Args:
            keys: (N,) keys of :func:`keys_of`.
            files: (N,) number of the file of each row.
            rows: (N,) number of each row in its file.
            sizes: (N, 2) size in bytes and time of change in nanoseconds of each picture's file.
            removed: Two arrays (R,): the numbers of the files and of the rows that were removed.
        """
        order = np.argsort(keys, kind="stable")
        last = np.ones(len(keys), dtype=bool)
        last[:-1] = keys[order[1:]] != keys[order[:-1]]
        chosen = order[last]
        chosen = chosen[~np.isin(_places(files[chosen], rows[chosen]), _places(*removed))]
        files, rows = files[chosen], rows[chosen]
        by_file = np.lexsort((rows, files))
        return LatestRows(keys[chosen], files, rows, sizes[chosen], by_file, files[by_file])

    def __len__(self) -> int:
        return len(self.keys)

    def has(self, keys: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        """Whether each picture (N,) is here and its file has not changed.

        Args:
            keys: (N,) keys of :func:`keys_of`.
            sizes: (N, 2) size in bytes and time of change in nanoseconds of each picture's file now.

        Returns:
            (N,) bool.
        """
        if not len(self):
            return np.zeros(len(keys), dtype=bool)
        at = np.searchsorted(self.keys, keys).clip(max=len(self) - 1)
        return np.asarray((self.keys[at] == keys) & (self.sizes[at] == sizes).all(axis=1))

    def of_file(self, number: int) -> np.ndarray:
        """Positions of the rows of a file, in their order there."""
        first, end = np.searchsorted(self.ordered, [number, number + 1])
        return self.order[first:end]


def keys_of(frame: pd.DataFrame, root: Path) -> np.ndarray:
    """A key (N,) of 16 bytes for the picture of each row: a digest of its absolute path, and of its box if it has one.

    Args:
        frame: N rows with a column "path" and, where there are boxes, "x_1", "y_1", "x_2" and "y_2" in pixels.
        root: The folder that relative paths start from.
    """
    keys = np.empty(len(frame), dtype=KEY)
    for start in range(0, len(frame), BLOCK):
        part = frame.iloc[start : start + BLOCK]
        names = whole_paths(part["path"], root)
        if BOX[0] in part:
            boxes = part[BOX].astype("Float64").itertuples(index=False)
            names = [
                name if pd.isna(box[0]) else f"{name}\0{tuple(box)}" for name, box in zip(names, boxes, strict=True)
            ]
        digests = [blake2b(name.encode("utf-8", "surrogatepass"), digest_size=16).digest() for name in names]
        keys[start : start + BLOCK] = digests
    return keys


def last_rows(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different ones of some keys (N,), ascending, and the position of the last row of each."""
    found, from_behind = np.unique(keys[::-1], return_index=True)
    return found, len(keys) - 1 - from_behind


def whole_paths(paths: Sequence[str] | pd.Series, root: Path) -> list[str]:
    """Absolute paths without ``.`` and ``..``; addresses as they are.

    Args:
        paths: (N,) paths.
        root: The folder that relative paths start from.
    """
    base = str(root.resolve())
    return [path if is_address(path) else os.path.normpath(os.path.join(base, path)) for path in paths]


def _places(files: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return files.astype(np.int64) << 32 | rows.astype(np.int64)
