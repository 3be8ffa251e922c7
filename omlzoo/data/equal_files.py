"""Which files have the same content."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

__all__ = ["equal_files"]


def equal_files(files: Sequence[Path]) -> np.ndarray:
    """A number (N,) int64 for each file, from 0, the same for files of equal bytes.

    Only files of a size that others have too are read. One that cannot be read is equal to itself alone.
    """
    sizes = np.array([_size(file) for file in files], dtype=np.int64)
    first: dict[tuple[int, bytes], int] = {}
    numbers = np.arange(len(files))
    known, counts = np.unique(sizes, return_counts=True)
    for position in np.flatnonzero(np.isin(sizes, known[(counts > 1) & (known >= 0)])).tolist():
        digest = _digest(files[position])
        if digest is not None:
            numbers[position] = first.setdefault((int(sizes[position]), digest), position)
    return numbers


def _size(file: Path) -> int:
    try:
        return os.stat(file).st_size
    except (OSError, ValueError):
        return -1


def _digest(file: Path) -> bytes | None:
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "blake2b").digest()
    except (OSError, ValueError):
        return None
