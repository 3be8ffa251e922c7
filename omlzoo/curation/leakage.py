"""Pictures that stand on both sides of a split, as copies or nearly so: they make a measurement too good."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL.Image import Resampling

from omlzoo.data.images import Box, to_rgb
from omlzoo.data.table import Table
from omlzoo.errors import BadImage
from omlzoo.ops.nearest import nearest

__all__ = ["ALIKE", "find_duplicates"]

SIDE = 32  # pixels of the small grey pictures that are compared
FLAT = 2.0  # grey levels of standard deviation; flatter pictures are alike without being copies
ALIKE = 0.995
ASKED = 4096  # pictures at a time


def find_duplicates(table: Table, alike: float = ALIKE) -> tuple[pd.DataFrame, int]:
    """Validation pictures that are nearly the same as a training picture.

    Compared are small grey pictures of 32 x 32, cut out by the box, by the correlation of their levels. It finds
    copies, other sizes, other compression and slight changes of brightness or contrast, not crops, turns or mirrors.

    Args:
        table: With the column split.
        alike: Correlation from which two pictures are called the same, up to 1.

    Returns:
        A row for each such validation picture, with its most similar training picture: "path", "label", "train_path",
        "train_label", "correlation"; sorted, the most alike first. And how many pictures were left out, unreadable or
        of one colour.
    """
    frame = table.frame
    vectors = _small(table.files(), table.boxes())
    usable = np.isfinite(vectors[:, 0])
    sides = [np.flatnonzero(usable & (frame["split"] == name).to_numpy()) for name in ("validation", "train")]
    columns = ["path", "label", "train_path", "train_label", "correlation"]
    if not all(map(len, sides)):
        return pd.DataFrame(columns=columns), int((~usable).sum())
    queries, gallery = (torch.from_numpy(vectors[side]) for side in sides)
    scores, positions = nearest(queries, gallery, 1, similarity="cosine")
    near = np.flatnonzero(scores[:, 0].numpy() >= alike)
    left, right = frame.iloc[sides[0][near]], frame.iloc[sides[1][positions[:, 0].numpy()[near]]]
    duplicates = pd.DataFrame(
        dict(zip(columns, [left["path"].to_numpy(), left["label"].to_numpy(), right["path"].to_numpy(),
                           right["label"].to_numpy(), scores[:, 0].numpy()[near]], strict=True))
    )  # fmt: skip
    return duplicates.sort_values("correlation", ascending=False, ignore_index=True), int((~usable).sum())


def _small(files: list[Path], boxes: list[Box | None]) -> np.ndarray:
    """Of each picture its levels, of mean 0 and length 1 (N, SIDE²) float32; NaN where there is none to compare."""

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
        for start in range(0, len(files), ASKED):  # so that the pool holds few of them
            part = slice(start, start + ASKED)
            for number, levels in enumerate(pool.map(one, files[part], boxes[part]), start):
                vectors[number] = levels
    return vectors
