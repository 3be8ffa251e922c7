"""Settings that follow from the table."""

from pathlib import Path

import pandas as pd

from omlzoo.data.table import Table
from omlzoo.training.distillation_defaults import suggest_distillation


def rows(count: int, label: str = "") -> Table:
    labels = [label and f"{label}{number // 4}" for number in range(count)]
    return Table(pd.DataFrame({"path": [f"{n}.png" for n in range(count)], "label": labels}), Path(), "table")


def test_epochs_follow_from_the_pictures_and_the_start() -> None:
    few = suggest_distillation(rows(2720), True, True, {})
    assert few == {"epochs": 190, "lr": 1e-3, "n_taught": 128, "augment": "drawing", "selection": 0.0}
    tuned = suggest_distillation(rows(2720), False, False, {"epochs": 7})
    assert tuned == {"lr": 3e-4, "n_taught": 128, "selection": 0.0}
    assert suggest_distillation(rows(40), False, False, {})["n_taught"] == 40
    assert suggest_distillation(rows(1_000_000), True, False, {})["epochs"] == 5


def test_labels_that_are_learned_from_decide_their_batches() -> None:
    assert "n_labels" not in suggest_distillation(rows(400, "x"), False, False, {})
    learned = suggest_distillation(rows(400, "x"), False, False, {"teacher_weight": 0.5})
    assert (learned["n_labels"], learned["n_instances"]) == (8, 4)
    assert "selection" not in learned
