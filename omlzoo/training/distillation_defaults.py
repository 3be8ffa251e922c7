"""Settings of distillation that follow from the table and from where the student starts."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from omlzoo.data.table import Table
from omlzoo.training.defaults import suggest
from omlzoo.training.recipe import Recipe

__all__ = ["suggest_distillation"]

STEPS = 4_000  # about, of a student of random weights


def suggest_distillation(train: Table, scratch: bool, drawings: bool, given: Mapping[str, Any]) -> dict[str, Any]:
    """Suggest settings; docs/distillation.md has the rules.

    Args:
        train: The train rows, with the column label, "" where a row has none.
        scratch: Whether the student starts from random weights.
        drawings: Whether the pictures have no colour.
        given: Settings that were decided.

    Returns:
        Settings by name, without those that were given.
    """
    batch = min(given.get("n_taught") or Recipe.n_taught, len(train))
    per_epoch = max(1, len(train) // batch)
    epochs = int(np.clip(STEPS // per_epoch, 5, 200)) if scratch else int(np.clip(STEPS // 3 // per_epoch, 3, 60))
    chosen: dict[str, Any] = {"epochs": epochs, "lr": 1e-3 if scratch else 3e-4, "n_taught": batch}
    if drawings:
        chosen["augment"] = "drawing"
    labelled = train.frame[train.frame["label"].astype(str) != ""]
    if not len(labelled):
        chosen["selection"] = 0.0
    elif given.get("teacher_weight", Recipe.teacher_weight) < 1:
        chosen |= suggest(labelled, given)
    return {name: value for name, value in chosen.items() if name not in given}
