"""The same pieces train in Lightning's Trainer and in a plain loop of torch."""

import sys
from pathlib import Path

import pytest
import torch
from toys import toy

import omlzoo
from omlzoo.losses import SupConLoss
from omlzoo.samplers import Balanced


@pytest.fixture(autouse=True)
def installed() -> None:
    """Lightning is imported by the tests, not while they are collected: it takes a second."""
    pytest.importorskip("pytorch_lightning", reason="pytorch-lightning is not installed")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("package", ["pytorch_lightning", "lightning.pytorch"])
def test_lightning_trains_and_measures(
    package: str, tmp_path: Path, drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from omlzoo.training import lightning
    from omlzoo.training.lightning import MetricLearning, Retrieval, training_batches

    pl = pytest.importorskip(package, reason=f"{package} is not installed")
    monkeypatch.setattr(lightning, "_package", lambda: package)  # both may be imported by now

    pl.seed_everything(0)
    model = toy("resnet_toy")
    module, retrieval = MetricLearning(model, SupConLoss(), lr=3e-3), Retrieval(str(drawn))
    batches = training_batches(model, str(drawn), lambda labels: Balanced(labels, 8, 4), augment="none")
    trainer = pl.Trainer(
        max_epochs=4, accelerator="cpu", callbacks=[retrieval], use_distributed_sampler=False, logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, default_root_dir=tmp_path,
    )  # fmt: skip
    losses = []
    step = module.training_step
    module.training_step = lambda batch: losses.append(value := step(batch)) or value
    trainer.fit(module, batches)
    assert len(retrieval.reports) == 4
    assert trainer.logged_metrics["cmc@1"] == pytest.approx(retrieval.reports[-1].metrics["cmc@1"])
    assert len(losses) == 4 * len(batches)
    assert batches.batch_sampler.sampler.epoch == 3, "each epoch had its own batches"
    assert sum(losses[-4:]) < sum(losses[:4])
    model.eval().save(tmp_path / "run")
    assert omlzoo.evaluate(tmp_path / "run", drawn).metrics["cmc@1"] == pytest.approx(
        retrieval.reports[-1].metrics["cmc@1"]
    )


def test_a_plain_loop_of_torch_trains(drawn: Path) -> None:
    """The example of docs/training.md."""
    from omlzoo.training.lightning import training_batches

    torch.manual_seed(0)
    model, loss = toy("resnet_toy").train(), SupConLoss()
    batches = training_batches(model, str(drawn), lambda labels: Balanced(labels, 8, 4), augment="none")
    optimizer = torch.optim.AdamW([*model.parameters(), *loss.parameters()], lr=3e-3)
    values = []
    for epoch in range(4):
        batches.batch_sampler.set_epoch(epoch)
        for pixels, labels, _, _ in batches:
            value = loss(model(pixels.float() / 255), labels)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            values.append(value.item())
    assert sum(values[-4:]) < sum(values[:4])


@pytest.mark.parametrize("imported", ["pytorch_lightning", "lightning.pytorch"])
def test_an_object_is_one_of_the_package_that_the_program_has_imported(
    imported: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import copy
    import pickle

    from omlzoo.training.lightning import PACKAGES, MetricLearning

    pl = pytest.importorskip(imported, reason=f"{imported} is not installed")
    for name in set(PACKAGES) - {imported}:
        monkeypatch.delitem(sys.modules, name, raising=False)
    module = MetricLearning(toy("resnet_toy"), SupConLoss())
    assert isinstance(module, pl.LightningModule)
    assert isinstance(module, MetricLearning)
    for again in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        assert type(again) is type(module)
        assert again.state_dict().keys() == module.state_dict().keys()

    class Mine(MetricLearning):
        """A user's own subclass."""

    assert isinstance(Mine(toy("resnet_toy"), SupConLoss()), pl.LightningModule)
