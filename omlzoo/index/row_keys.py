"""Which file and box a row is of, looked up by hashes that are kept, so that no call resolves every path again."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from omlzoo.data.images import Box
from omlzoo.data.table import Table

__all__ = ["Key", "RowKeys", "keys_of"]

Key = tuple[str, Box | None]
MANY = 64  # rows of a folder from which on it is cheaper to list its links than to ask for each file
ODD = ("", ".", "..")  # last parts of a path that name no file of the folder before them


def keys_of(table: Table) -> list[Key]:
    """For each row its file's path, without links on the way, and its box.

    Folders are resolved once each; of a folder with many rows the links are listed, else each file is looked at.
    """
    root, named = os.fspath(table.root), table.frame["path"].tolist()
    paths = [os.path.join(root, path) for path in named]
    parts = [path.rpartition("/") for path in paths]
    counts = Counter(folder for folder, _, _ in parts)
    folders = {folder: _resolved(folder or "/") for folder, count in counts.items() if count >= MANY}
    links = {folder: _links(folder or "/") for folder in folders}
    found = []
    for path, (folder, _, name) in zip(paths, parts, strict=True):
        base = folders.get(folder)
        plain = base is not None and name not in ODD and name not in links[folder] and os.sep == "/"
        found.append(f"{'' if base == '/' else base}/{name}" if plain else _resolved(path))
    return list(zip(found, table.boxes(), strict=True))


@dataclass(frozen=True)
class RowKeys:
    """The keys of the rows of a table, as hashes; a row that is found by its hash is compared by its key.

    Paths are resolved when the keys are made: a link that is changed afterwards is not seen by this process.

    Attributes:
        hashes: (N,) int64, ascending.
        rows: (N,) int64, the row of each hash; rows of one hash ascend.
    """

    hashes: np.ndarray
    rows: np.ndarray

    @staticmethod
    def of(table: Table) -> "RowKeys":
        """The keys of all rows."""
        hashes = _hashes(keys_of(table))
        order = np.argsort(hashes, kind="stable")
        return RowKeys(hashes[order], order)

    def extended(self, keys: Sequence[Key]) -> "RowKeys":
        """These and the keys of rows that follow the last one."""
        more = _hashes(keys)
        order = np.argsort(more, kind="stable")
        places = np.searchsorted(self.hashes, more[order], side="right")
        hashes = np.insert(self.hashes, places, more[order])
        return RowKeys(hashes, np.insert(self.rows, places, len(self.rows) + order))

    def find(self, keys: Sequence[Key], table: Table, good: np.ndarray) -> np.ndarray:
        """The row (Q,) of each key, the last one where there are several; -1 where there is none.

        Args:
            keys: Q keys.
            table: The table of the rows.
            good: (N,) bool, the rows that may be found.
        """
        asked = _hashes(keys)
        starts = np.searchsorted(self.hashes, asked, side="left")
        ends = np.searchsorted(self.hashes, asked, side="right")
        pairs = [
            (query, row)
            for query in np.flatnonzero(ends > starts).tolist()
            for row in self.rows[starts[query] : ends[query]].tolist()
            if good[row]
        ]
        found = np.full(len(keys), -1, dtype=np.int64)
        rows = [row for _, row in pairs]
        theirs = keys_of(Table(table.frame.iloc[rows], table.root, table.name)) if rows else []
        for (query, row), key in zip(pairs, theirs, strict=True):
            if key == keys[query]:
                found[query] = row
        return found


def _hashes(keys: Sequence[Key]) -> np.ndarray:
    return np.fromiter(map(hash, keys), dtype=np.int64, count=len(keys))


def _resolved(path: str) -> str:
    """A path without links on the way; one that no file can have, such as with a NUL, as it is."""
    try:
        return os.path.realpath(path)
    except ValueError:
        return os.path.normpath(path)


def _links(folder: str) -> set[str]:
    """Names of the links in a folder; none where it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if entry.is_symlink()}
    except (OSError, ValueError):
        return set()
