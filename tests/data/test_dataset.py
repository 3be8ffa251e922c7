"""An item depends on row and seed only; broken pictures are reported, not lost."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from toys import PREPROCESS

from omlzoo.data import table
from omlzoo.data.augmentations import augmentation
from omlzoo.data.dataset import ImageTable, Seeded, collate
from omlzoo.data.decoded_cache import DecodedCache
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


def photographs(folder: Path, size: tuple[int, int]) -> ImageTable:
    """A JPEG and a PNG of the same levels, and the PNG again with a box; for a model of 32 pixels."""
    levels = np.kron(np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8), np.ones((24, 24, 1)))
    whole = Image.fromarray(levels.astype(np.uint8)).resize(size)
    whole.save(folder / "a.jpg", quality=95)
    whole.save(folder / "b.png")
    frame = pd.DataFrame({"path": ["a.jpg", "b.png", "b.png"], "label": [0, 0, 1]})
    boxes = [[np.nan, 10], [np.nan, 20], [np.nan, 470], [np.nan, 320]]
    for name, (none, side) in zip(("x_1", "y_1", "x_2", "y_2"), boxes, strict=True):
        frame[name] = [none, none, side]
    return ImageTable(table.Table(frame, folder, "t"), augmentation("photo", PREPROCESS), 64)


def test_large_pictures_are_reduced_to_at_least_what_is_needed_and_less_than_twice_that(tmp_path: Path) -> None:
    data = photographs(tmp_path, (480, 360))
    assert [data.picture(row).size for row in range(3)] == [(120, 90), (96, 72), (115, 75)]
    data.side = None
    whole = data.picture(1)
    assert [data.picture(row).size for row in range(3)] == [(480, 360), (480, 360), (460, 300)]
    data.side = 64
    levels = np.asarray(whole, dtype=float)
    mean = levels.reshape(72, 5, 96, 5, 3).mean(axis=(1, 3))
    assert np.abs(np.asarray(data.picture(1)) - mean).max() <= 1, "the mean of each 5 x 5 pixels"
    mean = levels.reshape(90, 4, 120, 4, 3).mean(axis=(1, 3))
    assert np.abs(np.asarray(data.picture(0)) - mean).mean() < 3, "a JPEG while it is decoded: nearly that, by 4 x 4"


def test_small_pictures_are_not_reduced(tmp_path: Path) -> None:
    data = photographs(tmp_path, (127, 200))
    reduced = [data.picture(row).tobytes() for row in range(2)]
    data.side = None
    assert [data.picture(row).tobytes() for row in range(2)] == reduced


def test_kept_pictures_are_the_decoded_ones(tmp_path: Path) -> None:
    data = photographs(tmp_path, (480, 360))
    decoded = [data[row, 5][0] for row in range(3)]
    data.kept = DecodedCache(tmp_path / "kept", 3, 10**6)
    data.kept.begin()
    for _ in range(2):
        for row, pixels in enumerate(decoded):
            found = data[row, 5][0]
            assert found is not None
            assert pixels is not None
            assert torch.equal(found, pixels)
    assert data.kept.size == 3 * (120 * 90 + 96 * 72 + 115 * 75), "each once"
    (tmp_path / "a.jpg").write_bytes(b"broken")
    assert data[0, 5][0] is None
    (tmp_path / "a.jpg").unlink()
    assert "there is no such file" in data[0, 5][3]
