"""FAISS indexes without the codes of rows that were removed: what is written says nothing of their vectors."""

from typing import Any

import numpy as np

from omlzoo import catalog

__all__ = ["erased"]

BLOCK = 1 << 24  # bytes of codes that are gathered at a time


def erased(index: Any, rows: np.ndarray, gone: np.ndarray) -> tuple[Any, np.ndarray, np.ndarray]:
    """An index without the codes of some rows, which rows it has now, and which of them are gone.

    Where all rows are looked at, those are taken out and the others move up. Out of lists they are taken too, and the
    others keep their numbers. In a graph others are reached through them: they stay, each with the code of the nearest
    row that it is linked to.

    Args:
        index: A FAISS index that nobody else has; it is changed.
        rows: (M,) the row of each number.
        gone: (M,) bool.
    """
    library = catalog.optional("faiss", "faiss")
    if hasattr(index, "hnsw"):
        _overwritten(library, index, gone)
        return index, rows, gone
    index.remove_ids(library.IDSelectorBatch(np.flatnonzero(gone).astype(np.int64)))
    if hasattr(index, "invlists"):
        return index, rows, gone
    return index, rows[~gone], gone[~gone]


def _overwritten(library: Any, index: Any, gone: np.ndarray) -> None:
    """Give each row of a graph that is gone the code of the nearest row that it is linked to and that is not gone."""
    storage = library.downcast_index(index.storage)
    held = storage.codes
    codes = library.vector_to_array(held).view(np.uint8).reshape(len(gone), -1)
    links, starts = library.vector_to_array(index.hnsw.neighbors), library.vector_to_array(index.hnsw.offsets)
    width = index.hnsw.nb_neighbors(0)
    numbers = np.flatnonzero(gone)
    spare = int(np.flatnonzero(~gone)[0])
    new = np.empty((len(numbers), codes.shape[1]), dtype=np.uint8)
    step = max(1, BLOCK // (width * codes.shape[1]))
    for start in range(0, len(numbers), step):
        part = numbers[start : start + step]
        near = links[starts[part].astype(np.int64)[:, None] + np.arange(width)]
        there = (near >= 0) & ~gone[near]
        apart = np.abs(codes[near].astype(np.int16) - codes[part][:, None]).sum(axis=2, dtype=np.int64)
        best = np.where(there, apart, np.iinfo(np.int64).max).argmin(axis=1)[:, None]
        chosen = np.where(np.take_along_axis(there, best, 1), np.take_along_axis(near, best, 1), spare)[:, 0]
        new[start : start + step] = codes[chosen]
    codes[numbers] = new
    library.copy_array_to_vector(codes.ravel(), held)
