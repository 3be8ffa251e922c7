"""batches(): what a model takes, without Lightning, in anyone's loop."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from PIL import Image
from toys import toy

import omlzoo
from omlzoo.data import ImageTable
from omlzoo.data import table as tables
from omlzoo.errors import BadInput, OmlzooWarning, UnknownName
from omlzoo.losses import SupConLoss
from omlzoo.samplers import Balanced


def labels_of(drawn: Path) -> list[str]:
    frame = pd.read_csv(drawn)
    return frame[frame["split"] == "train"]["label"].tolist()


def test_batches_are_what_the_transform_of_the_model_gives(drawn: Path) -> None:
    model = toy("resnet_toy")
    made = omlzoo.batches(model, drawn, lambda labels: Balanced(labels, 4, 2), augment="none")
    images, labels = next(iter(made))
    assert (images.dtype, labels.dtype) == (torch.float32, torch.int64)
    rows = tables.read(drawn, "train")
    rows = rows.rows((rows.frame["split"] == "train").to_numpy())
    wanted = next(iter(Balanced(rows.frame["label"].tolist(), 4, 2)))
    transform = model.transforms()
    for number, row in enumerate(wanted):
        with Image.open(rows.files()[row]) as picture:
            assert torch.allclose(images[number], transform(picture), atol=1e-6)
        assert made.names[labels[number]] == str(rows.frame["label"].iloc[row])
    assert model(images).shape == (8, model.dim)


def test_a_plain_loop_learns(drawn: Path) -> None:
    torch.manual_seed(0)
    model, loss = toy("resnet_toy").train(), SupConLoss()
    made = omlzoo.batches(model, drawn, Balanced(labels_of(drawn), 8, 4), augment="none")
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    values = []
    for _ in range(4):
        for images, labels in made:
            optimizer.zero_grad()
            value = loss(model(images), labels)
            value.backward()
            optimizer.step()
            values.append(value.item())
    assert len(values) == 4 * len(made)
    assert sum(values[-4:]) < sum(values[:4])


def test_each_pass_is_an_epoch_of_its_own_and_can_be_repeated(drawn: Path) -> None:
    made = omlzoo.batches(toy("resnet_toy"), drawn, n_labels=4, n_instances=3, seed=5)
    first, second = ([images for images, _ in made] for _ in range(2))
    assert len(first) == len(made)
    assert not torch.equal(first[0], second[0])
    made.set_epoch(0)
    assert all(torch.equal(a, b) for a, b in zip(first, made_images(made), strict=True))


def made_images(made: Any) -> list[torch.Tensor]:
    return [images for images, _ in made]


def test_an_own_augmentation_and_unreadable_pictures(tmp_path: Path, drawn: Path) -> None:
    frame = pd.read_csv(drawn)
    frame["path"] = [str(drawn.parent / path) for path in frame["path"]]
    (tmp_path / "broken.png").write_bytes(b"no picture")
    frame.loc[frame.index[frame["split"] == "train"][0], "path"] = str(tmp_path / "broken.png")
    model = toy("resnet_toy")
    height, width = model.entry.preprocess.crop
    made = omlzoo.batches(model, frame, "FullCoverage", augment=lambda image: image.resize((width, height)), n_labels=4)
    with pytest.warns(OmlzooWarning, match="1 pictures could not be read and were left out; the first: .*broken"):
        count = sum(len(labels) for _, labels in made)
    assert list(made.unreadable) == [0]
    assert count >= len(labels_of(drawn)) - 1
    with pytest.raises(BadInput, match="pixels; the model takes"):
        omlzoo.batches(model, drawn, augment=lambda image: image)
    with pytest.raises(UnknownName, match="did you mean n_labels"):
        omlzoo.batches(model, drawn, n_label=4)


@pytest.mark.slow
def test_nothing_of_lightning_is_imported(drawn: Path) -> None:
    code = ("import sys; sys.path.insert(0, 'tests/support'); import omlzoo; from toys import toy; "
            f"next(iter(omlzoo.batches(toy('resnet_toy'), {str(drawn)!r}))); "
            "print(sorted(n for n in sys.modules if 'lightning' in n and not n.startswith('omlzoo')))")  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_table_is_a_data_set_of_torch(drawn: Path) -> None:
    rows = tables.read(drawn, "train")
    pictures = ImageTable(rows, toy("resnet_toy").transforms().pixels)
    assert isinstance(pictures, torch.utils.data.Dataset)
    pixels, _, row, error = pictures[(3, 0)]
    assert (pixels.dtype, row, error) == (torch.uint8, 3, "")
