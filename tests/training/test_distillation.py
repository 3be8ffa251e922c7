"""Distillation: across dimensions, from rows without labels, with a mix of both, resumed to the same bytes."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from toys import toy

import omlzoo
from omlzoo.checkpoints.weights import Weights
from omlzoo.errors import BadInput, OmlzooWarning, UnknownName
from omlzoo.models._extractor import Extractor
from omlzoo.training import Recipe, Run
from omlzoo.training.step import Optimization

QUICK: dict[str, Any] = {"epochs": 2, "n_taught": 30, "augment": "none", "lr": 1e-3, "log": "none", "workers": 0}


@pytest.fixture(autouse=True)
def _own_home(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("OMLZOO_HOME", str(tmp_path_factory.mktemp("home")))


def teach(student: Extractor | Path, table: Any, teacher: Extractor | Path, out: Path, **settings: Any) -> Run:
    return omlzoo.distil(student, table, teacher=teacher, out=out, progress=False, **QUICK | settings)


def unlabelled(drawn: Path, keep: str = "") -> pd.DataFrame:
    """The table whose train rows have no label but for those of one category."""
    frame = pd.read_csv(drawn, dtype=str)
    frame["path"] = [str(drawn.parent / path) for path in frame["path"]]
    frame.loc[(frame["split"] == "train") & (frame["category"] != keep), "label"] = ""
    return frame


@pytest.mark.parametrize("queue", [0, 40])
def test_a_student_of_another_dimension_and_preprocessing_learns_without_labels(
    tmp_path: Path, drawn: Path, queue: int
) -> None:
    teacher, student = toy("vit_toy", seed=3), toy("resnet_toy", seed=1)
    larger = replace(teacher.entry, preprocess=replace(teacher.entry.preprocess, resize=(48, 48), mean=(0.9,) * 3))
    teacher.weights = Weights(larger)  # its own preprocessing
    frame = unlabelled(drawn)
    run = teach(student, frame, teacher, tmp_path / "run", epochs=8, lr=3e-3, teacher_args={"queue": queue})
    assert run.model().dim == student.dim != teacher.dim
    facts = run.report.facts
    assert facts["training pictures with a label"] == "0 of 120, not learned from (teacher_weight = 1)"
    measured = omlzoo.evaluate(teacher, drawn, precision="fp32", progress=False).metrics["cmc@1"]
    assert facts["teacher's cmc@1"] == f"{measured:.4f}"
    assert facts["chosen on"] == "nothing: the last epoch is kept"
    assert run.history["divergence"].iloc[-1] < 0.8 * run.history["divergence"].iloc[0]
    entry = omlzoo.get_weights(str(run.folder)).entry
    assert entry.source == f"taught by {facts['teacher']}, from {facts['started from']}"


def test_labelled_and_other_rows_are_mixed(tmp_path: Path, drawn: Path, model: Extractor) -> None:
    frame = unlabelled(drawn, keep=pd.read_csv(drawn)["category"].iloc[0])
    run = teach(model, frame, toy("vit_toy"), tmp_path / "run", teacher_weight=0.5, loss="SupConLoss", selection=0.3,
                n_labels=3, n_instances=2)  # fmt: skip
    facts = run.report.facts
    assert re.fullmatch(
        "30 of 110, learned from by SupConLoss with the weight 0.5", facts["training pictures with a label"]
    )
    assert "10 pictures of 2 labels set apart" in facts["chosen on"]
    assert run.history["pictures_per_second"].notna().all()
    recipe = (run.folder / "recipe.toml").read_text()
    assert recipe.startswith("# omlzoo distil the DataFrame --model ")
    assert f"--teacher {facts['teacher']} --config recipe.toml" in recipe
    assert Recipe.read(run.folder / "recipe.toml").teacher_weight == 0.5


def test_a_share_of_the_labels_leaves_the_other_rows_to_the_teacher(
    tmp_path: Path, drawn: Path, model: Extractor
) -> None:
    run = teach(model, drawn, toy("vit_toy"), tmp_path / "run", labels=0.25, epochs=1, selection=0.0)
    assert run.report.facts["labels drawn"] == "6 of 24 (labels = 0.25, seed = 0), 30 of 120 pictures"
    assert run.report.facts["training pictures with a label"].startswith("30 of 120")


KILLED = """
import os, signal, sys
import omlzoo
from omlzoo.training.step import Optimization
start, table, teacher, out, kill, settings = *sys.argv[1:5], int(sys.argv[5]), eval(sys.argv[6])
taken, found = [], Optimization.batch
def batch(self, *arguments):
    taken.append(1)
    if len(taken) == kill:
        os.kill(os.getpid(), signal.SIGKILL)
    return found(self, *arguments)
