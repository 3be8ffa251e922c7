"""Runs with parts of one's own: they resume to the same bytes, are told from others, and leave nothing half-written."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from toys import toy

import omlzoo
from omlzoo.errors import BadInput, OmlzooWarning
from omlzoo.losses import CrossBatch, SupConLoss
from omlzoo.memory import MemoryBank
from omlzoo.miners import HardTriplets
from omlzoo.models._extractor import Extractor
from omlzoo.objectives import Objective
from omlzoo.samplers import Balanced
from omlzoo.training import EarlyStopping, Recipe, Run
from omlzoo.training.callbacks import UnderWay
from omlzoo.training.step import Optimization

QUICK: dict[str, Any] = {"epochs": 2, "n_labels": 4, "n_instances": 3, "augment": "none", "lr": 1e-3, "log": "none",
                         "precision": "fp32", "duplicates": False}  # fmt: skip


def tune(model: Extractor, drawn: Path, out: Path, **settings: Any) -> Run:
    return omlzoo.finetune(model, drawn, out=out, progress=False, **QUICK | settings)


def weights(run: Run) -> bytes:
    return (run.folder / "model.safetensors").read_bytes()


def spread(embeddings: Tensor, labels: Tensor) -> Tensor:
    return embeddings.square().mean()


def vector(embeddings: Tensor, labels: Tensor) -> Tensor:
    return embeddings.square().mean(dim=1)


def not_a_number(embeddings: Tensor, labels: Tensor) -> Tensor:
    return embeddings.sum() * float("nan")


def no_gradient(embeddings: Tensor, labels: Tensor) -> Tensor:
    return embeddings.detach().sum()


def half_size(image: Any) -> Any:
    return image.resize((5, 5))


def some(labels: Any) -> Any:
    return Balanced(labels, 4, 3)


def other_optimizer(groups: Any) -> torch.optim.Optimizer:
    return torch.optim.RMSprop(groups, lr=1.0)


class Watch:
    """Counts its moments; ends the run at one of them."""

    def __init__(self, ends: str = "", at: int = 1, fails: bool = False) -> None:
        self.ends, self.at, self.fails = ends, at, fails
        self.seen: list[tuple[str, int, int]] = []

    def _note(self, moment: str, run: UnderWay) -> str | None:
        self.seen.append((moment, run.epoch, run.step))
        if self.fails and moment == self.ends:
            raise RuntimeError("mine")
        return "stop" if moment == self.ends and sum(m == moment for m, _, _ in self.seen) >= self.at else None

    def on_step(self, run: UnderWay) -> str | None:
        return self._note("on_step", run)

    def on_epoch(self, run: UnderWay) -> str | None:
        assert run.history[-1]["epoch"] == run.epoch
        return self._note("on_epoch", run)

    def on_measure(self, run: UnderWay) -> str | None:
        assert set(run.metrics) in ({"cmc@1", "map@5", "map@r"}, set())
        return self._note("on_measure", run)


class Late:
    """Raises after the second epoch."""

    def on_measure(self, run: UnderWay) -> None:
        if run.epoch == 2:
            raise ValueError("late")


def killed_after(monkeypatch: pytest.MonkeyPatch, batches: int) -> Any:
    """Training dies after so many batches, until the patch is undone."""
    plain, done = Optimization.batch, []

    def batch(self: Any, *arguments: Any) -> float:
        if len(done) == batches:
            raise RuntimeError("killed")
        done.append(1)
        return plain(self, *arguments)

    monkeypatch.setattr(Optimization, "batch", batch)


def pml_memory() -> nn.Module:
    losses = pytest.importorskip("pytorch_metric_learning.losses", reason="pytorch-metric-learning is not installed")
    return losses.CrossBatchMemory(losses.ContrastiveLoss(), toy("resnet_toy").dim, 20)  # type: ignore[no-any-return]


def pml_arcface() -> nn.Module:
    losses = pytest.importorskip("pytorch_metric_learning.losses", reason="pytorch-metric-learning is not installed")
    torch.manual_seed(3)
    return losses.ArcFaceLoss(24, toy("resnet_toy").dim)  # type: ignore[no-any-return]


def our_memory() -> nn.Module:
    return CrossBatch(SupConLoss(), MemoryBank(20, toy("resnet_toy").dim))


@pytest.mark.parametrize("make", [pml_memory, pytest.param(pml_arcface, marks=pytest.mark.slow),
                                  pytest.param(our_memory, marks=pytest.mark.slow)])  # fmt: skip
def test_a_run_resumes_to_the_same_bytes(
    make: Any, tmp_path: Path, drawn: Path, model: Extractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts: dict[str, Any] = {"loss": make(), "sampler": some, "optimizer": other_optimizer}
    whole = tune(model, drawn, tmp_path / "whole", **parts)
    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="killed"):
        killed_after(patch, 6)
        tune(model, drawn, tmp_path / "cut", save_minutes=0, **parts)
    again: dict[str, Any] = {"loss": make(), "sampler": some, "optimizer": other_optimizer}
    assert weights(tune(model, drawn, tmp_path / "cut", save_minutes=0, resume=True, **again)) == weights(whole)
    kept = Recipe.read(tmp_path / "cut" / "recipe.toml")
    assert kept.sampler == f"{__name__}:some"
    assert kept.own() == []


def test_another_object_is_told_apart_when_a_run_is_resumed(
    tmp_path: Path, drawn: Path, model: Extractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="killed"):
        killed_after(patch, 2)
        tune(model, drawn, tmp_path / "run", loss=SupConLoss(0.2))
    with pytest.raises(
        BadInput, match=r"was run with another recipe: loss = .*temperature=0.2.* there, .*temperature=0.3"
    ):
        tune(model, drawn, tmp_path / "run", loss=SupConLoss(0.3), resume=True)
    config = Recipe(**QUICK, loss=f"{__name__}:spread")
    with pytest.raises(BadInput, match=r"a name in a file, and files import nothing; name its package"):
        omlzoo.finetune(model, drawn, out=tmp_path / "named", recipe=config, progress=False)
    assert not (tmp_path / "named").exists()
    run = omlzoo.finetune(model, drawn, out=tmp_path / "named", recipe=config, progress=False, trust=__name__)
    assert "spread" in (run.folder / "recipe.toml").read_text()


def test_what_cannot_be_told_from_another_is_said(tmp_path: Path, drawn: Path, model: Extractor) -> None:
    with pytest.warns(OmlzooWarning, match="loss is .*<lambda>, which cannot be told from another .*is a lambda"):
        tune(model, drawn, tmp_path / "run", epochs=1, loss=lambda embeddings, labels: embeddings.square().mean())


@pytest.mark.parametrize(("parts", "message"), [
    ({"loss": vector}, r"loss .*:vector returned float32 of the shape \(12,\); it must return a scalar"),
    ({"loss": not_a_number}, "the loss is nan at step 0"),
    ({"loss": no_gradient}, "returned a number without a gradient"),
    ({"loss": spread, "memory": 4}, "memory is 4, which goes with losses of omlzoo"),
    ({"augment": half_size}, r"augment .*:half_size returned 5 x 5 pixels; the model takes"),
    ({"sampler": Balanced(list("abcd") * 9, 4, 3)}, "is made already, and cannot know the rows that are left"),
    ({"sampler": Balanced(list(range(999)), 4, 3), "selection": 0.0}, r"gave row \d+; 120 rows are trained on"),
    ({"optimizer": spread}, "optimizer .*:spread cannot be made: TypeError"),
    ({"miner": HardTriplets(), "loss": "SupConLoss"}, "but SupConLoss takes none; leave it out"),
    ({"callbacks": [Watch("on_step", fails=True)]}, "callback Watch raised an error in on_step of epoch 1: RuntimeError: mine"),
    ({"callbacks": [EarlyStopping("cmc@1")], "selection": 0.0}, "an epoch measures nothing, because selection is 0"),
    ({"callbacks": [object()]}, "callback object has none of on_step"),
])  # fmt: skip
def test_parts_that_do_not_suit_are_one_line_and_leave_nothing(
    parts: dict[str, Any], message: str, tmp_path: Path, drawn: Path, model: Extractor
) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        tune(model, drawn, tmp_path / "run", **parts)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_callback_that_raises_later_leaves_the_model_of_the_epoch_before(
    tmp_path: Path, drawn: Path, model: Extractor
) -> None:
    with pytest.raises(BadInput, match="ValueError: late; .*run has the model of epoch 1"):
        tune(model, drawn, tmp_path / "run", callbacks=[Late()])
    assert omlzoo.get_model(str(tmp_path / "run")).dim == model.dim


@pytest.mark.parametrize(
    ("ends", "epochs", "steps"), [("on_step", 1, 1), ("on_epoch", 1, None), ("on_measure", 1, None)]
)
def test_a_callback_ends_the_run_at_its_moment(
    ends: str, epochs: int, steps: int | None, tmp_path: Path, drawn: Path, model: Extractor
) -> None:
    watch = Watch(ends)
    run = tune(model, drawn, tmp_path / "run", callbacks=[watch])
    assert len(run.history) == epochs
    assert not run.interrupted
    assert run.report.facts["epochs"] == "1 of 2, ended by Watch"
    assert not (run.folder / "last.ckpt").exists()
    moments = [moment for moment, _, _ in watch.seen]
    assert moments[-2:] == ["on_measure", "on_epoch"]
    if steps:
        assert moments.count("on_step") == steps


@pytest.mark.slow
def test_callbacks_that_watch_change_nothing(tmp_path: Path, drawn: Path, model: Extractor) -> None:
    watch = Watch()
    watched = tune(model, drawn, tmp_path / "watched", callbacks=[watch, EarlyStopping(patience=9)], epochs=1)
    assert weights(watched) == weights(tune(model, drawn, tmp_path / "plain", epochs=1))
    assert [moment for moment, _, _ in watch.seen].count("on_epoch") == 1


@pytest.mark.slow
def test_a_named_part_with_arguments(tmp_path: Path, drawn: Path, model: Extractor) -> None:
    run = tune(
        model, drawn, tmp_path / "run", loss="omlzoo.losses.supcon:SupConLoss(temperature=0.2)", epochs=1,
        callbacks=["omlzoo.training:EarlyStopping(metric='cmc@1', patience=1)"], optimizer="torch.optim:RMSprop(alpha=0.9)",
    )  # fmt: skip
    kept = Recipe.read(run.folder / "recipe.toml")
    assert (kept.optimizer, kept.callbacks) == (
        "torch.optim:RMSprop(alpha=0.9)", ["omlzoo.training:EarlyStopping(metric='cmc@1', patience=1)"]
    )  # fmt: skip


@pytest.mark.slow
def test_ours_as_an_object_is_ours_by_name(tmp_path: Path, drawn: Path, model: Extractor) -> None:
    by_name = tune(model, drawn, tmp_path / "name", loss="SupConLoss", loss_args={"temperature": 0.2}, epochs=1)
    own = tune(model, drawn, tmp_path / "object", loss=SupConLoss(0.2), sampler=some, epochs=1)
    assert weights(own) == weights(by_name)


@pytest.mark.slow
def test_matryoshka_is_named_with_its_loss(tmp_path: Path, drawn: Path, model: Extractor) -> None:
    arguments = {"loss": "SupConLoss", "dims": [model.dim, 4]}
    run = tune(model, drawn, tmp_path / "run", loss="MatryoshkaLoss", loss_args=arguments, epochs=1)
    assert {"value@4", f"value@{model.dim}"} <= set(run.history.columns)


def test_pretrain_takes_them_too(tmp_path: Path, drawn: Path, model: Extractor) -> None:
    watch = Watch("on_step")
    run = omlzoo.pretrain(
        model, pd.read_csv(drawn)[["path"]], root=drawn.parent, out=tmp_path / "run", objective="VICReg", epochs=2, n_labels=8, callbacks=[watch], progress=False,
        optimizer=other_optimizer, augment=f"{__name__}:crop_to_model", log="none", precision="fp32", selection=0.0,
    )  # fmt: skip
    assert len(run.history) == 1
    assert watch.seen[0][0] == "on_step"


def test_an_objective_takes_no_loss(tmp_path: Path, drawn: Path, model: Extractor) -> None:
    frame = pd.read_csv(drawn)[["path"]]
    with pytest.raises(
        BadInput, match="loss is .*:spread.*, which finetune and distil take; pretrain has no use for it"
    ):
        omlzoo.pretrain(model, frame, root=drawn.parent, out=tmp_path / "run", objective="VICReg", loss=spread)


class Apart(Objective):
    """Pulls the two views of a picture together and nothing apart."""

    def __init__(self, width: int) -> None:
        super().__init__(width)

    def forward(self, student: Any, teacher: Any, ids: Tensor) -> Tensor:
        return (student[0] - student[1]).square().mean()


@pytest.mark.slow
def test_an_objective_of_ones_own(tmp_path: Path, drawn: Path, model: Extractor) -> None:
    frame = pd.read_csv(drawn)[["path"]]
    run = omlzoo.pretrain(
        model, frame, root=drawn.parent, out=tmp_path / "run", objective=Apart, epochs=1, n_labels=8, progress=False,
        log="none", precision="fp32", alarm=False, selection=0.0,
    )  # fmt: skip
    assert "Apart" in (run.folder / "recipe.toml").read_text()


def crop_to_model(image: Any) -> Any:
    height, width = toy("resnet_toy").entry.preprocess.crop
    return image.resize((width, height))
