"""Which names of a table lead to a file, and which of them to the same one."""

import os
import stat
from pathlib import Path

import numpy as np
import pandas as pd

from omlzoo.data.containers import file_stamp

__all__ = ["find_files"]

NO_FILE = (-1, -1)
LAST = 2**64 - 1


def find_files(root: Path, names: "pd.Series[str]") -> tuple[np.ndarray, np.ndarray]:
    """Ask the disk for files.

    One file may have several names: ``a.png``, ``./a.png``, its absolute path, a link, another case where the disk
    ignores it. Hard links are files of their own, like copies.

    Args:
        root: The folder that relative names start from.
        names: N names, of which some may stand there several times.

    Returns:
        Whether each name leads to a regular file, (N,) bool; and the position of the first name that leads to the same
        file, (N,) int64, which is the own position where no earlier name does, or where there is no file.
    """
    there = np.zeros(len(names), dtype=bool)
    marks = np.zeros((len(names), 2), dtype=np.uint64)
    start, before = f"{root}{os.sep}", None
    for position, name in enumerate(names):
        if name == before:
            there[position], marks[position] = there[position - 1], marks[position - 1]
            continue
        path, before = name if os.path.isabs(name) else start + name, name
        try:
            if not os.access(path, os.F_OK):  # an exception for each of a million missing files would take long
                if file_stamp(path) != NO_FILE:  # a picture in an archive, which has only this name
                    there[position], marks[position] = True, (hash(path) & LAST, LAST)
                continue
            found = os.stat(path)
        except (OSError, ValueError):  # no name that the disk could have
            continue
        if stat.S_ISREG(found.st_mode):
            there[position], marks[position] = True, (found.st_dev, found.st_ino)
    first = np.arange(len(names))
    frame = pd.DataFrame(marks[there], index=first[there], columns=["device", "number"])
    alike = frame[frame.duplicated(keep=False)]
    if len(alike):
        groups = _groups(root, names.iloc[alike.index], alike)
        first[alike.index] = pd.Series(alike.index).groupby(groups).transform("first")
    return there, first


def _groups(root: Path, names: "pd.Series[str]", alike: pd.DataFrame) -> np.ndarray:
    """A number for each row, the same for rows of one file, of rows whose files have equal numbers on the disk."""
    codes, known = pd.factorize(names)
    keys = alike.assign(name=codes)
    several = keys.groupby(["device", "number"])["name"].transform("nunique").to_numpy() > 1
    paths = {code: os.path.realpath(root / known[code]).casefold() for code in np.unique(codes[several]).tolist()}
    keys = keys.assign(path=[paths.get(code, "") for code in codes.tolist()])  # hard links have a path each
    return np.asarray(keys.groupby(["device", "number", "path"]).ngroup())
