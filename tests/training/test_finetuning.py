"""Fine-tuning: it learns, chooses on its own labels, is repeatable, resumable, interruptible, and says what is wrong."""

import json
import re
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from toys import toy

import omlzoo
from omlzoo import catalog
from omlzoo.data import table
from omlzoo.errors import BadInput, MissingExtra, OmlzooWarning, UnknownName
from omlzoo.losses import SupConLoss
from omlzoo.models._extractor import Extractor
from omlzoo.training import Recipe, Run
from omlzoo.training.defaults import suggest
from omlzoo.training.loop import train_epoch
from omlzoo.training.objective import Supervised
from omlzoo.training.optimizers import learning_rate
from omlzoo.training.recipe import READY
from omlzoo.training.split import set_apart
from omlzoo.training.step import Optimization

QUICK: dict[str, Any] = {"epochs": 2, "n_labels": 4, "n_instances": 3, "augment": "none", "lr": 1e-3, "log": "none"}


def tune(model: Extractor, drawn: Path, out: Path, **settings: Any) -> Run:
    return omlzoo.finetune(model, drawn, out=out, progress=False, **QUICK | settings)


def weights(run: Run) -> bytes:
    return (run.folder / "model.safetensors").read_bytes()


BY_NAME = sorted(
    set(catalog.names("losses"))
    - {"CrossBatch", "MatryoshkaLoss", "WeightedSum", "SimilarityDistillation", "CLIPLoss", "SigLIPLoss"}
)


@pytest.mark.parametrize("loss", BY_NAME)
def test_every_loss_can_be_named(tmp_path: Path, drawn: Path, model: Extractor, loss: str) -> None:
    run = tune(model, drawn, tmp_path / "run", loss=loss, epochs=1)
    assert run.history["loss"].notna().all()
    assert (run.history["empty_batches"] == 0).all()


def test_it_learns_and_the_run_folder_is_a_checkpoint(tmp_path: Path, drawn: Path, model: Extractor) -> None:
    before = {name: value.clone() for name, value in model.state_dict().items()}
    run = tune(
        model,
        drawn,
        tmp_path / "shoes",
        epochs=12,
        lr=3e-3,
        n_labels=8,
        n_instances=4,
        selection=0,
        loss="SupConLoss",
    )
    assert run.report.before is not None
    seen = table.read(drawn, "train")
    seen = seen.rows((seen.frame["split"] == "train").to_numpy())
    shown = seen.frame.assign(split="validation", is_query=True, is_gallery=True)
    learnt = [omlzoo.evaluate(each, shown, root=seen.root).metrics["map@r"] for each in (model, run.model())]
    assert learnt[1] > 1.5 * learnt[0], "of the pictures it was trained on"
    assert run.history["loss"].iloc[-1] < run.history["loss"].iloc[0]
    files = sorted(path.name for path in run.folder.iterdir())
    assert [name for name in files if name != "tensorboard"] == [
        "entry.json", "history.csv", "model.safetensors", "recipe.toml", "report.html", "report.json",
    ]  # fmt: skip
    opened = omlzoo.get_model(str(run.folder))
    assert omlzoo.evaluate(opened, drawn).metrics["cmc@1"] == pytest.approx(run.report.metrics["cmc@1"])
    assert torch.equal(opened.state_dict()["conv1.weight"], run.model().state_dict()["conv1.weight"])
    entry = opened.weights.entry
    assert entry.name == "shoes"
    assert {metric.metric for metric in entry.metrics} == {"cmc@1", "map@5", "map@r"}
    assert json.loads((run.folder / "report.json").read_text())["before"]["cmc@1"] == run.report.before["cmc@1"]
    assert len(pd.read_csv(run.folder / "history.csv")) == 12
    assert all(torch.equal(model.state_dict()[name], value) for name, value in before.items()), (
        "the model given is left alone"
    )
    again = omlzoo.finetune(
        str(run.folder), drawn, out=tmp_path / "more", recipe=Recipe.read(run.folder / "recipe.toml"), epochs=1
    )
    assert again.report.before["cmc@1"] == pytest.approx(run.report.metrics["cmc@1"])


def test_the_epoch_is_chosen_on_labels_of_its_own(drawn: Path) -> None:
    rows = table.read(drawn, "train")
    train = rows.rows((rows.frame["split"] == "train").to_numpy())
    fit, selection = set_apart(train, Recipe(selection=0.25))
    assert selection is not None
    assert not set(fit.frame["label"]) & set(selection.frame["label"])
    assert len(fit) + len(selection) == len(train)
    assert selection.frame["label"].nunique() == 6
    assert set(selection.frame["path"]) <= set(train.frame["path"]), "never a validation row"
    fit, selection = set_apart(train, Recipe(selection=0.3, selection_by="category"))
    assert selection is not None
    assert selection.frame["category"].nunique() == 1
    assert set_apart(train, Recipe(selection=0))[1] is None


