"""Pictures that are on both sides of a split, as copies or near copies, which make measured results too good."""

import numpy as np
import pandas as pd
import torch

from omlzoo.curation._grey import ALIKE, SIDE, grey_levels
from omlzoo.data.table import Table
from omlzoo.ops.all_pairs import say_if_long
from omlzoo.ops.nearest import nearest

__all__ = ["ALIKE", "find_duplicates"]


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
    vectors = grey_levels(table.files(), table.boxes())
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
