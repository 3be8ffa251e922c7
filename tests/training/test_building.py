"""Each part of a run stands alone: it is built from a table and a recipe, and nothing is written or trained."""

from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch
from torch import nn
from toys import toy

from omlzoo.data import table as tables
from omlzoo.errors import BadInput
from omlzoo.losses.triplet import TripletLoss
from omlzoo.models._extractor import Extractor
from omlzoo.training.building import build_data, build_run, build_step
from omlzoo.training.objective import Supervised
from omlzoo.training.recipe import Recipe
from omlzoo.training.running import Running
from omlzoo.training.split import split_rows
from omlzoo.training.training_model import TrainingModel

RECIPE = Recipe(epochs=3, n_labels=4, n_instances=2, augment="none", workers=0, log="none", duplicates=False)


def test_rows_are_split_by_label_and_none_is_lost(drawn: Path) -> None:
    table = tables.read(drawn, "train")
    split = split_rows(table, RECIPE)
    assert split.selection is not None
    assert len(split.fit) + len(split.selection) + len(split.validation) == len(table)
    assert not set(split.fit.frame["label"]) & set(split.selection.frame["label"])


def test_data_has_the_batches_of_the_sampler_and_knows_how_many_labels(drawn: Path, model: Extractor) -> None:
    rows = split_rows(tables.read(drawn, "train"), RECIPE).fit
    data = build_data(rows, RECIPE, model.entry.preprocess, Path("no such file"), torch.device("cpu"))
    assert data.labels == rows.frame["label"].nunique()
    assert data.features is None
    pixels, labels, numbers, bad = next(iter(data.loader))
    assert pixels.dtype == torch.uint8
    assert len(labels.unique()) == 4
    assert len(numbers) == 8
    assert not bad


def test_a_step_is_of_the_recipes_loss_and_of_as_many_steps_as_there_will_be(drawn: Path, model: Extractor) -> None:
    rows = split_rows(tables.read(drawn, "train"), RECIPE).fit
    recipe = replace(RECIPE, accumulate=2, lr=0.5, warmup=0.0, schedule="linear")
    data = build_data(rows, recipe, model.entry.preprocess, Path("no such file"), torch.device("cpu"))
    step = build_step(TrainingModel(model), recipe, data)
    assert isinstance(step.objective, Supervised)
    assert isinstance(step.objective.loss, TripletLoss)
    total = 3 * -(-len(data.batches) // 2)
    assert step.schedule(total) == pytest.approx(0)
    assert step.schedule(1) == pytest.approx(0.5)


def test_a_run_has_every_part_before_anything_is_written(drawn: Path, model: Extractor, tmp_path: Path) -> None:
    parts = build_run(model, tables.read(drawn, "train"), replace(RECIPE, freeze=1), tmp_path / "run", "cpu")
    assert not (tmp_path / "run").exists()
    assert parts.plan.epochs == 3
    assert parts.frozen
    assert parts.step.body is parts.model
    assert parts.recipe.startswith("# omlzoo finetune")
    with pytest.raises(BadInput, match="stages, freeze fewer"):
        build_run(toy("resnet_toy"), tables.read(drawn, "train"), replace(RECIPE, freeze=99), tmp_path / "run", "cpu")


def test_what_runs_knows_no_setting_and_all_its_attributes_from_the_start(
    drawn: Path, model: Extractor, tmp_path: Path
) -> None:
    running = Running(build_run(model, tables.read(drawn, "train"), RECIPE, tmp_path / "run", "cpu"), {}, False)
    born = set(vars(running))
    assert not [item.name for item in fields(running.parts) if isinstance(getattr(running.parts, item.name), Recipe)]
    running.run(resume=False)
    assert set(vars(running)) == born


def test_training_models_give_their_stages_and_the_heads() -> None:
    model, head = toy("resnet_toy"), nn.Linear(2, 2)
    assert TrainingModel(model, head).stages()[-1] == [head]
