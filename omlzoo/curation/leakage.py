"""Pictures that are on both sides of a split, as copies or near copies, which make measured results too good."""

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
from omlzoo.ops.all_pairs import say_if_long
from omlzoo.ops.nearest import nearest

__all__ = ["ALIKE", "find_duplicates"]

SIDE = 32  # side in pixels of the small grey pictures that are compared
FLAT = 2.0  # standard deviation in grey levels below which pictures correlate without being copies
ALIKE = 0.995  # correlation from which on two pictures count as copies
ASKED = 4096  # pictures that are read at once


def find_duplicates(table: Table, alike: float = ALIKE) -> tuple[pd.DataFrame, int]:
    """Find validation pictures that are nearly the same as a training picture.

    The pictures, or the parts in their boxes, are reduced to 32 x 32 grey levels and compared by the correlation of
    these. This finds copies, also of another size, compression, or slightly different brightness or contrast. It does
    not find crops, rotated or mirrored copies.

    Args:
        table: The pictures, with the columns "label" and "split".
        alike: Correlation from which on two pictures count as the same, at most 1.

    Returns:
        A row for each such validation picture, with its most similar training picture, in the columns "path", "label",
        "train_path", "train_label" and "correlation", the largest correlation first; and the number of pictures that
        were left out because they cannot be read or have nearly one colour.
    """
    frame = table.frame
    vectors = _small(table.files(), table.boxes())
    usable = np.isfinite(vectors[:, 0])
    sides = [np.flatnonzero(usable & (frame["split"] == name).to_numpy()) for name in ("validation", "train")]
    columns = ["path", "label", "train_path", "train_label", "correlation"]
    if not all(map(len, sides)):
        return pd.DataFrame(columns=columns), int((~usable).sum())
    queries, gallery = (torch.from_numpy(vectors[side]) for side in sides)
    say_if_long("the search for copies", len(queries), len(gallery), SIDE**2)
    scores, positions = nearest(queries, gallery, 1, similarity="cosine")
    near = np.flatnonzero(scores[:, 0].numpy() >= alike)
    left, right = frame.iloc[sides[0][near]], frame.iloc[sides[1][positions[:, 0].numpy()[near]]]
    duplicates = pd.DataFrame(
        dict(zip(columns, [left["path"].to_numpy(), left["label"].to_numpy(), right["path"].to_numpy(),
                           right["label"].to_numpy(), scores[:, 0].numpy()[near]], strict=True))
    )  # fmt: skip
    return duplicates.sort_values("correlation", ascending=False, ignore_index=True), int((~usable).sum())


def _small(files: list[Path], boxes: list[Box | None]) -> np.ndarray:
    """Grey levels (N, SIDE²) float32 of the pictures, with mean 0 and L2 norm 1; NaN for pictures that are left out."""

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