Optimization.batch = batch
omlzoo.distil(start, table, teacher=teacher, out=out, resume=True, progress=False, **settings)
"""


MIXED: dict[str, Any] = {
    **QUICK, "augment": "drawing", "teacher_weight": 0.6, "loss": "SupConLoss", "n_labels": 3, "n_instances": 2,
    "save_minutes": 0.0, "teacher_args": {"queue": 20}, "decoded_gb": 0.0,
}  # fmt: skip


def test_interrupted_it_ends_in_the_same_bytes(
    tmp_path: Path, drawn: Path, model: Extractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher, batches, found = toy("vit_toy"), [], Optimization.batch

    def killed(self: Any, *arguments: Any) -> float:
        batches.append(1)
        if len(batches) == 5:
            raise SystemExit
        return float(found(self, *arguments))

    whole = teach(model, drawn, teacher, tmp_path / "whole", **MIXED)
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(Optimization, "batch", killed)
        teach(model, drawn, teacher, tmp_path / "killed", **MIXED)
    with pytest.raises(BadInput, match="was run with another teacher"):
        teach(model, drawn, toy("vit_toy", seed=1), tmp_path / "killed", resume=True, **MIXED)
    resumed = teach(model, drawn, teacher, tmp_path / "killed", resume=True, **MIXED)
    assert (resumed.folder / "model.safetensors").read_bytes() == (whole.folder / "model.safetensors").read_bytes()
    with pytest.warns(OmlzooWarning, match="is finished already"):
        teach(model, drawn, teacher, tmp_path / "killed", resume=True, **MIXED)
    with pytest.raises(BadInput, match="is finished, with another teacher"):
        teach(model, drawn, toy("vit_toy", seed=1), tmp_path / "killed", resume=True, **MIXED)


@pytest.mark.slow
@pytest.mark.parametrize("kill", [3, 6])
def test_killed_it_ends_in_the_same_bytes(tmp_path: Path, drawn: Path, model: Extractor, kill: int) -> None:
    model.save(tmp_path / "start")
    toy("vit_toy").save(tmp_path / "teacher")
    whole = teach(tmp_path / "start", drawn, tmp_path / "teacher", tmp_path / "whole", **MIXED)
    arguments = [tmp_path / "start", drawn, tmp_path / "teacher", tmp_path / "killed"]
    command = [sys.executable, "-W", "ignore", "-c", KILLED, *map(str, arguments)]
    assert subprocess.run([*command, str(kill), repr(MIXED)], check=False).returncode == -9
    assert subprocess.run([*command, "0", repr(MIXED)], check=False).returncode == 0
    assert (tmp_path / "killed/model.safetensors").read_bytes() == (whole.folder / "model.safetensors").read_bytes()


def test_the_rehearsal_changes_nothing(
    tmp_path: Path, drawn: Path, model: Extractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, Any] = {"selection": 0.0, "n_taught": 20, "epochs": 1}
    plain = teach(model, drawn, toy("vit_toy"), tmp_path / "plain", **settings)
    monkeypatch.setattr("omlzoo.training.rehearsal.WORTH", 1)
    rehearsed = teach(model, drawn, toy("vit_toy"), tmp_path / "rehearsed", **settings)
    assert "estimated before the first step" in rehearsed.report.facts
    assert (plain.folder / "model.safetensors").read_bytes() == (rehearsed.folder / "model.safetensors").read_bytes()


@pytest.mark.parametrize(("settings", "message"), [
    ({"objective": "SimCLR"}, "objective is 'SimCLR', which pretrain takes"),
    ({"poincare": 8}, "poincare is 8, which finetune takes; distil has no use for it"),
    ({"teacher_weight": 0.0}, "teacher_weight is 0, so the teacher would say nothing"),
    ({"teacher_weight": 1.5}, "teacher_weight is 1.5; it must be a number, between 0 and 1"),
    ({"teacher_args": 3}, "teacher_args is 3; it must be a table"),
    ({"teacher_args": {"queue": 500}}, "queue of teacher_args is 500"),
    ({"teacher_weight": 0.5, "labels": 0.0}, "no training row has a label"),
])  # fmt: skip
def test_what_is_refused(tmp_path: Path, drawn: Path, model: Extractor, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        teach(model, drawn, toy("vit_toy"), tmp_path / "run", **settings)
    assert not list(tmp_path.iterdir())


def test_what_tables_are_refused_and_what_pictures_left_out(tmp_path: Path, drawn: Path, model: Extractor) -> None:
    frame = unlabelled(drawn)
    out = tmp_path / "run"
    with pytest.raises(BadInput, match="split is 'test' in some rows"):
        teach(model, frame.assign(split="test"), toy("vit_toy"), out)
    with pytest.raises(BadInput, match="no row is train"):
        teach(model, frame.assign(split="validation"), toy("vit_toy"), out)
    with pytest.raises(BadInput, match="validation rows need is_query and is_gallery"):
        teach(model, frame.drop(columns="is_query"), toy("vit_toy"), out)
    with pytest.raises(UnknownName):
        teach(model, frame, toy("vit_toy"), out, teacher_wait=1)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    paths = [str(broken), *frame["path"].iloc[:40]]
    with pytest.warns(OmlzooWarning) as said:
        run = teach(model, paths, toy("vit_toy"), out, epochs=1)
    assert any("1 of 41 pictures have no vector of the teacher and are left out" in str(each.message) for each in said)
    assert run.report.facts["training pictures"] == 40
    assert run.report.metrics == {}
    with pytest.raises(BadInput, match="the teacher gives 0 of 1 training pictures a vector"):
        teach(model, [str(broken)], toy("vit_toy"), tmp_path / "other")


CODE = """
import sys, warnings
import omlzoo
warnings.simplefilter("ignore")
start, table, teacher, out, settings = *sys.argv[1:5], eval(sys.argv[5])
omlzoo.distil(start, table, teacher=teacher, out=out, progress=False, **settings)
"""


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path: Path, drawn: Path) -> None:
    toy("vit_toy").save(tmp_path / "start")
    toy("resnet_toy", seed=4).save(tmp_path / "teacher")
    settings = {**QUICK, "optimizer": "SGD", "lr": 0.05, "teacher_weight": 0.5, "loss": "SupConLoss", "n_labels": 3,
                "n_instances": 2, "teacher_args": {"queue": 20}}  # fmt: skip
    arguments = [str(tmp_path / "start"), str(drawn), str(tmp_path / "teacher")]
    one = omlzoo.distil(tmp_path / "start", drawn, teacher=tmp_path / "teacher", out=tmp_path / "one", progress=False,
                        **settings)  # fmt: skip
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "--no-python"]
    done = subprocess.run(
        [*command, sys.executable, "-c", CODE, *arguments, str(tmp_path / "two"), repr(settings)], capture_output=True,
        text=True, check=False, timeout=240, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    for name, value in one.model().state_dict().items():
        torch.testing.assert_close(omlzoo.get_model(tmp_path / "two").state_dict()[name], value, rtol=1e-3, atol=1e-5)
