"""Small grey pictures, whose correlation says whether two pictures are copies of each other."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL.Image import Resampling

from omlzoo.data.images import Box, to_rgb
from omlzoo.errors import BadImage

__all__ = ["ALIKE", "SIDE", "grey_levels"]

SIDE = 32  # side in pixels of the small grey pictures that are compared
FLAT = 2.0  # standard deviation in grey levels below which pictures correlate without being copies
ALIKE = 0.995  # correlation from which on two pictures count as copies
ASKED = 4096  # pictures that are read at once


def grey_levels(files: Sequence[Path], boxes: Sequence[Box | None]) -> np.ndarray:
    """Grey levels (N, SIDE²) float32 of the pictures, with mean 0 and L2 norm 1; NaN for pictures that are left out.

    Left out are those that cannot be read, and those of nearly one colour.

    Args:
        files: N pictures.
        boxes: The part of each that counts, or None.
    """

    def one(file: Path, box: Box | None) -> np.ndarray:
        try:
            image = to_rgb(file, box).convert("L").resize((SIDE, SIDE), Resampling.BOX)
        except BadImage:
            return np.full(SIDE**2, np.nan, np.float32)
        levels = np.asarray(image, dtype=np.float32).ravel()
        if levels.std() < FLAT:
            return np.full(SIDE**2, np.nan, np.float32)
        levels = levels - levels.mean()
        return np.asarray(levels / np.linalg.norm(levels))

    vectors = np.empty((len(files), SIDE**2), np.float32)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(files), ASKED):  # in parts, so that the pool holds few pictures
            part = slice(start, start + ASKED)
            for number, levels in enumerate(pool.map(one, files[part], boxes[part]), start):
                vectors[number] = levels
    return vectors
