"""Fine-tuning from label images: patches learn what they show, beside pictures, and what does not go together is said."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from toys import toy

import omlzoo
from omlzoo.data import table
from omlzoo.errors import BadInput, OmlzooWarning
from omlzoo.evaluation import plots
from omlzoo.losses import PatchContrast, SupConLoss, WeightedSum
from omlzoo.metrics import dense_knn
from omlzoo.models._dense_heads import LabelledPatches
from omlzoo.models._extractor import Extractor
from omlzoo.training import Recipe, Run
from omlzoo.training.patch_loss import RowLoss, mask_head, over_rows, training_masks
from omlzoo.training.running import Running
from omlzoo.training.training_model import TrainingModel

QUICK: dict[str, Any] = {
    "epochs": 2, "n_labels": 4, "n_instances": 4, "augment": "none", "lr": 1e-3, "log": "none", "workers": 0,
    "precision": "fp32", "selection": 0.0, "duplicates": False, "loss": "PatchContrast",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _plain_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plots, "can_draw", lambda: False)


def textured(random: np.random.Generator) -> tuple[Image.Image, Image.Image]:
    """Stripes across on the left and upright on the right of a random border, in random colours of the same kind."""
    side, border = 32, 8 * int(random.integers(1, 4))
    labels = np.zeros((side, side), dtype=np.uint8)
    labels[:, border:] = 3
    wave = np.where(labels == 0, np.arange(side)[:, None] // 2 % 2, np.arange(side)[None, :] // 2 % 2)
    light, dark = random.integers(0, 256, 3), random.integers(0, 256, 3)
    pixels = np.where(wave[..., None], light, dark).astype(np.uint8)
    return Image.fromarray(pixels), Image.fromarray(labels)


@pytest.fixture(scope="module")
def stripes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of 48 pictures of two textures, with label images; labels of pictures say nothing."""
    folder, random, rows = tmp_path_factory.mktemp("stripes"), np.random.default_rng(0), []
    for number in range(48):
        picture, labels = textured(random)
        picture.save(folder / f"{number}.png")
        labels.save(folder / f"{number}_labels.png")
        rows.append((f"{number}.png", f"label {number % 4}", "train", f"{number}_labels.png"))
    pd.DataFrame(rows, columns=["path", "label", "split", "mask"]).to_csv(folder / "table.csv", index=False)
    return folder / "table.csv"


def tune(model: Extractor, rows: Any, out: Path, **settings: Any) -> Run:
    return omlzoo.finetune(model, rows, out=out, progress=False, **QUICK | settings)


def weights(run: Run) -> bytes:
    return (run.folder / "model.safetensors").read_bytes()


def shrunk(image: Image.Image) -> Image.Image:
    return image.resize((32, 32))


def known(model: Extractor) -> float:
    """How many patches of new pictures their nearest patches of others know."""
    random = np.random.default_rng(9)
    drawn = [textured(random) for _ in range(24)]
    images = torch.stack([model.transforms()(picture.resize((36, 36))) for picture, _ in drawn])
    masks = torch.stack([torch.from_numpy(np.array(labels)) for _, labels in drawn])
    with torch.no_grad():
        maps = model.eval().dense(images)
    return dense_knn(maps[:12], masks[:12], maps[12:], masks[12:], k=5)["miou@5"]


def test_patches_learn_what_they_show_and_the_run_is_an_entry(tmp_path: Path, stripes: Path) -> None:
    model = toy("vit_toy")
    before = known(model)
    run = tune(model, stripes, tmp_path / "run", epochs=30, lr=4e-3)
    assert run.history["loss"].iloc[-1] < 0.8 * run.history["loss"].iloc[0]
    assert {"anchors", "hard", "positive_cosine"} <= set(run.history)
    assert known(omlzoo.get_model(tmp_path / "run")) > before + 0.1


