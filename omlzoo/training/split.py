"""The rows of a table that train, those that choose the epoch, and those that measure the result."""

import hashlib
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from omlzoo.data.table import Table
from omlzoo.errors import BadInput, notice
from omlzoo.training.recipe import Recipe

__all__ = ["Split", "set_apart", "split_pictures", "split_rows", "split_taught", "table_digest"]

LEAST_LABELS = 4  # labels in training from which some are set apart to watch a run without labels


@dataclass(frozen=True)
class Split:
    """The rows of a run.

    Attributes:
        table: All rows.
        fit: The rows to train on.
        selection: The rows set apart from the training rows, by label or category, to choose the epoch, or None.
        validation: The rows that measure the result; there may be none.
    """

    table: Table
    fit: Table
    selection: Table | None
    validation: Table


def split_rows(table: Table, recipe: Recipe) -> Split:
    """Split the rows of a table by its column ``split`` and the recipe's selection.

    Args:
        table: A table with the columns label and split.
        recipe: The settings.

    Raises:
        BadInput: The table lacks the column whose values are set apart.
    """
    split = table.frame["split"]
    fit, selection = set_apart(table.rows((split == "train").to_numpy()), recipe)
    return Split(table, fit, selection, table.rows((split == "validation").to_numpy()))


def split_pictures(table: Table, recipe: Recipe) -> Split:
    """Split the rows of a table for learning without labels.

    Labels, where there are any, only measure: a share of them is set apart, and validation rows are measured before and
    after. In the rows to train on, the label of a picture is its own number, or that of its burst (``sequence``).

    Args:
        table: A table with the columns label, "" where a row has none, and split.
        recipe: The settings.
    """
    fit, selection, validation = _labels_apart(table, recipe)
    ids = pd.Series(np.arange(len(fit)).astype(str), fit.frame.index)
    if "sequence" in fit.frame:
        burst = fit.frame["sequence"].astype(str)
        ids = ("sequence " + burst).where(burst != "", ids)
    return Split(table, replace(fit, frame=fit.frame.assign(label=ids)), selection, validation)


def split_taught(table: Table, recipe: Recipe) -> Split:
    """Split the rows of a table for learning from a teacher, also of rows without a label.

    Args:
        table: A table with the columns label, "" where a row has none, and split.
        recipe: The settings.
    """
    return Split(table, *_labels_apart(table, recipe))


def _labels_apart(table: Table, recipe: Recipe) -> tuple[Table, Table | None, Table]:
    """The rows to train on, those of some labels set apart, and the validation rows that have a label."""
    frame = table.frame
    train, labelled = (frame["split"] == "train").to_numpy(), (frame["label"].astype(str) != "").to_numpy()
    chosen = np.zeros(len(frame), dtype=bool)
    selection = None
    if recipe.selection and (known := table.rows(train & labelled)).frame["label"].nunique() > LEAST_LABELS:
        _, selection = set_apart(known, replace(recipe, selection_by="label"))
    if selection is not None:
        chosen = frame["path"].isin(set(selection.frame["path"])).to_numpy() & train
    return table.rows(train & ~chosen), selection, table.rows(~train & labelled)


def set_apart(train: Table, recipe: Recipe) -> tuple[Table, Table | None]:
    """Set whole labels or categories of the training rows apart to choose the epoch.

    Args:
        train: The training rows.
        recipe: The settings; its selection is the share of labels or categories to set apart, 0 for none.

    Returns:
        The rows to train on, and the rows set apart; None where there are none.

    Raises:
        BadInput: The table lacks the column whose values are set apart.
    """
    if recipe.selection == 0:
        return train, None
    column = recipe.selection_by
    if column not in train.frame:
        raise BadInput(f"selection_by is {column!r}, but the table has no such column; set selection_by to label")
    names = train.frame[column].unique()
    count = max(2 if column == "label" else 1, round(recipe.selection * len(names)))
    if len(names) - count < 2:
        few = f"{len(names)} distinct values of {column} in training are too few to set {count} apart"
        notice(f"{few}; the last epoch is kept")
        return train, None
    chosen = set(np.random.default_rng((recipe.seed, 7)).permutation(names)[:count].tolist())
    apart = train.frame[column].isin(chosen).to_numpy()
    cut = train.rows(apart)
    return train.rows(~apart), replace(cut, frame=cut.frame.assign(is_query=True, is_gallery=True))


def table_digest(rows: Table) -> str:
    """Counts and sha256 of all rows in their order, by which a resumed run knows its table."""
    counts = f"{len(rows)} rows of {rows.frame['label'].nunique()} labels"
    columns = ", ".join(map(str, rows.frame.columns))
    return f"{counts}, columns {columns}, sha256 {hashlib.sha256(rows.frame.to_csv().encode()).hexdigest()}"
