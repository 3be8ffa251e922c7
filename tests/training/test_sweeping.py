"""A sweep in a run: compared on the selection rows, gone on with after a kill, and the run has the best trial's recipe."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import omlzoo
from omlzoo.errors import BadInput, OmlzooWarning
from omlzoo.models._extractor import Extractor
from omlzoo.training import Run, finetuning
from omlzoo.training.recipe import Recipe
from omlzoo.training.step import Optimization

pytest.importorskip("optuna", reason="optuna is not installed")
SETTINGS: dict[str, Any] = {
    "epochs": 1, "n_labels": 4, "n_instances": 4, "lr": 1e-3, "precision": "fp32", "log": "none", "workers": 0,
    "augment": "none", "selection": 0.3, "decoded_gb": 0.0, "progress": False, "duplicates": False,
}  # fmt: skip


def tune(model: Extractor, drawn: Path, out: Path, **settings: Any) -> Run:
    return omlzoo.finetune(model, drawn, out=out, **SETTINGS | {"sweep": 2} | settings)


def test_the_run_has_the_recipe_of_the_best_trial_also_after_a_kill(
    tmp_path: Path, drawn: Path, model: Extractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    build = finetuning.build_run

    def built(*arguments: Any, **named: Any) -> Any:
        parts = build(*arguments, **named)
        seen.append(len(parts.split.validation))
        return parts

    monkeypatch.setattr(finetuning, "build_run", built)
    run = tune(model, drawn, tmp_path / "whole")
    assert seen == [0, 0, 40], "no trial sees the validation rows"
    table = pd.read_csv(run.folder / "trials.csv")
    best = table.loc[table["value"].idxmax()]
    kept = Recipe.read(run.folder / "recipe.toml")
    assert (kept.lr, kept.weight_decay, kept.loss_args["margin"]) == (
        best["lr"], best["weight_decay"], best["loss_args.margin"])  # fmt: skip
    assert run.history["selection map@r"].max() == best["value"], "the run is that trial, to the bit"
    assert run.report.facts["best trial"].startswith(f"trial {best['trial']}, map@r of the selection rows")
    assert not (tmp_path / "whole.trials").exists()
    with pytest.warns(OmlzooWarning, match="is finished already"):
        again = tune(model, drawn, tmp_path / "whole", resume=True)
    assert again.report.metrics == run.report.metrics

    batches, batch = [], Optimization.batch

    def killed(self: Any, *arguments: Any) -> float:
        batches.append(1)
        if len(batches) == 10:  # in the second trial
            raise SystemExit
        return float(batch(self, *arguments))

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(Optimization, "batch", killed)
        tune(model, drawn, tmp_path / "run")
    assert len(pd.read_csv(tmp_path / "run.trials/trials.csv")) == 1
    with pytest.raises(BadInput, match=r"run.trials holds the trials of an unfinished sweep; go on with resume"):
        tune(model, drawn, tmp_path / "run")
    with pytest.warns(OmlzooWarning, match="has no saved state; the run begins"):
        resumed = tune(model, drawn, tmp_path / "run", resume=True)
    weights = [(each.folder / "model.safetensors").read_bytes() for each in (run, resumed)]
    assert weights[0] == weights[1]


@pytest.mark.parametrize(("settings", "message"), [
    ({"sweep": -1}, "sweep is -1; it must be a whole number of trials"), ({"sweep": 2.5}, "sweep is 2.5"),
    ({"selection": 0.0}, "selection is 0, and trials are compared on the labels set apart by it"),
    ({"select": "precision@5"}, "select is 'precision@5'; a sweep compares by one of cmc@1, map@5, map@r"),
    ({"sweep": 0, "sweep_over": {"lr": (1e-4, 1e-3)}}, "sweep_over says what a sweep tries, and sweep is 0"),
    ({"sweep_over": {"lr": "x"}}, "sweep_over has lr = 'x'; give a range"),
])  # fmt: skip
def test_what_does_not_suit_is_refused_before_anything_is_written(
    tmp_path: Path, drawn: Path, model: Extractor, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        tune(model, drawn, tmp_path / "run", **settings)
    assert not list(tmp_path.glob("run*"))