@pytest.mark.parametrize("settings", [
    {"loss_args": {"regions": 64}, "augment": "photo"},
    {"loss": "SupConLoss", "add_losses": {"PatchContrast": 0.5}, "chunk": 8},
], ids=str)  # fmt: skip
def test_an_interrupted_run_goes_on_to_the_same_bytes(
    tmp_path: Path, stripes: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    settings = {**settings, "epochs": 3, "save_minutes": 0.0}
    whole = tune(toy("resnet_toy"), stripes, tmp_path / "whole", **settings)
    epoch = Running._epoch

    def stopped(self: Running, number: int) -> None:
        if number == 2:
            raise KeyboardInterrupt
        epoch(self, number)

    with monkeypatch.context() as patch:
        patch.setattr(Running, "_epoch", stopped)
        assert tune(toy("resnet_toy"), stripes, tmp_path / "parts", **settings).interrupted
    assert weights(tune(toy("resnet_toy"), stripes, tmp_path / "parts", resume=True, **settings)) == weights(whole)
    assert {"empty_batches"} <= set(whole.history)


@pytest.mark.parametrize("arch", ["vit_toy", "resnet_toy"])
def test_the_loss_is_that_of_patches_with_the_label_at_their_middle(arch: str) -> None:
    draw = torch.Generator().manual_seed(0)
    images, labels = torch.randn(4, 3, 64, 64, generator=draw), torch.tensor([0, 0, 1, 1])
    masks = torch.randint(0, 3, (4, 1, 64, 64), generator=draw).float()
    masks[1, :, :32] = 255
    body = toy(arch)
    model = TrainingModel(body, mask_head(body))
    assert isinstance(model.head, LabelledPatches)
    rows = model(torch.cat([images, masks], dim=1))
    cells = body.dense(images)  # (4, D, h, w)
    side = 64 // cells.shape[2]
    tokens, shown = [], []
    for i in range(4):
        for y in range(cells.shape[2]):
            for x in range(cells.shape[3]):
                label = int(masks[i, 0, side * y + side // 2, side * x + side // 2])
                if label != 255:
                    tokens.append(cells[i, :, y, x])
                    shown.append(label)
    loss = PatchContrast(views=None)
    wanted = loss(torch.stack(tokens), torch.tensor(shown))
    found = over_rows(PatchContrast(views=None), model.head, body.dim)(rows, labels)
    torch.testing.assert_close(found, wanted)
    both = over_rows(WeightedSum({SupConLoss(): 1.0, PatchContrast(views=None): 0.5}), model.head, body.dim)
    torch.testing.assert_close(both(rows, labels), SupConLoss()(body(images), labels) + 0.5 * wanted)
    assert both.stats["PatchContrast.anchors"] == loss.stats["anchors"] > 4
    assert over_rows(loss, None, body.dim) is loss


def test_the_memory_has_regions_of_pictures_of_earlier_batches() -> None:
    loss = RowLoss(PatchContrast(views=None, regions=9, tokens=1, dim=8), 2, 3)
    assert isinstance(loss.loss, PatchContrast)
    draw = torch.Generator().manual_seed(0)
    vectors = torch.randn(2, 4, 3, generator=draw)
    shown = torch.tensor([[0.0, 0, 1, 255], [1, 1, 1, 0]])
    loss(torch.cat([torch.zeros(2, 2), vectors.flatten(1), shown], dim=1), torch.tensor([0, 1]))
    held = loss.loss.held
    assert held is not None
    kept, labels = held.references()
    assert labels.tolist() == [0, 0, 1, 1, 0, 0, 1, 1]  # of each label in each picture a mean and a token
    unit = vectors / vectors.norm(dim=2, keepdim=True)
    mean = unit[1, :3].mean(dim=0)
    torch.testing.assert_close(kept[6], mean / mean.norm())
    assert any(torch.allclose(kept[7], each) for each in unit[1, :3])
    loss.eval()(torch.cat([torch.zeros(2, 2), vectors.flatten(1), shown], dim=1), torch.tensor([0, 1]))
    assert len(held) == 8, "measuring changes nothing"


def test_rows_without_a_label_image_and_broken_ones_are_said(tmp_path: Path, stripes: Path) -> None:
    frame = pd.read_csv(stripes)
    frame.loc[:3, "mask"] = ""
    Image.new("L", (5, 5)).save(tmp_path / "small.png")
    frame.loc[7, "mask"] = str(tmp_path / "small.png")
    with pytest.warns(OmlzooWarning) as said:
        run = tune(toy("resnet_toy"), frame, tmp_path / "run", root=stripes.parent)
    texts = " ".join(str(each.message) for each in said)
    assert "4 of 48 training rows have no label image (mask)" in texts
    assert "it has 5 x 5 pixels and its picture 7.png 32 x 32" in texts
    assert run.report.facts["training pictures that could not be read"] == 1


def test_what_does_not_go_with_label_images_is_refused(tmp_path: Path, stripes: Path) -> None:
    for settings, said in (
        ({"cache": 1, "freeze": 1}, "cache is 1, which keeps no labels of patches"),
        ({"augment": shrunk}, "which moves the picture alone; take one of ours"),
    ):
        with pytest.raises(BadInput, match=said):
            tune(toy("vit_toy"), stripes, tmp_path / "run", **settings)
        assert not (tmp_path / "run").exists()
    rows = table.read(stripes, "train")
    with pytest.raises(BadInput, match="poincare is 4, which has no patches"):
        training_masks(rows, Recipe(add_losses={"PatchContrast": 1.0}, poincare=4))


def test_label_images_that_nothing_looks_at_are_said_and_left_alone(stripes: Path) -> None:
    rows = table.read(stripes, "train")
    with pytest.warns(OmlzooWarning, match=r"48 training rows have a label image \(mask\), which no loss looks at"):
        assert training_masks(rows, Recipe(loss="SupConLoss")) is None
    assert training_masks(rows, Recipe(objective="SimCLR")) is None
    bare = table.Table(rows.frame.drop(columns="mask"), rows.root, rows.name)
    assert training_masks(bare, Recipe(loss="PatchContrast")) is None, "then embeddings are contrasted, as before"
