"""A budget of labels: a share of them is drawn, each with all its pictures."""

from typing import Any

import numpy as np
import pandas as pd

from omlzoo.data.table import Table
from omlzoo.errors import BadInput

__all__ = ["FEWEST", "draw_labels", "within_budget"]

FEWEST = 2  # labels that can be told apart
STREAM = 11  # of the seed's random numbers


def draw_labels(train: pd.DataFrame, count: int, seed: int) -> list[Any]:
    """Draw labels, where there are categories the same number from each as far as they have them.

    Of one seed a smaller draw is a part of a larger one, and the order of the rows does not matter.

    Args:
        train: The rows, with the column label and, if there is one, category. A label of several categories belongs to
            the first of them in sorted order.
        count: Number of labels to draw.
        seed: Seed of the draw.
    """
    random = np.random.default_rng((seed, STREAM))
    columns = ["category", "label"] if "category" in train else ["label"]
    pairs = train[columns].drop_duplicates().sort_values(columns).drop_duplicates("label")
    groups = [pairs] if "category" not in train else [group for _, group in pairs.groupby("category")]
    drawn: list[tuple[int, int, Any]] = []
    for place, number in enumerate(random.permutation(len(groups))):
        names = random.permutation(groups[number]["label"].to_numpy())
        drawn += [(turn, place, label) for turn, label in enumerate(names.tolist())]
    return [label for _, _, label in sorted(drawn, key=lambda each: each[:2])][
        :count
    ]  # a round takes one of each group


def within_budget(table: Table, share: float, seed: int, keep_rows: bool = False) -> tuple[Table, str]:
    """The table with a share of its training labels, and a text that says what was drawn, "" where all are kept.

    Args:
        table: A table with the columns label, "" where a row has none, and split.
        share: Share of the training labels, from 0 to 1.
        seed: Seed of the draw.
        keep_rows: Whether rows of other labels stay, without their label; otherwise they are left out.

    Raises:
        BadInput: Rows are left out, and fewer than two labels would be drawn.
    """
    if share == 1:
        return table, ""
    train = (table.frame["split"] == "train").to_numpy()
    labelled = train & (table.frame["label"].astype(str) != "").to_numpy()
    known = table.frame[labelled]
    total = known["label"].nunique()
    count = round(share * total)
    if not keep_rows and count < FEWEST:
        least = FEWEST / max(total, FEWEST)
        raise BadInput(f"labels is {share}, which is {count} of {total} training labels; give {least:.2g} or more")
    drawn = known["label"].isin(draw_labels(known, count, seed)) if count else pd.Series(False, known.index)
    kept = labelled.copy()
    kept[labelled] = drawn.to_numpy()
    text = f"{count} of {total} (labels = {share}, seed = {seed}), {int(kept.sum())} of {len(known)} pictures"
    if not keep_rows:
        return table.rows(kept | ~train), text
    blank = table.frame["label"].astype(str).where(kept | ~train, "")
    return Table(table.frame.assign(label=blank), table.root, table.name, table.notices, table.lines), text
