"""The rows of a table that train, those that choose the epoch, and those that measure the result."""

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from omlzoo.data.table import Table
from omlzoo.errors import BadInput, notice
from omlzoo.training.recipe import Recipe

__all__ = ["Split", "set_apart", "split_rows", "table_digest"]


@dataclass(frozen=True)
class Split:
    """The rows of a run.

    Attributes:
        table: All of them.
        fit: Those to train on.
        selection: Those set apart from the training rows, by label or category, that choose the epoch; None for none.
        validation: Those that measure the result; there may be none.
    """

    table: Table
    fit: Table
    selection: Table | None
    validation: Table


def split_rows(table: Table, recipe: Recipe) -> Split:
    """The rows of a table, by its column ``split`` and the recipe's selection.

    Raises:
        BadInput: The column to set apart by is not there.
    """
    split = table.frame["split"]
    fit, selection = set_apart(table.rows((split == "train").to_numpy()), recipe)
    return Split(table, fit, selection, table.rows((split == "validation").to_numpy()))


def set_apart(train: Table, recipe: Recipe) -> tuple[Table, Table | None]:
    """The rows to train on and, cut off by label or category, those that choose the epoch."""
    if recipe.selection == 0:
        return train, None
    column = recipe.selection_by
    if column not in train.frame:
        raise BadInput(f"selection_by is {column!r}, but the table has no such column; set selection_by to label")
    names = train.frame[column].unique()
    count = max(2 if column == "label" else 1, round(recipe.selection * len(names)))
    if len(names) - count < 2:
        few = f"{len(names)} distinct values of {column} in training are too few to set {count} apart"
        said = f"{few}; the last epoch is kept"
        notice(said)
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
