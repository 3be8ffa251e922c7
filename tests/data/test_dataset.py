"""An item depends on row and seed only; broken pictures are reported, not lost."""

from dataclasses import replace
from pathlib import Path

import torch
from PIL import Image
from toys import PREPROCESS

from omlzoo.data import table
from omlzoo.data.augmentations import augmentation
from omlzoo.data.dataset import ImageTable, Seeded, collate
from omlzoo.samplers import Balanced


def test_row_and_seed_decide_the_picture(drawn: Path) -> None:
    data = ImageTable(table.read(drawn, "train"), augmentation("drawing", PREPROCESS))
    torch.manual_seed(1)
    first = data[3, 42][0]
    before = torch.get_rng_state()
    torch.manual_seed(2)
    assert torch.equal(data[3, 42][0], first)
    assert not torch.equal(data[3, 43][0], first)
    torch.manual_seed(1)
    assert torch.equal(torch.get_rng_state(), before), "the caller's random numbers are not used up"


def test_labels_are_coded_in_order(drawn: Path) -> None:
    rows = table.read(drawn, "train")
    data = ImageTable(rows, augmentation("none", PREPROCESS))
    assert data[0, 0][1] == 0
    assert len(set(data.codes)) == rows.frame["label"].nunique() == max(data.codes) + 1


def test_broken_pictures_are_named_and_left_out_of_the_batch(tmp_path: Path) -> None:
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"broken")
    frame = table.read(tmp_path, "embed").frame.assign(label=[1, 2])
    data = ImageTable(table.Table(frame, tmp_path, "t"), augmentation("none", PREPROCESS))
    pixels, labels, rows, bad = collate([data[0, 0], data[1, 0]])
    assert pixels.shape == (1, 3, 32, 32)
    assert labels.tolist() == [0]
    assert rows.tolist() == [0]
    assert [row for row, _ in bad] == [1]
    assert len(collate([data[1, 0]])[1]) == 0


def test_a_picture_that_cannot_be_resized_is_named_like_a_broken_one(tmp_path: Path) -> None:
    Image.new("RGB", (6_000_000, 1)).save(tmp_path / "a.png")
    frame = table.read(tmp_path, "embed").frame.assign(label=[1])
    data = ImageTable(table.Table(frame, tmp_path, "t"), augmentation("none", replace(PREPROCESS, antialias=False)))
    before = torch.get_rng_state()
    assert data[0, 0][0] is None
    assert "too long and narrow" in data[0, 0][3]
    assert torch.equal(torch.get_rng_state(), before)


def test_seeds_differ_by_epoch_and_repeat() -> None:
    batches = Seeded(Balanced([0, 0, 1, 1], 2, 2), seed=3)
    first = list(batches)
    assert list(batches) == first
    batches.set_epoch(1)
    assert list(batches) != first
    assert len(batches) == 1
