"""Learning without labels, from a folder to an entry: chosen, said, resumed, stopped where it collapses."""

import inspect
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from toys import toy

import omlzoo
from omlzoo import catalog
from omlzoo.errors import BadInput, OmlzooWarning, WeightsUnavailable
from omlzoo.models._extractor import Extractor
from omlzoo.objectives import Objective
from omlzoo.training import Recipe, Run
from omlzoo.training.pretraining import picture_rows, readable_rows
from omlzoo.training.pretraining_defaults import drawn as are_drawn
from omlzoo.training.pretraining_defaults import suggest_pretraining
from omlzoo.training.running import Running

QUICK: dict[str, Any] = {
    "epochs": 2, "n_labels": 16, "views": "drawing", "lr": 1e-3, "log": "none", "workers": 0, "precision": "fp32",
    "selection": 0.0, "alarm": False,
}  # fmt: skip
SMALL = {"hidden": 32, "dim": 16, "predictor_hidden": 32, "queue": 32, "prototypes": 16, "bottleneck": 16, "heads": 4,
         "depth": 2}  # fmt: skip
MASKING = ("IBOT", "MAE")  # take a vision transformer


@pytest.fixture(scope="session")
def folder(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures alone, in a folder."""
    return drawn.parent / "images"


def learn(model: Extractor | str, pictures: Any, out: Path, **settings: Any) -> Run:
    return omlzoo.pretrain(model, pictures, out=out, progress=False, **QUICK | settings)


def weights(run: Run) -> bytes:
    return (run.folder / "model.safetensors").read_bytes()


def body_of(objective: str) -> Extractor:
    return toy("vit_toy" if objective in MASKING else "resnet_toy")


def arguments(name: str) -> dict[str, Any]:
    """Sizes with which an objective is quick."""
    takes = inspect.signature(catalog.find("objectives", name)).parameters
    found: dict[str, Any] = {key: value for key, value in SMALL.items() if key in takes and takes[key].default}
    return found | ({"prototypes": [4, 8]} if name == "PCL" else {})


@pytest.mark.parametrize("objective", catalog.names("objectives"))
def test_every_objective_can_be_named_and_ends_in_an_entry(tmp_path: Path, folder: Path, objective: str) -> None:
    model = body_of(objective)
    several: dict[str, Any] = {"globals": 2, "locals": 2} if objective in ("DINO", "SwAV", "MSN", "IBOT") else {}
    before = {name: value.clone() for name, value in model.state_dict().items()}
    several |= {"objective": objective, "objective_args": arguments(objective), "epochs": 1}
    run = learn(model, folder, tmp_path / "run", **several)
    assert run.history["loss"].notna().all()
    assert {"std", "rank", "alignment", "uniformity", "lidar", "spread"} <= set(run.history)
    opened = omlzoo.get_model(tmp_path / "run")
    assert opened.entry.source.startswith("pre-trained without labels from")
    assert any(not torch.equal(value, before[name]) for name, value in opened.state_dict().items())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items()), "it was copied"
    assert (tmp_path / "run" / "report.html").is_file()
    assert f'objective = "{objective}"' in (tmp_path / "run" / "recipe.toml").read_text()


@pytest.mark.parametrize("objective", ["SimCLR", "BYOL", "MoCo", "DINO", "DenseCL", "IBOT", "MAE"])
def test_an_interrupted_run_goes_on_to_the_same_bytes(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, objective: str
) -> None:
    model = body_of(objective)
    settings: dict[str, Any] = {
        "objective": objective,
        "objective_args": arguments(objective),
        "epochs": 2,
    }
    whole = learn(model, folder, tmp_path / "whole", **settings)
    epoch = Running._epoch

    def stopped(self: Running, number: int) -> None:
        if number == 1:
            raise KeyboardInterrupt
        epoch(self, number)

    with monkeypatch.context() as patch:
        patch.setattr(Running, "_epoch", stopped)
        assert learn(model, folder, tmp_path / "parts", **settings).interrupted
    again = learn(model, folder, tmp_path / "parts", resume=True, **settings)
    assert weights(again) == weights(whole)
    with pytest.warns(OmlzooWarning, match="is finished already; nothing was done"):
        finished = learn(model, folder, tmp_path / "parts", resume=True, **settings)
    assert weights(finished) == weights(whole)


def test_labels_measure_and_are_not_learned_from(tmp_path: Path, drawn: Path, model: Extractor) -> None:
    with pytest.warns(OmlzooWarning, match="has labels; they are not learned from, and only measure the model"):
        run = learn(model, drawn, tmp_path / "labels", selection=0.2)
    assert "selection map@r" in run.history
    assert run.report.before is not None
    assert 0 <= run.report.metrics["cmc@1"] <= 1
    shuffled = pd.read_csv(drawn)
    shuffled["path"] = [str(drawn.parent / path) for path in shuffled["path"]]
    train = shuffled["split"] == "train"
    shuffled.loc[train, "label"] = np.random.default_rng(0).permutation(shuffled.loc[train, "label"])
    frame = pd.read_csv(drawn).assign(path=shuffled["path"])
    with pytest.warns(OmlzooWarning, match="has labels"):
        one = learn(model, frame, tmp_path / "one")
    with pytest.warns(OmlzooWarning, match="has labels"):
        other = learn(model, shuffled, tmp_path / "other")
    assert weights(one) == weights(other), "other labels, the same model"


def test_settings_are_chosen_and_said(tmp_path: Path, folder: Path, model: Extractor) -> None:
    run = omlzoo.pretrain(model, folder, out=tmp_path / "run", epochs=1, log="none", progress=False, alarm=False)
    chosen = run.report.facts["settings chosen from the pictures"]
    assert "objective = SimCLR" in chosen
    assert "views = mild" in chosen
    assert "n_labels = 40" in chosen  # a quarter of 160 pictures


@pytest.mark.parametrize(
    ("pictures", "scratch", "objective", "batch"),
    [(160, True, "SimCLR", 40), (3000, True, "SimCLR", 128), (9000, False, "SimCLR", 256), (50_000, True, "BYOL", 256)],
)
def test_rules_by_the_number_of_pictures(pictures: int, scratch: bool, objective: str, batch: int) -> None:
    found = suggest_pretraining(pictures, toy("resnet_toy"), scratch, False, {})
    assert (found["objective"], found["n_labels"], found["views"]) == (objective, batch, "mild")
    assert found["lr"] == pytest.approx((1e-3 if scratch else 1e-4) * batch / 128)
    steps = found["epochs"] * (pictures // batch)
    assert steps <= 6_100 or found["epochs"] == (5 if scratch else 3)


def test_many_pictures_and_a_transformer_take_dino() -> None:
    found = suggest_pretraining(200_000, toy("vit_toy"), True, False, {})
    assert found["objective"] == "DINO"
    assert found["views"] == "dino"
    assert found["objective_args"]["prototypes"] == 32_768
    few = suggest_pretraining(3000, toy("vit_toy"), True, False, {"objective": "MoCo"})
    assert few["objective_args"]["queue"] == 1024, "a queue holds at most half of the pictures"


def test_masked_objectives_have_the_settings_of_their_papers() -> None:
    masked = suggest_pretraining(3000, toy("vit_toy"), True, False, {"objective": "IBOT"})
    assert (masked["views"], masked["objective_args"]["prototypes"], masked["locals"]) == ("dino", 1024, 0)
    drawn_again = suggest_pretraining(3000, toy("vit_toy"), True, False, {"objective": "MAE"})
    assert (drawn_again["views"], drawn_again["globals"]) == ("crop", 1)
    dense = suggest_pretraining(3000, toy("resnet_toy"), True, False, {"objective": "DenseCL"})
    assert dense["objective_args"]["queue"] == 1024


@pytest.mark.parametrize("objective", MASKING)
def test_a_body_without_patches_is_refused_in_a_line(
    tmp_path: Path, folder: Path, model: Extractor, objective: str
) -> None:
    with pytest.raises(BadInput, match="ResNet has no patches that can be hidden or left out; take a plain vision"):
        learn(model, folder, tmp_path / "run", objective=objective, objective_args=arguments(objective))
    assert not (tmp_path / "run").exists()


def test_what_a_run_knows_of_patches_is_no_setting(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(BadInput, match="objective_args has 'patches'; IBOT takes prototypes, weight, masked"):
        learn(toy("vit_toy"), folder, tmp_path / "run", objective="IBOT", objective_args={"patches": 4})


@pytest.mark.parametrize(
    ("objective", "settings"),
    [
        ("DenseCL", {}),
        ("IBOT", {"centring": "sinkhorn", "koleo": 0.1, "prototypes": 64, "hidden": 64, "momentum": 0.9}),
    ],
)
def test_healthy_runs_over_patches_raise_no_alarm(
    tmp_path: Path, folder: Path, objective: str, settings: dict[str, Any]
) -> None:
    given = {"objective_args": arguments(objective) | settings, "alarm": True, "epochs": 4}
    history = learn(toy("vit_toy"), folder, tmp_path / "run", objective=objective, **given).history
    assert len(history) == 4
    assert history["spread"].iloc[-1] > history["spread"].iloc[0], "they move apart"


def test_pixels_are_learned_without_an_alarm(tmp_path: Path, folder: Path) -> None:
    settings = {
        "objective": "MAE",
        "objective_args": arguments("MAE"),
        "globals": 1,
        "alarm": True,
        "epochs": 6,
        "lr": 4e-3,
    }
    history = learn(toy("vit_toy"), folder, tmp_path / "run", **settings).history
    assert history["std"].iloc[0] < 0.1, "the embeddings of this body begin close together"
    assert history["explained"].iloc[-1] > 0.1
    assert history["loss"].is_monotonic_decreasing


def test_pictures_without_colour_are_recognised(tmp_path: Path) -> None:
    for number in range(3):
        Image.new("RGB", (9, 9), (number * 60, number * 60, number * 60)).save(tmp_path / f"gray{number}.png")
    assert are_drawn(sorted(tmp_path.glob("gray*.png")))
    Image.new("RGB", (9, 9), "red").save(tmp_path / "red.png")
    assert not are_drawn([tmp_path / "red.png"])
    assert not are_drawn([tmp_path / "nothing.png"])


def test_a_burst_is_one_picture(tmp_path: Path, drawn: Path, model: Extractor) -> None:
    frame = pd.DataFrame({"path": [str(path) for path in sorted(drawn.parent.rglob("*.png"))]})
    frame["sequence"] = [f"burst {number // 4}" if number < 80 else "" for number in range(len(frame))]
    run = learn(model, frame, tmp_path / "run", epochs=1)
    assert run.report.facts["pictures"] == str(20 + len(frame) - 80)


def test_too_few_pictures_are_refused_from_scratch_only(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(BadInput, match="has 160 pictures; from random weights a model needs 500 or more: start from"):
        omlzoo.pretrain("resnet_small_omniglot", folder, out=tmp_path / "run", scratch=True)
    assert not (tmp_path / "run").exists()
    with pytest.raises(BadInput, match="scratch takes the name of a model"):
        omlzoo.pretrain(toy("resnet_toy"), _many(folder), out=tmp_path / "run", scratch=True)


def _many(folder: Path) -> pd.DataFrame:
    paths = [str(path) for path in sorted(folder.rglob("*.png"))]
    frame = pd.DataFrame({"path": paths * 4})
    boxes = np.repeat(np.arange(4), len(paths))
    return frame.assign(x_1=boxes, y_1=0, x_2=40, y_2=40)


def test_weights_that_cannot_be_had_name_the_ways_on(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(WeightsUnavailable, match=r"--scratch\), or from efficientnet_lite0_in1k"):
        omlzoo.pretrain("vits16_dino", folder, out=tmp_path / "run")


def test_what_cannot_be_read_is_counted_and_left_out(tmp_path: Path, folder: Path, model: Extractor) -> None:
    paths = [str(path) for path in sorted(folder.rglob("*.png"))][:40]
    (tmp_path / "broken.png").write_bytes(b"no picture")
    frame = pd.DataFrame({"path": [*paths, str(tmp_path / "broken.png")]})
    with pytest.warns(OmlzooWarning, match=r"1 of 41 pictures cannot be read and are left out: .*broken.png"):
        run = learn(model, frame, tmp_path / "run", epochs=1)
    assert run.report.facts["training pictures"] == 40
    with pytest.raises(BadInput, match="none of 1 pictures can be read"):
        learn(model, [str(tmp_path / "broken.png")], tmp_path / "other")
    good, reasons = readable_rows(picture_rows(frame.iloc[:3], None))
    assert good.all()
    assert not reasons


def test_pictures_in_memory_and_a_table_without_train_rows_are_refused(
    tmp_path: Path, drawn: Path, model: Extractor
) -> None:
    with pytest.raises(BadInput, match="reads pictures from files, again in each epoch"):
        learn(model, [Image.new("RGB", (9, 9))], tmp_path / "run")
    frame = pd.read_csv(drawn)
    frame["path"] = [str(drawn.parent / path) for path in frame["path"]]
    with pytest.raises(BadInput, match="no row is train; pretrain learns from the train rows"):
        learn(model, frame[frame["split"] == "validation"], tmp_path / "run")
    with (
        pytest.warns(OmlzooWarning, match="has labels"),
        pytest.raises(BadInput, match="the recipe's objective is none; name one of omlzoo.objectives"),
    ):
        omlzoo.pretrain(model, drawn, out=tmp_path / "run", recipe=Recipe(log="none"), progress=False)


class Same(Objective):
    """Pulls everything together: BYOL without its predictor, with nothing to hold it apart."""

    def compute(self, student: list[Tensor], teacher: list[Tensor], ids: Tensor) -> Tensor | None:
        whole = nn.functional.normalize(torch.cat(student), dim=1)
        return (whole - whole.mean(dim=0)).square().sum(dim=1).mean() * 100


class Stuck(Objective):
    """A loss that never moves from the value of outputs which tell nothing apart."""

    @property
    def flat(self) -> float | None:
        return math.log(64)

    def forward(self, student: Sequence[Tensor | None], teacher: Sequence[Tensor] | None, ids: Tensor) -> Tensor:
        first = next(view for view in student if view is not None)
        return (first * 0).sum() + math.log(64)


@pytest.mark.parametrize(
    ("kind", "said"), [(Same, "(nearly the same vector|ever fewer directions)"), (Stuck, "the loss stays at 4.159")]
)
def test_a_collapse_stops_the_run_and_the_last_healthy_epoch_is_kept(
    tmp_path: Path, folder: Path, model: Extractor, monkeypatch: pytest.MonkeyPatch, kind: type, said: str
) -> None:
    find = catalog.find
    monkeypatch.setattr(catalog, "find", lambda room, name: kind if name == "Own" else find(room, name))
    settings = {"objective": "Own", "epochs": 12, "lr": 0.05, "warmup": 0.0, "optimizer": "Adam"}
    with pytest.raises(BadInput, match=rf"epoch \d+: .*{said}.*\(--no-alarm\)") as error:
        learn(model, folder, tmp_path / "run", **settings | {"alarm": True})
    if "has the model of epoch" in str(error.value):
        assert omlzoo.get_model(tmp_path / "run").dim == model.dim
    assert learn(model, folder, tmp_path / "on", **settings | {"epochs": 3}).history["epoch"].tolist() == [1, 2, 3]


@pytest.mark.parametrize("objective", ["BYOL", "DINO"])
def test_the_teacher_learns_its_own_statistics(
    tmp_path: Path, folder: Path, model: Extractor, monkeypatch: pytest.MonkeyPatch, objective: str
) -> None:
    seen: list[dict[str, Tensor]] = []
    finish = Running._finish

    def looked(self: Running, interrupted: bool) -> Run:
        teacher = self.parts.step.teacher
        assert teacher is not None
        seen.append({name: value.clone() for name, value in teacher.module.state_dict().items()})
        return finish(self, interrupted)

    monkeypatch.setattr(Running, "_finish", looked)
    run = learn(model, folder, tmp_path / "run", objective=objective, objective_args=arguments(objective))
    mean = seen[0]["body.bn1.running_mean"]
    assert float((mean - model.state_dict()["bn1.running_mean"]).abs().max()) > 1e-3
    if objective == "DINO":
        assert torch.equal(run.model().state_dict()["bn1.running_mean"], mean)


@pytest.mark.parametrize("objective", ["MoCo", "PCL", "CURL", "DenseCL"])
def test_views_that_would_be_computed_for_nothing_are_refused(
    tmp_path: Path, folder: Path, model: Extractor, objective: str
) -> None:
    for views in ({"locals": 1}, {"globals": 3}, {"globals": 1}):
        with pytest.raises(BadInput, match=f"{objective} compares two views of the whole: set them to 2 and 0"):
            learn(model, folder, tmp_path / "run", objective=objective, objective_args=arguments(objective), **views)


def test_clusters_are_made_of_all_pictures_before_an_epoch(
    tmp_path: Path, folder: Path, model: Extractor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from omlzoo.objectives import PCL

    seen: list[tuple[int, ...]] = []
    begin = PCL.begin_epoch

    def counted(self: PCL, vectors: Tensor, ids: Tensor) -> None:
        seen.append((*vectors.shape, len(ids)))
        begin(self, vectors, ids)

    monkeypatch.setattr(PCL, "begin_epoch", counted)
    settings = {"objective": "PCL", "objective_args": arguments("PCL") | {"warmup": 0.0}}
    run = learn(model, folder, tmp_path / "run", **settings)
    assert seen == [(160, 16, 160)] * 2
    assert run.history["loss"].notna().all()
