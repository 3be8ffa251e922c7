"""Fine-tuning with captions: both towers learn, are measured, kept in one folder, resumed to the same bytes."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from loopback_hub import LoopbackHub
from safetensors.torch import load_file
from text_entries import publish, with_text
from torch import nn
from toys import toy

import omlzoo
from omlzoo.cli import main
from omlzoo.data import table
from omlzoo.errors import BadInput, OmlzooWarning, UnknownName
from omlzoo.losses import CLIPLoss, SigLIPLoss
from omlzoo.models._extractor import Extractor
from omlzoo.models._text_tower import TextTower
from omlzoo.training import Recipe, Run
from omlzoo.training.captioning import Captioning
from omlzoo.training.lora import add_lora, merge_lora
from omlzoo.training.objective import Captioned
from omlzoo.training.step import Optimization
from omlzoo.training.training_model import TrainingModel

QUICK: dict[str, Any] = {
    "loss": "CLIPLoss", "epochs": 2, "augment": "none", "lr": 1e-3, "log": "none", "precision": "fp32",
    "duplicates": False,
}  # fmt: skip
WORDS = ["red", "blue", "shoe", "hat", "with", "white", "sole"]
IDS = torch.tensor([[2, 4, 6, 7, 8, 1], [3, 5, 1, 1, 1, 1], [4, 1, 1, 1, 1, 1], [5, 8, 1, 1, 1, 1]])


@pytest.fixture
def model(hub: LoopbackHub, tmp_path: Path) -> Extractor:
    """A toy ViT with a text tower, whose files are in the cache from then on."""
    text, _ = publish(hub, "texts/training", 16)
    with_text(text, tmp_path / "start")
    omlzoo.get_text_model(tmp_path / "start")
    hub.clear()
    return omlzoo.get_model(tmp_path / "start")


def described(drawn: Path, labels: int = 8) -> pd.DataFrame:
    """The rows of some labels of the csv on either side; pictures of one label have one caption of three words."""
    rows = table.read(drawn, "train").frame
    few = rows.groupby("split")["label"].transform(lambda column: column.map({*column.unique()[:labels]}.__contains__))
    rows = rows[few.astype(bool)].reset_index(drop=True)
    rows["path"] = [str(drawn.parent / path) for path in rows["path"]]
    numbers = {label: number for number, label in enumerate(rows["label"].unique())}
    texts = {label: " ".join(WORDS[number // 7**place % 7] for place in range(3)) for label, number in numbers.items()}
    return rows.assign(text=rows["label"].map(texts))


def tune(model: Any, rows: pd.DataFrame, out: Path, **settings: Any) -> Run:
    return omlzoo.finetune(model, rows, out=out, progress=False, **QUICK | settings)


def files(run: Run) -> dict[str, bytes]:
    return {name: (run.folder / name).read_bytes() for name in ("model.safetensors", "text.safetensors")}


def tower_of(model: Extractor) -> TextTower:
    return omlzoo.get_text_model(model.facts.address).tower


@pytest.mark.parametrize("loss", [CLIPLoss(), SigLIPLoss()])
def test_both_towers_learn(model: Extractor, loss: nn.Module) -> None:
    colours = torch.tensor([[1.0, -1, -1], [-1, 1, -1], [-1, -1, 1], [1, 1, 1]])
    images = colours[:, :, None, None].expand(-1, -1, 32, 32).contiguous()
    recipe = Recipe(lr=1e-3, warmup=0.0, schedule="constant")
    step = Optimization(TrainingModel(model, text=tower_of(model)), Captioned(loss), recipe, 40, "fp32")
    for _ in range(40):
        step.batch([images, IDS], torch.arange(4), torch.arange(4), lambda: "")
    assert step.stats["right_texts"] == step.stats["right_pictures"] == 1


def test_the_folder_is_a_checkpoint_that_searches_by_words_without_network(
    tmp_path: Path, drawn: Path, model: Extractor, hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = described(drawn)
    run = tune(model, rows, tmp_path / "run", loss="SigLIPLoss")
    assert {"temperature", "right_texts", "right_pictures", "selection text_to_image_recall@1"} <= set(run.history)
    monkeypatch.setenv("OMLZOO_HOME", str(tmp_path / "another machine"))
    measured = omlzoo.evaluate(run.folder, rows, progress=False)
    for name in ("image_to_text_recall@5", "text_to_image_recall@5", "cmc@1"):
        assert measured.metrics[name] == pytest.approx(run.report.metrics[name])
        assert measured.intervals[name] == pytest.approx(run.report.intervals[name])
    assert run.report.before is not None
    assert "text_to_image_recall@1" in run.report.before
    assert run.report.facts["training captions"] == "6", "of the other two labels are those that choose the epoch"
    tower = sum(value.numel() for value in tower_of(model).parameters())
    both = (tower + sum(value.numel() for value in model.parameters())) / 1e6
    assert f"{both:,.2f} million parameters, {both:,.2f} trained" in run.report.facts["cost of a step"]
    assert "text_to_image_recall@1 of 10 pictures" in run.report.facts["chosen on"]
    assert "text_to_image_recall@1" in {metric.metric for metric in run.model().entry.metrics}
    index = omlzoo.build_index(omlzoo.embed(run.folder, rows, progress=False))
    assert len(index.search("red shoe", k=5).table()) == 5
    assert not hub.requests
    assert set(omlzoo.get_text_model(run.folder).learned) == {"logit_scale", "logit_bias"}


def test_a_step_is_that_of_a_plain_loop_of_torch(model: Extractor) -> None:
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    tower = tower_of(model)
    plain, words = omlzoo.get_model(model.facts.address), tower_of(model)
    loss = CLIPLoss()
    optimizer = torch.optim.SGD([*plain.parameters(), *words.parameters(), *loss.parameters()], lr=0.1, momentum=0.9,
                                nesterov=True)  # fmt: skip
    loss(plain(images), words(IDS)).backward()
    optimizer.step()
    recipe = Recipe(optimizer="SGD", lr=0.1, warmup=0.0, schedule="constant", weight_decay=0.0)
    step = Optimization(TrainingModel(model, text=tower), Captioned(CLIPLoss()), recipe, 10, "fp32")
    step.batch([images, IDS], torch.arange(4), torch.arange(4), lambda: "")
    for ours, theirs in ((model, plain), (tower, words), (step.objective.loss, loss)):  # type: ignore[attr-defined]
        for name, value in theirs.state_dict().items():
            torch.testing.assert_close(ours.state_dict()[name], value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("settings", [
    {"ema": 0.9, "chunk": 3}, pytest.param({}, marks=pytest.mark.slow), pytest.param({"lora": 2}, marks=pytest.mark.slow),
])  # fmt: skip
def test_an_interrupted_run_ends_with_the_same_bytes(
    tmp_path: Path, drawn: Path, model: Extractor, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    more = {"save_minutes": 0.0, "workers": 0, "n_labels": 8, "selection": 0.0, **settings}
    rows = described(drawn)
    whole = tune(model, rows, tmp_path / "whole", **more)
    batches = []

    def killed(self: Any, *arguments: Any) -> float:
        batches.append(1)
        if len(batches) == 7:  # in the second epoch
            raise SystemExit
        return float(found(self, *arguments))

    found = Optimization.batch
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(Optimization, "batch", killed)
        tune(model, rows, tmp_path / "run", **more)
    assert not (tmp_path / "run" / "text.safetensors").exists()
    with pytest.raises(BadInput, match="was run with another (table|captions)"):
        tune(model, rows.assign(text=rows["text"].str.upper() + " hat"), tmp_path / "run", resume=True, **more)
    resumed = tune(model, rows, tmp_path / "run", resume=True, **more)
    assert files(resumed) == files(whole)
    with pytest.warns(OmlzooWarning, match="is finished already; nothing was done"):
        tune(model, rows, tmp_path / "run", resume=True, **more)


def test_towers_that_are_frozen_stay_and_the_others_learn(tmp_path: Path, drawn: Path, model: Extractor) -> None:
    rows, start, words = described(drawn), model.state_dict(), tower_of(model).state_dict()
    for towers, lora in (("image", 0), ("text", 2)):
        run = tune(
            model, rows, tmp_path / f"{towers}{lora}", towers=towers, lora=lora, epochs=1, selection=0.0, chunk=3
        )
        image, text = run.model().state_dict(), omlzoo.get_text_model(run.folder).tower.state_dict()
        assert image.keys() == start.keys()
        changed = {name for name, value in image.items() if not torch.equal(value, start[name])}
        changed_words = {name for name, value in text.items() if not torch.equal(value, words[name])}
        assert bool(changed) == (towers != "text"), towers
        assert bool(changed_words) == (towers != "image"), towers
        if lora:
            assert all(".mlp." in name for name in changed_words)
            assert not {name for name in changed if "blocks" not in name}


def test_learning_rates_are_tried_on_the_batches_of_captions(drawn: Path, model: Extractor) -> None:
    plain = {name: value for name, value in QUICK.items() if name not in ("epochs", "lr")}
    found = omlzoo.training.lr_range_test(
        model, described(drawn), steps=20, low=1e-6, high=1e-4, progress=False, **plain
    )
    assert len(found.curve) == 20
    with pytest.raises(BadInput, match="trials are compared by labels, and CLIPLoss learns captions; leave sweep out"):
        omlzoo.finetune(model, described(drawn), out="nowhere", loss="CLIPLoss", sweep=3)


def test_low_rank_updates_of_a_text_tower_are_merged(model: Extractor) -> None:
    tower = tower_of(model)
    names = list(tower.state_dict())
    add_lora(tower, 2)
    trained = {name for name, value in tower.named_parameters() if value.requires_grad}
    assert len(trained) == 8, "two matrices of each of the two layers of two blocks"
    with torch.no_grad():
        for name, value in tower.named_parameters():
            if name in trained:
                nn.init.normal_(value, std=0.3)
    wanted = tower(IDS)
    merged = merge_lora(tower)
    torch.testing.assert_close(merged(IDS), wanted)
    assert list(merged.state_dict()) == names


def test_the_loss_goes_on_from_the_temperature_of_the_towers(model: Extractor, drawn: Path) -> None:
    rows = table.read(described(drawn), "train")
    captioning = Captioning.of(model, rows, Recipe(loss="CLIPLoss"))
    loss = CLIPLoss()
    captioning.begin(loss, Recipe())
    assert loss.log_scale.item() == 1.0, "of the file"
    captioning.begin(loss := CLIPLoss(0.5), Recipe(loss_args={"temperature": 0.5}))
    assert loss.temperature == pytest.approx(0.5), "as it was asked for"
    captioning.begin(other := SigLIPLoss(), Recipe())
    assert other.temperature == pytest.approx(0.1), "towers of CLIP know no bias"
    captioning.model.learned.update(logit_scale=2.0, logit_bias=-3.0)
    captioning.begin(other, Recipe())
    assert (other.log_scale.item(), other.bias) == (2.0, -3.0)


def test_the_label_of_a_training_row_is_its_caption(model: Extractor, drawn: Path) -> None:
    rows = described(drawn)
    train = rows.index[rows["split"] == "train"]
    rows.loc[train[:5], "text"] = ["", " .", None, "red shoe with white sole hat", "Red shoe with white sole blue"]
    with pytest.warns(OmlzooWarning) as said:
        captioning = Captioning.of(model, table.read(rows, "train"), Recipe(loss="CLIPLoss", selection=0.0))
    assert [str(each.message) for each in said] == [
        "3 of 80 rows have no text",
        "2 of 80 rows have a text of more than 5 tokens, which the text tower reads the first 5 of",
    ]
    fit = captioning.split.fit.frame
    assert len(fit) == len(train) - 3
    assert fit["label"].tolist()[:4] == [0, 0, 1, 1], "what the tower cannot tell apart is one caption"
    assert captioning.facts["training captions"] == str(len(captioning.token_ids)) == "8"
    assert captioning.suggest({}) == {
        "lr": 1e-5, "select": "text_to_image_recall@1", "n_instances": 1, "n_labels": 8,
    }  # fmt: skip
    assert captioning.suggest({"lr": 1e-4, "n_instances": 4, "select": "map@r"}) == {"n_labels": 8}
    assert (
        captioning.split.validation.frame["label"].tolist() == rows.loc[rows["split"] == "validation", "label"].tolist()
    )


@pytest.mark.parametrize(("settings", "error", "message"), [
    ({"add_losses": {"SupConLoss": 1.0}}, BadInput, r"add_losses is .*, which does not go with CLIPLoss; set add_losses to"),
    ({"project": 8}, BadInput, "project is 8, which does not go with CLIPLoss; set project to 0"),
    ({"towers": "text", "freeze": 1}, BadInput, "nothing of the image tower is trained; set freeze and drop_path to 0"),
    ({"towers": "none"}, BadInput, "towers is 'none'; it must be one of both, image, text"),
    ({"towers": "text", "loss": "SupConLoss"}, BadInput, "towers is 'text', but SupConLoss compares with no texts"),
    ({"memory": 9}, BadInput, "memory is 9, but CLIPLoss compares with no other items"),
    ({"miner": "myminers:Mine"}, BadInput, "miner"),
    ({"loss_args": {"margin": 1}}, BadInput, "loss_args has 'margin'; CLIPLoss takes temperature, gather"),
    ({"select": "text_to_image_recall@3"}, UnknownName, "text_to_image_recall@3"),
])  # fmt: skip
def test_settings_that_do_not_suit_are_refused(
    tmp_path: Path, drawn: Path, model: Extractor, settings: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        tune(model, described(drawn), tmp_path / "run", **settings)
    assert not (tmp_path / "run").exists()


def test_a_model_or_table_without_texts_is_refused_in_one_line(tmp_path: Path, drawn: Path, model: Extractor) -> None:
    rows, out = described(drawn), tmp_path / "run"
    with pytest.raises(
        BadInput, match="loss is CLIPLoss, which trains image and text tower, but resnet_toy_test has no text"
    ):
        tune(toy("resnet_toy"), rows, out)
    with pytest.raises(BadInput, match="loss is CLIPLoss, but the table has no column text, a caption per picture$"):
        tune(model, rows.drop(columns="text"), out)
    with pytest.raises(BadInput, match="the table has no column text, a caption per picture; rename 'caption'"):
        tune(model, rows.rename(columns={"text": "caption"}), out)
    for text, count in (("  ", 0), ("red hat", 1)):
        with pytest.raises(BadInput, match=f"the training rows have {count} different captions in the column text"):
            import warnings

            with warnings.catch_warnings():
                warnings.simplefilter("ignore", OmlzooWarning)
                tune(model, rows.assign(text=text), out)
    with pytest.raises(BadInput, match="loss is CLIPLoss, which learns from captions in finetune alone"):
        omlzoo.distil(model, rows, teacher=model, out=out, loss="CLIPLoss", teacher_weight=0.5)
    assert not out.exists()


def test_the_command_trains_indexes_and_searches(
    tmp_path: Path, drawn: Path, model: Extractor, capsys: pytest.CaptureFixture[str]
) -> None:
    described(drawn, 4).to_csv(tmp_path / "described.csv", index=False)
    start, run = model.facts.address, str(tmp_path / "run")
    train = [
        "finetune",
        str(tmp_path / "described.csv"),
        "--model",
        start,
        "-o",
        run,
        "--loss",
        "SigLIPLoss",
        "--epochs",
        "1",
    ]
    assert main([*train, "--towers", "text", "--log", "none", "--precision", "fp32"]) == 0
    assert "text_to_image_recall@1" in capsys.readouterr().out
    assert 'towers = "text"' in (tmp_path / "run" / "recipe.toml").read_text()
    assert main(["embed", run, str(tmp_path / "described.csv"), "-o", str(tmp_path / "v.parquet")]) == 0
    assert main(["index", str(tmp_path / "v.parquet"), "-o", str(tmp_path / "index")]) == 0
    capsys.readouterr()
    assert main(["search", str(tmp_path / "index"), "red shoe", "-k", "2", "--json"]) == 0
    assert "alphabet" in capsys.readouterr().out
    assert load_file(tmp_path / "run" / "text.safetensors")["logit_bias"].shape == ()
