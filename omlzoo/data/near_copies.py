"""Pictures that are nearly the same: equal but for compression, size or a little brightness."""

from dataclasses import dataclass

import numpy as np
from PIL import Image

__all__ = ["Trace", "near_copies", "trace_of"]

DIFFERING = 3  # bits of the hashes of two copies
APART = 8.0  # levels of 255 by which the small pictures of two copies differ in the mean
STEP = 2  # levels by which a neighbour is brighter: less is compression
SMALL = 16  # pixels of a small picture's side
BAND = 16  # bits; hashes that differ in 3 bits have one of four bands in common
BLOCK = 1024  # pictures that are compared with all of a band at once
COUNTS = np.array([value.bit_count() for value in range(1 << BAND)], dtype=np.uint8)


@dataclass(frozen=True)
class Trace:
    """What is kept of a picture to tell copies of it.

    Attributes:
        bits: 64 bits: whether the right one of two neighbours is brighter, of 8 x 9 levels.
        small: (256,) uint8, the levels of 16 x 16 pixels.
    """

    bits: int
    small: np.ndarray


def trace_of(grey: Image.Image) -> Trace:
    """The trace of a picture of mode L, of any size."""
    levels = np.asarray(grey.resize((9, 8), Image.Resampling.BOX), dtype=np.int16)
    bits = (levels[:, 1:] > levels[:, :-1] + STEP).flatten()
    small = np.asarray(grey.resize((SMALL, SMALL), Image.Resampling.BOX)).flatten()
    return Trace(int(np.packbits(bits).view(">u8")[0]), small)


def near_copies(traces: list[Trace]) -> list[np.ndarray]:
    """Groups of near copies: their positions, ascending; the largest group first.

    Two pictures are copies where at most 3 of the 64 bits differ and their small pictures differ by at most 8 levels of
    255 in the mean. Groups are joined pairs. All such pairs are found: hashes that differ in 3 bits have a quarter in
    common, and those that have one are compared.
    """
    if not traces:
        return []
    bits = np.array([each.bits for each in traces], dtype=np.uint64)
    small = np.stack([each.small for each in traces]).astype(np.float32)
    group = np.arange(len(traces))
    for band in range(0, 64, BAND):
        keys = (bits >> np.uint64(band)) & np.uint64((1 << BAND) - 1)
        order = np.argsort(keys, kind="stable")
        starts = np.flatnonzero(np.r_[True, np.diff(keys[order]) != 0])
        for rows in np.split(order, starts[1:]):
            for start in range(0, len(rows) if len(rows) > 1 else 0, BLOCK):
                _join(group, rows[start : start + BLOCK], rows, bits, small)
    roots = np.array([_root(group, row) for row in range(len(group))])
    order = np.argsort(roots, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(roots[order])) + 1)
    return sorted((rows for rows in groups if len(rows) > 1), key=lambda rows: -len(rows))


def _join(group: np.ndarray, left: np.ndarray, right: np.ndarray, bits: np.ndarray, small: np.ndarray) -> None:
    """Join the groups of copies between rows (L,) and (R,)."""
    differing = np.ascontiguousarray(bits[left][:, None] ^ bits[right][None])
    counts = COUNTS[differing.view(np.uint16).reshape(*differing.shape, 4)].sum(axis=2)
    one, other = np.nonzero((counts <= DIFFERING) & (left[:, None] < right[None]))
    for start in range(0, len(one), BLOCK * 64):
        pairs = left[one[start : start + BLOCK * 64]], right[other[start : start + BLOCK * 64]]
        near = np.abs(small[pairs[0]] - small[pairs[1]]).mean(axis=1) <= APART
        for first, second in zip(pairs[0][near].tolist(), pairs[1][near].tolist(), strict=True):
            roots = _root(group, first), _root(group, second)
            group[max(roots)] = min(roots)


def _root(group: np.ndarray, row: int) -> int:
    while group[row] != row:
        group[row] = group[group[row]]
        row = int(group[row])
    return row