def test_the_best_epoch_is_kept(tmp_path: Path, drawn: Path, model: Extractor) -> None:
    run = tune(model, drawn, tmp_path / "run", epochs=5, lr=0.02)
    best = run.history["selection map@r"].idxmax() + 1
    assert run.report.facts["epoch kept"] == best
    assert "set apart from the training labels" in run.report.facts["chosen on"]


def test_the_seed_decides_everything(tmp_path: Path, drawn: Path, model: Extractor) -> None:
    torch.manual_seed(1)
    first = tune(model, drawn, tmp_path / "a", augment="photo")
    torch.manual_seed(2)
    second = tune(model, drawn, tmp_path / "b", augment="photo", workers=1)
    other = tune(model, drawn, tmp_path / "c", augment="photo", seed=1)
    assert weights(first) == weights(second)
    assert weights(first) != weights(other)


def test_an_unfinished_run_is_resumed_with_the_same_settings_only(
    tmp_path: Path, drawn: Path, model: Extractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(self: Any, *arguments: Any) -> float:
        raise SystemExit

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(Optimization, "batch", killed)
        tune(model, drawn, tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["last.ckpt"]
    with pytest.raises(BadInput, match="holds an unfinished run; go on with resume"):
        tune(model, drawn, tmp_path / "run")
    with pytest.raises(BadInput, match="was run with another recipe: lr = 0.001 there, lr = 0.5 here"):
        tune(model, drawn, tmp_path / "run", resume=True, lr=0.5)
    frame = pd.read_csv(drawn).iloc[1:]
    frame["path"] = [str(drawn.parent / path) for path in frame["path"]]
    with pytest.raises(
        BadInput, match="was run with another table: 160 rows of 32 labels, .* there, 159 rows of 32 labels"
    ):
        omlzoo.finetune(model, frame, out=tmp_path / "run", resume=True, **QUICK)
    with pytest.raises(BadInput, match="was run with another start"):
        tune(toy("resnet_toy", seed=1), drawn, tmp_path / "run", resume=True)
    assert len(tune(model, drawn, tmp_path / "run", resume=True).history) == 2


KILLED = """
import os, signal, sys, threading
import omlzoo
from omlzoo.training import finetune  # what is imported late is imported before the clock starts
start, table, out, delay, settings = sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]), eval(sys.argv[5])
if delay:
    threading.Timer(delay, os.kill, (os.getpid(), signal.SIGKILL)).start()
omlzoo.finetune(start, table, out=out, resume=True, **settings)
"""


@pytest.mark.parametrize("kills", [1, pytest.param(25, marks=pytest.mark.slow)])
def test_killed_at_random_moments_it_ends_the_same(tmp_path: Path, drawn: Path, model: Extractor, kills: int) -> None:
    """Optimizer, average, memory, drop path and batches go on within an epoch: the state is saved after each batch."""
    model.save(tmp_path / "start")
    settings = {
        **QUICK, "epochs": 2 if kills == 1 else 4, "augment": "drawing", "save_minutes": 0.0, "ema": 0.9, "memory": 30,
        "accumulate": 2, "loss": "SupConLoss", "drop_path": 0.2, "workers": 1, "log": "none", "decoded_gb": 0.01,
    }  # fmt: skip
    start = time.perf_counter()
    plain = {**settings, "decoded_gb": 0}  # the killed run keeps decoded pictures
    whole = omlzoo.finetune(str(tmp_path / "start"), drawn, out=tmp_path / "whole", **plain)
    seconds = time.perf_counter() - start
    random = np.random.default_rng(kills)
    ends = []
    for delay in [*random.uniform(0.02, seconds, kills), 0.0]:
        arguments = [tmp_path / "start", drawn, tmp_path / "killed", delay, settings]
        ends.append(subprocess.run([sys.executable, "-W", "ignore", "-c", KILLED, *map(str, arguments)], check=False))
    assert ends[-1].returncode == 0
    assert sum(end.returncode == -signal.SIGKILL for end in ends) >= 1, "at least one was killed"
    assert (tmp_path / "killed/model.safetensors").read_bytes() == weights(whole)
    history = pd.read_csv(tmp_path / "killed/history.csv")
    pd.testing.assert_series_equal(history["loss"], whole.history["loss"], check_exact=True)


@pytest.mark.parametrize("sampler", [
    {"sampler": "NearestLabels"}, {"sampler": "HardNegatives", "sampler_args": {"negatives": 1}},
], ids=["labels", "rows"])  # fmt: skip
def test_batches_of_near_labels_are_those_of_the_last_embeddings_also_after_a_kill(
    tmp_path: Path, drawn: Path, model: Extractor, monkeypatch: pytest.MonkeyPatch, sampler: dict[str, Any]
) -> None:
    settings = {**sampler, "epochs": 3, "save_minutes": 0.0, "log": "none", "workers": 0}
    whole = tune(model, drawn, tmp_path / "whole", **settings)
    batches = []

    def killed(self: Any, *arguments: Any) -> float:
        batches.append(1)
        if len(batches) == 15:  # in the second epoch
            raise SystemExit
        return float(found(self, *arguments))

    found = Optimization.batch
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(Optimization, "batch", killed)
        tune(model, drawn, tmp_path / "run", **settings)
    resumed = tune(model, drawn, tmp_path / "run", resume=True, **settings)
    assert weights(resumed) == weights(whole)


def test_ctrl_c_keeps_the_best_so_far(
    tmp_path: Path, drawn: Path, model: Extractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from omlzoo.training import running

    epochs = []

    def interrupted(*arguments: Any, **more: Any) -> Any:
        epochs.append(1)
        if len(epochs) == 3:
            raise KeyboardInterrupt
        return train_epoch(*arguments, **more)

    monkeypatch.setattr(running, "train_epoch", interrupted)
    run = tune(model, drawn, tmp_path / "run", epochs=9)
    assert run.interrupted
    assert len(run.history) == 2
    assert run.report.facts["epochs"] == "2 of 9, interrupted"
    assert omlzoo.get_model(str(run.folder)).dim == model.dim


@pytest.mark.parametrize("settings", [
    {"loss": "SupConLoss"}, {"loss_args": {"margin": "none"}}, {"miner": "AllTriplets"},
    {"sampler": "CategoryBalanced", "n_labels": 2}, {"sampler": "DistinctCategoryBalanced", "n_labels": 2},
    {"sampler": "FullCoverage"}, {"sampler": "NearestLabels", "epochs": 2}, {"loss": "SupConLoss", "memory": 40}, {"freeze": 2}, {"clip": 1.0}, {"precision": "bf16"}, {"precision": "fp16"},
    {"image_size": 48}, {"selection": 0.0}, {"augment": "photo"}, {"optimizer": "Adam"}, {"optimizer": "SGD"},
    {"schedule": "linear"}, {"schedule": "constant"}, {"layer_decay": 0.5}, {"drop_path": 0.3}, {"accumulate": 3},
    {"chunk": 5}, {"recompute": True}, {"ema": 0.9}, {"project": 24},
    {"loss": "HyperbolicContrastive", "poincare": 8}, {"freeze": 2, "cache": 2, "augment": "drawing"},
    {"loss": "ProxyAnchorLoss", "loss_lr": 100.0}, {"log": "none"},
])  # fmt: skip
def test_every_setting_runs(tmp_path: Path, drawn: Path, model: Extractor, settings: dict[str, Any]) -> None:
    run = tune(model, drawn, tmp_path / "run", **{"epochs": 1, **settings})
    opened = run.model()
    assert 0 <= run.report.metrics["cmc@1"] <= 1
    if "freeze" in settings:
        for name in ("conv1.weight", "bn1.weight", "bn1.running_mean", "layer1.0.conv1.weight"):
            assert torch.equal(opened.state_dict()[name], model.state_dict()[name]), name
        assert not torch.equal(
            opened.state_dict()["layer2.0.conv1.weight"], model.state_dict()["layer2.0.conv1.weight"]
        )
    if "image_size" in settings:
        assert opened.transforms().preprocess.crop == (48, 48)


@pytest.mark.parametrize(("settings", "error", "message"), [
    ({"epoch": 3}, UnknownName, "the recipe has no 'epoch'; did you mean epochs"),
    ({"loss": "TripleLoss"}, UnknownName, "did you mean TripletLoss"),
    ({"miner": "HardTriplet"}, UnknownName, "did you mean HardTriplets"),
    ({"loss_args": {"margins": 1}}, BadInput, "loss_args has 'margins'; TripletLoss takes margin, miner"),
    ({"loss": "ArcFaceLoss", "memory": 9}, BadInput, "memory is 9, but ArcFaceLoss compares with no other items"),
    ({"loss": "CrossBatch"}, BadInput, "do not suit CrossBatch"),
    ({"sampler": "Fair"}, BadInput, "sampler is 'Fair'; it must be one of Balanced, CategoryBalanced"),
    ({"augment": "mix"}, BadInput, "augment is 'mix'; it must be one of photo, hypvit, rich, drawing, none"),
    ({"epochs": 2.5}, BadInput, "epochs is 2.5; it must be a whole number"),
    ({"lr": float("nan")}, BadInput, "lr is nan; it must be a number"),
    ({"loss_args": 3}, BadInput, "loss_args is 3; it must be a table"),
    ({"loss_args": {"margin": "abc"}}, BadInput, "do not suit TripletLoss"),
    ({"epochs": 0}, BadInput, "epochs is 0; it must be a whole number, 1 or more"),
    ({"selection": 1.5}, BadInput, "selection is 1.5; it must be a number, between 0 and 0.9"),
    ({"n_labels": 99}, BadInput, "n_labels is 99, but only 20 labels are trained on; lower n_labels"),
    ({"cache": 1}, BadInput, "cache is 1, but nothing is frozen; set freeze"),
    ({"poincare": 8}, BadInput, "poincare is 8, but TripletLoss measures no distances in a ball; set loss to Hyper"),
    ({"freeze": 9}, BadInput, "freeze is 9; this model has 5 stages, freeze fewer"),
])  # fmt: skip
def test_a_setting_that_cannot_be_met_is_refused_before_training(
    tmp_path: Path, drawn: Path, model: Extractor, settings: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        tune(model, drawn, tmp_path / "run", **settings)
    assert not (tmp_path / "run").exists(), "nothing half-written is left"


def test_broken_pictures_are_skipped_counted_and_said(tmp_path: Path, drawn: Path, model: Extractor) -> None:
    frame = pd.read_csv(drawn)
    frame["path"] = [str(drawn.parent / path) for path in frame["path"]]
    (tmp_path / "broken.png").write_bytes(b"x")
    frame.loc[2, "path"] = str(tmp_path / "broken.png")
    with pytest.warns(
        OmlzooWarning, match=r"1 pictures could not be read and are skipped in training; the first: .*broken"
    ):
        run = omlzoo.finetune(model, frame, out=tmp_path / "run", **QUICK | {"selection": 0.0, "epochs": 3})
    assert run.report.facts["training pictures that could not be read"] == 1


def test_a_loss_that_is_not_finite_stops_at_its_step(tmp_path: Path, drawn: Path, model: Extractor) -> None:
    with pytest.raises(BadInput, match="NaN or infinity, .*; lower the learning rate|the loss is .* at step"):
        tune(model, drawn, tmp_path / "run", lr=1e25, epochs=3)


def test_few_labels_and_few_rows_are_said(tmp_path: Path, drawn: Path, model: Extractor) -> None:
    frame = pd.read_csv(drawn)
    frame["path"] = [str(drawn.parent / path) for path in frame["path"]]
    few = frame[(frame["split"] == "validation") | frame["label"].isin(["0-00", "0-01", "0-02"])]
    few = few.drop(index=[1, 2, 3, 4])  # one picture of 0-00 is left
    with pytest.warns(OmlzooWarning) as said:
        omlzoo.finetune(model, few, out=tmp_path / "run", **QUICK | {"n_labels": 2, "epochs": 1})
    text = "\n".join(str(warning.message) for warning in said)
    assert "3 distinct values of label in training are too few to set 2 apart; the last epoch is kept" in text
    assert "1 labels have fewer than 3 pictures, so some repeat within a batch" in text


def test_an_output_folder_that_exists_is_refused(tmp_path: Path, drawn: Path, model: Extractor) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/precious.txt").touch()
    with pytest.raises(BadInput, match=r"exists and holds precious.txt"):
        tune(model, drawn, tmp_path / "run")
    with (
        pytest.warns(OmlzooWarning, match="has no saved state; the run begins"),
        pytest.raises(BadInput, match=r"exists and holds precious.txt"),
    ):
        tune(model, drawn, tmp_path / "run", resume=True)


def test_a_recipe_survives_its_file(tmp_path: Path) -> None:
    recipe = Recipe(epochs=3, loss_args={"margin": "none", "x": 1.5}, lr=1e-7, sampler="CategoryBalanced")
    (tmp_path / "r.toml").write_text(recipe.to_toml())
    assert Recipe.read(tmp_path / "r.toml") == recipe
    (tmp_path / "r.toml").write_text("epoch = 3")
    with pytest.raises(UnknownName, match="did you mean epochs"):
        Recipe.read(tmp_path / "r.toml")
    (tmp_path / "r.toml").write_text("epochs = ")
    with pytest.raises(BadInput, match="not readable as TOML"):
        Recipe.read(tmp_path / "r.toml")


def test_the_learning_rate_rises_and_falls() -> None:
    at = learning_rate(2.0, 100, 0.1)
    values = [at(step) for step in range(100)]
    assert values[:10] == pytest.approx([0.2 * (i + 1) for i in range(10)])
    assert max(values) == 2.0
    assert all(a >= b for a, b in pairwise(values[10:]))
    assert values[55] == pytest.approx(1.0)
    assert values[-1] < 0.01


def test_the_loop_is_plain_gradient_descent() -> None:
    layer = nn.Linear(1, 1, bias=False)
    nn.init.ones_(layer.weight)

    class Sum(nn.Module):
        def forward(self, embeddings: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
            return embeddings.sum()

    settings: dict[str, Any] = {
        "optimizer": "SGD",
        "lr": 0.1,
        "weight_decay": 0.0,
        "warmup": 0.0,
        "schedule": "constant",
    }
    work = Optimization(layer, Supervised(Sum()), Recipe(**settings), 9, "fp32")
    nothing = torch.empty(0, dtype=torch.long)
    batches = [
        (torch.full((1, 1), 2, dtype=torch.uint8), torch.tensor([0]), torch.tensor([0]), [(5, "broken")]),
        (torch.empty(0, 1, dtype=torch.uint8), nothing, nothing, []),
    ]
    summary = train_epoch(work, batches, lambda pixels: [pixels.float()])
    assert layer.weight.item() == pytest.approx(1 - 0.1 * 2 * 1.9)  # Nesterov: gradient + 0.9 x momentum
    assert (summary.batches, summary.trained, summary.loss, summary.skipped) == (2, 1, 2.0, {5: "broken"})


def test_an_interrupted_run_goes_on_and_keeps_its_first_numbers(
    tmp_path: Path, drawn: Path, model: Extractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from omlzoo.training import running

    whole = tune(model, drawn, tmp_path / "whole", epochs=3)
    calls = []

    def interrupted(*arguments: Any, **more: Any) -> Any:
        calls.append(1)
        if len(calls) in (1, 4):
            raise KeyboardInterrupt
        return train_epoch(*arguments, **more)

    monkeypatch.setattr(running, "train_epoch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tune(model, drawn, tmp_path / "run", epochs=3)
    first = tune(model, drawn, tmp_path / "run", epochs=3, resume=True)
    assert first.interrupted
    with pytest.raises(BadInput, match="holds an unfinished run; go on with resume"):
        tune(model, drawn, tmp_path / "run", epochs=3)
    resumed = tune(model, drawn, tmp_path / "run", epochs=3, resume=True)
    assert not resumed.interrupted
    assert weights(resumed) == weights(whole)
    assert resumed.report.before == whole.report.before


def test_a_metric_that_cannot_choose_is_refused_before_training(tmp_path: Path, drawn: Path, model: Extractor) -> None:
    with pytest.raises(UnknownName, match="the metrics of the selection rows has no 'cmc@3'; did you mean cmc@"):
        tune(model, drawn, tmp_path / "run", select="cmc@3")
    frame = pd.read_csv(drawn)
    frame = frame[(frame["split"] == "validation") | ~frame["label"].duplicated()]
    with (
        pytest.warns(OmlzooWarning),
        pytest.raises(BadInput, match="map@r of the .* rows set apart from training is not a number"),
    ):
        omlzoo.finetune(model, frame, out=tmp_path / "run", root=drawn.parent, **QUICK)
    assert not (tmp_path / "run").exists()


def test_random_weights_say_so(tmp_path: Path, drawn: Path, model: Extractor) -> None:
    model.save(tmp_path / "m")
    start = omlzoo.get_model(tmp_path / "m", weights=None)
    assert start.weights.address == "m with random weights"
    run = omlzoo.finetune(start, drawn, out=tmp_path / "run", **QUICK | {"epochs": 1})
    assert run.report.facts["started from"] == "m with random weights"
    before = torch.get_rng_state()
    omlzoo.finetune(start, drawn, out=tmp_path / "again", **QUICK | {"epochs": 1})
    assert torch.equal(torch.get_rng_state(), before), "the caller's random numbers are left alone"


def test_settings_follow_from_the_table_and_are_said(
    tmp_path: Path, drawn: Path, model: Extractor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "omlzoo")
    frame = pd.read_csv(drawn)
    train = frame[frame["split"] == "train"]
    assert suggest(train, ()) == {"n_instances": 4, "n_labels": 8}  # 24 labels of 5 pictures, 3 categories
    several = train.assign(category=[str(number // 10) for number in range(len(train))])
    assert suggest(several, ()) == {"n_instances": 4, "n_labels": 4, "sampler": "CategoryBalanced", "n_categories": 2}
    assert suggest(several, ("sampler",)) == {}
    few = train[train["label"].isin(train["label"].unique()[:5])].groupby("label").head(2)
    assert suggest(few, ("lr",)) == {"n_instances": 2, "n_labels": 3}
    run = omlzoo.finetune(model, drawn, out=tmp_path / "run", epochs=1, log="none")
    assert "chosen from the table: n_instances = 4, n_labels = 8" in caplog.text
    assert run.report.facts["settings chosen from the table"] == "n_instances = 4, n_labels = 8"
    assert Recipe.read(tmp_path / "run/recipe.toml").n_labels == 8
    with pytest.warns(OmlzooWarning, match="is finished already; nothing was done"):
        again = omlzoo.finetune(model, drawn, out=tmp_path / "run", epochs=1, log="none", resume=True)
    assert again.report.metrics == json.loads((tmp_path / "run/report.json").read_text())["metrics"]
    with pytest.raises(BadInput, match="is finished, with another recipe: lr = 0.0001 there, lr = 0.5 here"):
        omlzoo.finetune(model, drawn, out=tmp_path / "run", epochs=1, log="none", lr=0.5, resume=True)


def test_validation_pictures_that_are_also_trained_on_are_listed(tmp_path: Path, drawn: Path, model: Extractor) -> None:
    frame = pd.read_csv(drawn)
    frame["path"] = [str(drawn.parent / path) for path in frame["path"]]
    copied = frame.index[frame["split"] == "validation"][0]
    copy = tmp_path / "copy.png"
    copy.write_bytes(Path(frame.loc[frame["split"] == "train", "path"].iloc[3]).read_bytes())
    frame.loc[copied, "path"] = str(copy)
    with pytest.warns(OmlzooWarning, match="1 of 40 validation pictures are nearly the same as training ones"):
        run = omlzoo.finetune(model, frame, out=tmp_path / "run", **QUICK | {"epochs": 1})
    assert run.report.facts["validation pictures that are also training pictures"] == 1
    assert pd.read_csv(tmp_path / "run/duplicates.csv")["path"].tolist() == [str(copy)]


def test_a_loss_that_is_not_finite_names_the_batch_and_keeps_the_best(
    tmp_path: Path, drawn: Path, model: Extractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def burst(self: Any, *arguments: Any) -> torch.Tensor:
        calls.append(1)
        return found(self, *arguments) * (torch.nan if len(calls) == 20 else 1)

    found = SupConLoss.compute
    monkeypatch.setattr(SupConLoss, "compute", burst)
    with pytest.raises(BadInput, match=r"the loss is nan at step 19, in the batch of .*\.png, .* and 8 more; lower lr"):
        tune(model, drawn, tmp_path / "run", loss="SupConLoss", epochs=9)
    report = json.loads((tmp_path / "run/report.json").read_text())
    assert "interrupted" in report["facts"]["epochs"]
    assert omlzoo.get_model(tmp_path / "run").dim == model.dim
    assert (tmp_path / "run/last.ckpt").exists(), "it can go on from the last saved state"


def test_too_many_unreadable_pictures_stop_the_run(tmp_path: Path, drawn: Path, model: Extractor) -> None:
    frame = pd.read_csv(drawn)
    frame["path"] = [str(drawn.parent / path) for path in frame["path"]]
    for row in frame.index[frame["split"] == "train"][::3]:
        cut = tmp_path / f"{row}.png"
        cut.write_bytes(Path(frame["path"][row]).read_bytes()[:-60])
        frame.loc[row, "path"] = str(cut)
    with (
        pytest.warns(OmlzooWarning, match="could not be read and have no vector"),
        pytest.raises(BadInput, match=r"of the pictures of epoch 1 could not be read, more than unreadable, 10.0%"),
    ):
        omlzoo.finetune(model, frame, out=tmp_path / "run", **QUICK)
    with pytest.warns(OmlzooWarning) as said:
        omlzoo.finetune(model, frame, out=tmp_path / "more", **QUICK | {"unreadable": 0.6, "epochs": 1})
    assert any("could not be read and are skipped in training" in str(warning.message) for warning in said)


def test_several_losses_and_low_rank_updates(tmp_path: Path, drawn: Path) -> None:
    run = tune(toy("vit_toy"), drawn, tmp_path / "run", lora=2, add_losses={"ThresholdConsistentMargin": 0.5})
    assert "ThresholdConsistentMargin.value" in run.history
    assert run.model().state_dict().keys() == toy("vit_toy").state_dict().keys()
    with pytest.raises(UnknownName, match="did you mean SupConLoss"):
        tune(toy("vit_toy"), drawn, tmp_path / "other", add_losses={"SupConLos": 1.0})
    with pytest.raises(BadInput, match="give names of losses, each with a weight of 0 or more"):
        Recipe(add_losses={"SupConLoss": -1.0})


def test_the_page_shows_what_happened(tmp_path: Path, drawn: Path, model: Extractor) -> None:
    run = tune(model, drawn, tmp_path / "run", loss="SupConLoss", epochs=3, lr=3e-3)
    page = (run.folder / "report.html").read_text()
    charts = json.loads(re.search(r'id="charts">(.*?)</script>', page)[1])
    lines = {chart["title"]: {one["name"]: one["y"] for one in chart.get("series", [])} for chart in charts}
    assert lines["Loss"]["loss"] == pytest.approx(list(run.history["loss"]), rel=1e-3)
    assert {"Learning rate", "Distances of pairs", "Accepted pairs", "Embeddings"} <= set(lines)
    assert "selection map@r" in lines["Selection rows"]
    ranking, before = run.report.ranking, run.report.ranking_before
    change = ranking.values["map@r"] - before.values["map@r"]
    assert ("Queries that gained most" in page) == bool((change > 0).any())
    assert ("Queries that lost most" in page) == bool((change < 0).any())
    assert before.values["map@r"].mean() == pytest.approx(run.report.before["map@r"])


def test_curves_go_to_tensorboard(tmp_path: Path, drawn: Path, model: Extractor) -> None:
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason="no tensorboard")
    run = tune(model, drawn, tmp_path / "run", loss="SupConLoss", epochs=3, log="auto")
    found = events.EventAccumulator(str(tmp_path / "run/tensorboard"))
    found.Reload()
    assert {"loss", "lr", "positive_cosine", "selection map@r"} <= set(found.Tags()["scalars"])
    losses = [event.value for event in found.Scalars("loss")]
    steps = len(losses) // 3
    assert np.mean(losses[:steps]) == pytest.approx(run.history["loss"][0], rel=1e-5)
    assert [event.value for event in found.Scalars("selection map@r")] == pytest.approx(run.history["selection map@r"])


def test_a_log_that_is_not_installed_is_named(tmp_path: Path, drawn: Path, model: Extractor) -> None:
    from importlib.util import find_spec

    if find_spec("mlflow"):
        pytest.skip("mlflow is installed here")
    with pytest.raises(MissingExtra, match=r"mlflow is not installed; run: pip install 'omlzoo\[mlflow\]'"):
        tune(model, drawn, tmp_path / "run", log="mlflow")
    assert not (tmp_path / "run").exists(), "it is refused before anything is measured"


READY_RECIPES = sorted(path.stem for path in READY.glob("*.toml"))


@pytest.mark.parametrize("name", READY_RECIPES)
def test_every_ready_recipe_trains(tmp_path: Path, drawn: Path, name: str) -> None:
    frame = pd.read_csv(drawn)
    frame["path"] = [str(drawn.parent / path) for path in frame["path"]]
    frame["category"] = [f"{category} {row % 2}" for row, category in enumerate(frame["label"].str[-1], 1)]
    frame["category"] = frame.groupby("label")["category"].transform("first")
    recipe = Recipe.read(name)
    smaller = {"n_labels": 2, "n_instances": 2, "n_categories": 2, "memory": min(recipe.memory, 30), "log": "none"}
    run = omlzoo.finetune(toy("vit_toy"), frame, out=tmp_path / "run", recipe=recipe, epochs=1, **smaller)
    assert run.history["loss"].notna().all()
    if name == "sop":
        assert run.model().normalize


def test_a_ready_recipe_is_found_by_its_name() -> None:
    assert Recipe.read("inshop").n_labels == 30
    with pytest.raises(UnknownName, match="the ready recipes has no 'inshopp'; did you mean inshop"):
        Recipe.read("inshopp")


def test_a_single_label_and_batches_without_pairs_are_said(tmp_path: Path, drawn: Path, model: Extractor) -> None:
    frame = pd.read_csv(drawn)
    frame["path"] = [str(drawn.parent / path) for path in frame["path"]]
    one = frame[(frame["split"] == "validation") | (frame["label"] == "0-00")]
    with (
        pytest.warns(OmlzooWarning, match="too few to set"),
        pytest.raises(BadInput, match="all 5 training rows have one label, '0-00'; training needs at least two"),
    ):
        omlzoo.finetune(model, one, out=tmp_path / "run", epochs=1, log="none")
    assert not (tmp_path / "run").exists()
    with pytest.warns(OmlzooWarning, match="no batch of the first epoch had anything to learn from"):
        run = tune(model, drawn, tmp_path / "run", epochs=1, n_labels=1)
    assert run.history["loss"].tolist() == [0.0]


def test_a_cache_of_the_frozen_stages_changes_nothing_but_the_time(tmp_path: Path, drawn: Path) -> None:
    settings = {"augment": "none", "freeze": 2, "epochs": 2, "loss": "SupConLoss", "optimizer": "SGD", "lr": 0.01}
    runs = [tune(toy("vit_toy"), drawn, tmp_path / str(cache), cache=cache, **settings) for cache in (0, 1)]
    assert runs[1].history["loss"].to_numpy() == pytest.approx(runs[0].history["loss"].to_numpy(), rel=1e-4)
    for name, value in runs[0].model().state_dict().items():
        torch.testing.assert_close(runs[1].model().state_dict()[name], value, rtol=1e-3, atol=1e-5)
    assert not (tmp_path / "1" / "frozen.cache").exists()


def test_unreadable_pictures_are_counted_once_with_a_cache(tmp_path: Path, drawn: Path) -> None:
    rows = pd.read_csv(drawn)
    rows["path"] = [str(drawn.parent / path) for path in rows["path"]]
    (tmp_path / "broken.png").write_bytes(b"nothing")
    rows.loc[rows["split"].eq("train").idxmax(), "path"] = str(tmp_path / "broken.png")
    with pytest.warns(OmlzooWarning, match="1 pictures could not be read and are skipped"):
        run = tune(
            toy("vit_toy"), rows, tmp_path / "run", freeze=2, cache=1, augment="none", epochs=2, duplicates=False
        )
    assert run.report.facts["training pictures that could not be read"] == 1


def test_a_full_disk_is_said_before_the_cache_is_written(
    tmp_path: Path, drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=1000))
    with pytest.raises(BadInput, match=r"cache is 1; its outputs of \d+ pictures take .* GB, and .* has 0.0 GB left"):
        tune(toy("vit_toy"), drawn, tmp_path / "run", freeze=2, cache=1, augment="none")


def test_a_projection_is_kept_and_a_poincare_head_is_not(tmp_path: Path, drawn: Path) -> None:
    run = tune(
        toy("vit_toy"), drawn, tmp_path / "run", epochs=1, project=24, poincare=6, loss="HyperbolicContrastive",
        loss_args={"curvature": 0.2, "clip": 1.5},
    )  # fmt: skip
    model = run.model()
    assert (model.dim, model.weights.entry.arch) == (24, "projected")  # type: ignore[union-attr]
    assert model.weights.entry.params == sum(parameter.numel() for parameter in model.parameters())  # type: ignore[union-attr]
    assert all(name.startswith(("body.", "project.")) for name in model.state_dict())
    with pytest.raises(BadInput, match="project is 8, but run has a projection to 24 already"):
        tune(model, drawn, tmp_path / "again", project=8)


def test_mlflow_gets_the_numbers(
    tmp_path: Path, drawn: Path, model: Extractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/runs.db")
    run = tune(model, drawn, tmp_path / "run", epochs=1, log="mlflow")
    (found,) = mlflow.search_runs(output_format="list")
    assert found.data.params["epochs"] == "1"
    assert found.data.metrics["selection map_at_r"] == pytest.approx(run.history["selection map@r"].iloc[0])


def test_weights_and_biases_gets_a_run(
    tmp_path: Path, drawn: Path, model: Extractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    tune(model, drawn, tmp_path / "run", epochs=1, log="wandb")
    (file,) = tmp_path.glob("run/wandb/offline-run-*/*.wandb")
    assert file.stat().st_size > 1000


def test_one_process_trains_into_a_folder(tmp_path: Path, drawn: Path, model: Extractor) -> None:
    code = (
        "import sys; from omlzoo.files import writing\nwith writing(sys.argv[1]): print(flush=True); sys.stdin.read()"
    )
    arguments = [sys.executable, "-c", code, str(tmp_path / "run")]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        for resume in (False, True):
            with pytest.raises(BadInput, match="is being written by another process"):
                omlzoo.finetune(model, drawn, out=tmp_path / "run", resume=resume, **QUICK)
        other.communicate()


@pytest.mark.parametrize("name", [".hidden", "my run (2)", "靴", "x" * 240])
def test_a_run_folder_may_have_any_name(name: str, tmp_path: Path, drawn: Path, model: Extractor) -> None:
    run = omlzoo.finetune(model, drawn, out=tmp_path / name, **QUICK)
    assert omlzoo.get_model(str(run.folder)).dim == model.dim


@pytest.mark.parametrize(
    "text", ["[]", "5", "{}", "[" * 100_000, '{"metrics": 1, "facts": 2, "before": 3, "errors": 4}']
)
def test_a_strangers_finished_run_is_read_or_refused_in_one_line(
    text: str, tmp_path: Path, drawn: Path, model: Extractor
) -> None:
    omlzoo.finetune(model, drawn, out=tmp_path / "run", **QUICK)
    (tmp_path / "run" / "report.json").write_text(text)
    with pytest.raises(BadInput), pytest.warns(OmlzooWarning, match="finished already"):
        omlzoo.finetune(model, drawn, out=tmp_path / "run", resume=True, **QUICK)
