"""Trials: the recipe first, then Optuna's; a table that a killed sweep goes on from to the same; failures are said."""

import math
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from omlzoo.errors import BadInput, OmlzooWarning
from omlzoo.training.recipe import Recipe
from omlzoo.training.sweep_space import space_of
from omlzoo.training.trials import Outcome, best_of, run_trials

pytest.importorskip("optuna", reason="optuna is not installed")
RECIPE = Recipe(epochs=3, seed=5)
SPACE = space_of(RECIPE, {"lr": (1e-5, 1e-1), "n_labels": (4, 8), "augment": ["photo", "rich"]})


def good(recipe: Recipe) -> float:
    """Best at a learning rate of 0.003 with the augmentation rich."""
    return 0.9 - 0.1 * abs(math.log10(recipe.lr / 0.003)) - 0.01 * recipe.n_labels + 0.05 * (recipe.augment == "rich")


def train(recipe: Recipe, folder: Path, ends: Callable[[list[float]], bool]) -> Outcome:
    assert folder.is_dir()
    values: list[float] = []
    for epoch in range(3):
        values.append(good(recipe) * (0.7, 1.0, 0.9)[epoch])
        if ends(values):
            return Outcome(values, True, "bf16")
    return Outcome(values, False, "bf16")


def test_the_best_trial_gives_the_recipe(tmp_path: Path) -> None:
    best, facts = run_trials(RECIPE, 20, SPACE, tmp_path / "s", "rows", train)
    table = pd.read_csv(tmp_path / "s/trials.csv")
    assert table["trial"].tolist() == list(range(1, 21))
    first = table.iloc[0]
    assert (first["lr"], first["n_labels"], first["augment"]) == (RECIPE.lr, RECIPE.n_labels, RECIPE.augment)
    assert first["value"] == pytest.approx(good(RECIPE))
    assert first["epoch"] == 2
    assert [float(value) for value in first["values"].split()] == [good(RECIPE) * share for share in (0.7, 1.0, 0.9)]
    whole = table[table["state"] == "complete"]
    row = whole.loc[whole["value"].idxmax()]
    assert (best.lr, best.n_labels, best.augment, best.precision) == (
        row["lr"],
        row["n_labels"],
        row["augment"],
        "bf16",
    )
    assert good(best) > good(RECIPE) + 0.05
    assert table["lr"].between(1e-5, 1e-1).all()
    assert set(table["n_labels"]) <= {4, 5, 6, 7, 8}
    assert (table["state"] == "pruned").any(), "the worst ones end early"
    assert facts["best trial"] == (f"trial {row['trial']}, map@r of the selection rows {row['value']:.4f} "
                                   f"(trial 1 {good(RECIPE):.4f})")  # fmt: skip
    assert best_of(RECIPE, 20, SPACE, tmp_path / "s/trials.csv") == (best, facts)
    with pytest.raises(BadInput, match="has 20 trials, and sweep is 30; give the same"):
        best_of(RECIPE, 30, SPACE, tmp_path / "s/trials.csv")
    assert not list((tmp_path / "s").glob("trial_*"))


def test_a_killed_sweep_goes_on_to_the_same_trials(tmp_path: Path) -> None:
    whole = run_trials(RECIPE, 9, SPACE, tmp_path / "whole", "rows", train)

    def killed(recipe: Recipe, folder: Path, ends: Callable[[list[float]], bool]) -> Outcome:
        if folder.name == "trial_7":
            raise SystemExit
        return train(recipe, folder, ends)

    with pytest.raises(SystemExit):
        run_trials(RECIPE, 9, SPACE, tmp_path / "s", "rows", killed)
    assert len(pd.read_csv(tmp_path / "s/trials.csv")) == 6
    assert run_trials(RECIPE, 9, SPACE, tmp_path / "s", "rows", train) == whole
    tables = [pd.read_csv(tmp_path / name / "trials.csv").drop(columns="seconds") for name in ("s", "whole")]
    pd.testing.assert_frame_equal(*tables, check_exact=True)
    run_trials(RECIPE, 11, SPACE, tmp_path / "s", "rows", train)
    assert len(pd.read_csv(tmp_path / "s/trials.csv")) == 11, "more trials go on"


def test_a_trial_that_fails_is_counted_and_none_is_an_error(tmp_path: Path) -> None:
    def fails(recipe: Recipe, folder: Path, ends: Callable[[list[float]], bool]) -> Outcome:
        if recipe.lr > 3e-3:
            raise BadInput("the loss is nan at step 3")
        return train(recipe, folder, ends)

    with pytest.warns(OmlzooWarning, match=r"\d of 8 trials failed; the first, trial \d: the loss is nan at step 3"):
        run_trials(RECIPE, 8, SPACE, tmp_path / "s", "rows", fails)
    table = pd.read_csv(tmp_path / "s/trials.csv")
    assert (table.loc[table["lr"] > 3e-3, "state"] == "failed").all()
    assert table.loc[table["state"] == "failed", "value"].isna().all()

    def never(recipe: Recipe, folder: Path, ends: Callable[[list[float]], bool]) -> Outcome:
        raise BadInput("too few labels")

    with pytest.raises(BadInput, match="all 2 trials failed; the first: too few labels"):
        run_trials(RECIPE, 2, SPACE, tmp_path / "none", "rows", never)


def test_an_interrupted_trial_ends_the_sweep_and_is_made_again(tmp_path: Path) -> None:
    def interrupted(recipe: Recipe, folder: Path, ends: Callable[[list[float]], bool]) -> Outcome:
        return Outcome([0.1], False, "fp32", interrupted=True)

    with pytest.warns(OmlzooWarning, match="interrupted in trial 1; resume"), pytest.raises(KeyboardInterrupt):
        run_trials(RECIPE, 2, SPACE, tmp_path / "s", "rows", interrupted)
    assert not (tmp_path / "s/trials.csv").exists()
    run_trials(RECIPE, 2, SPACE, tmp_path / "s", "rows", train)
    assert len(pd.read_csv(tmp_path / "s/trials.csv")) == 2


def test_another_sweep_is_not_gone_on_with(tmp_path: Path) -> None:
    run_trials(RECIPE, 1, SPACE, tmp_path / "s", "rows", train)
    others = {"recipe": (Recipe(epochs=4), SPACE, "rows"), "table": (RECIPE, SPACE, "other rows"),
              "space": (RECIPE, space_of(RECIPE), "rows")}  # fmt: skip
    for name, (recipe, space, rows) in others.items():
        with pytest.raises(BadInput, match=f"has the trials of another {name}; resume with the same"):
            run_trials(recipe, 2, space, tmp_path / "s", rows, train)
    (tmp_path / "s/trials.csv").write_text("a,b\n1,2\n")
    with pytest.raises(BadInput, match="is no table of trials of this sweep"):
        run_trials(RECIPE, 2, SPACE, tmp_path / "s", "rows", train)
