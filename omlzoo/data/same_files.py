"""Which names of a table lead to a file, and which of them to the same one."""

import os
import stat
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd

__all__ = ["find_files"]


def find_files(root: Path, names: Collection[str]) -> tuple[np.ndarray, np.ndarray]:
    """Ask the disk for files.

    One file may have several names: ``a.png``, ``./a.png``, its absolute path, a link, another case where the disk
    ignores it. Hard links are files of their own, like copies.

    Args:
        root: The folder that relative names start from.
        names: N different names.

    Returns:
        Whether each name leads to a regular file, (N,) bool; and the position of the first name that leads to the same
        file, (N,) int64, which is the own position where no earlier name does.
    """
    there = np.zeros(len(names), dtype=bool)
    marks = np.zeros((len(names), 2), dtype=np.uint64)
    start = f"{root}{os.sep}"
    for position, name in enumerate(names):
        path = name if os.path.isabs(name) else start + name
        try:
            if not os.access(path, os.F_OK):  # an exception for each of a million missing files would take long
                continue
            found = os.stat(path)
        except (OSError, ValueError):  # no name that the disk could have
            continue
        if stat.S_ISREG(found.st_mode):
            there[position], marks[position] = True, (found.st_dev, found.st_ino)
    first = np.arange(len(names))
    frame = pd.DataFrame(marks[there], index=first[there])
    alike = frame[frame.duplicated(keep=False)]
    if len(alike):
        known = list(names)
        paths = [os.path.realpath(root / known[position]).casefold() for position in alike.index]
        groups = alike.assign(path=paths).groupby([0, 1, "path"]).ngroup()
        first[alike.index] = pd.Series(alike.index, index=alike.index).groupby(groups).transform("first")
    return there, first
