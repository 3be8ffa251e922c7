"""Label images: numbers of pixels as they are in the file, cut and resized as the picture, or refused with words."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from toys import PREPROCESS

from omlzoo.data import table
from omlzoo.data.augmentations import AUGMENTATIONS, augmentation
from omlzoo.data.dataset import ImageTable, collate
from omlzoo.data.label_images import IGNORED, nothing_known, read_labels
from omlzoo.errors import BadImage, BadTable

LEVELS = np.arange(48, dtype=np.uint8).reshape(6, 8) % 5


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.new("RGB", (8, 6), "red").save(tmp_path / "a.png")
    return tmp_path / "a.png"


def test_numbers_of_grey_of_palettes_and_of_one_bit(tmp_path: Path, picture: Path) -> None:
    palette = Image.fromarray(LEVELS).convert("P")
    palette.putpalette([7, 7, 7, 200, 0, 0, 0, 200, 0, 0, 0, 200, 9, 9, 9])
    numbers = Image.fromarray(LEVELS)
    numbers = Image.frombytes("P", numbers.size, numbers.tobytes())
    numbers.putpalette([7, 7, 7, 200, 0, 0, 0, 200, 0, 0, 0, 200, 9, 9, 9])
    for name, image, wanted in (
        ("grey.png", Image.fromarray(LEVELS), LEVELS),
        ("palette.png", numbers, LEVELS),
        ("bits.png", Image.fromarray(LEVELS > 2), (LEVELS > 2).astype(np.uint8)),
    ):
        image.save(tmp_path / name)
        assert np.array_equal(np.array(read_labels(tmp_path / name, picture, None, (8, 6))), wanted)
        part = np.array(read_labels(tmp_path / name, picture, (2, 1, 6, 5), (8, 8)))
        assert np.array_equal(part, wanted[1:5, 2:6].repeat(2, axis=0).repeat(2, axis=1))


def test_what_is_no_label_image_is_refused(tmp_path: Path, picture: Path) -> None:
    Image.new("RGB", (8, 6)).save(tmp_path / "rgb.png")
    Image.fromarray(np.zeros((6, 8), np.uint16)).save(tmp_path / "deep.png")
    Image.new("L", (8, 7)).save(tmp_path / "other.png")
    Image.new("L", (8, 6)).save(tmp_path / "grey.jpg")
    (tmp_path / "broken.png").write_bytes(b"nothing")
    for name, said in (
        ("rgb.png", "its pixels are RGB; a label image has one number from 0 to 255"),
        ("deep.png", "its pixels are I;16"),
        ("other.png", "it has 8 x 7 pixels and its picture a.png 8 x 6; make them equal"),
        ("grey.jpg", "the label image cannot be read"),
        ("broken.png", "the label image cannot be read"),
        ("none.png", "there is no such file"),
    ):
        with pytest.raises(BadImage, match=said):
            read_labels(tmp_path / name, picture, None, (8, 6))


def marked(side: int = 60) -> tuple[Image.Image, Image.Image]:
    """A picture whose red says the label of each pixel: 50 times it."""
    labels = np.zeros((side, side), dtype=np.uint8)
    labels[: side // 2, : side // 2] = 1
    labels[side // 2 :, side // 3 :] = 4
    pixels = np.stack([labels * 50, labels * 0 + 90, labels * 0 + 120], axis=2)
    return Image.fromarray(pixels), Image.fromarray(labels)


@pytest.mark.parametrize("name", [name for name in AUGMENTATIONS if name not in ("rich", "photo")])
@pytest.mark.parametrize("mode", ["cover", "squash", "contain"])
def test_labels_move_as_the_picture(name: str, mode: Any) -> None:
    """Red is 50 times the label wherever both are known, but at the edges between labels."""
    changes = {"pad": 0, "resize": (32, 32)} if mode == "contain" else {}
    steps = augmentation(name, replace(PREPROCESS, mode=mode, **changes))
    for seed in range(4):
        torch.manual_seed(seed)
        both = steps(*marked())
        assert both.shape == (4, 32, 32)
        assert both.dtype == torch.uint8
        known = both[3] != IGNORED
        assert known.float().mean() > 0.5
        right = (both[0].float() / 50).round() == both[3]
        assert right[known].float().mean() > 0.9
        torch.manual_seed(seed)
        assert torch.equal(steps(marked()[0]), both[:3]), "the picture is the same with labels and without"


@pytest.mark.parametrize("name", ["rich", "photo"])
def test_colours_change_and_labels_stay(name: str) -> None:
    steps = augmentation(name, PREPROCESS)
    for seed in range(12):
        torch.manual_seed(seed)
        both = steps(*marked())
        assert both.shape == (4, 32, 32)
        assert set(both[3].unique().tolist()) <= {0, 1, 4, IGNORED}
        torch.manual_seed(seed)
        assert torch.equal(steps(marked()[0]), both[:3])


def test_padding_is_ignored() -> None:
    contained = replace(PREPROCESS, mode="contain", pad=0, resize=(32, 32))
    both = augmentation("none", contained)(Image.new("RGB", (40, 20)), Image.new("L", (40, 20), 3))
    assert both[3, :8].eq(IGNORED).all()
    assert both[3, 8:24].eq(3).all()


def rows(folder: Path, **columns: Any) -> pd.DataFrame:
    for name in "abc":
        picture, labels = marked()
        picture.save(folder / f"{name}.png")
        labels.save(folder / f"{name}_labels.png")
    frame = pd.DataFrame({"path": ["a.png", "b.png", "c.png"], "label": ["x", "x", "y"], "split": "train"})
    return frame.assign(mask=["a_labels.png", "", "c_labels.png"], **columns)


def test_the_column_of_a_table(tmp_path: Path) -> None:
    read = table.read(rows(tmp_path), "train", tmp_path)
    assert read.masks() == [tmp_path / "a_labels.png", None, tmp_path / "c_labels.png"]
    assert table.read(rows(tmp_path).drop(columns="mask"), "train", tmp_path).masks() == [None] * 3
    wrong = rows(tmp_path)
    wrong.loc[2, "mask"] = "lost.png"
    with pytest.raises(BadTable, match="there is no such label image below"):
        table.read(wrong, "train", tmp_path)
    assert len(table.find_faults(wrong.assign(is_query="", is_gallery=""), tmp_path)) == 1
    assert len(table.read(wrong, "embed", tmp_path)) == 3, "embed does not look at them"


def test_items_have_labels_beside_their_pixels(tmp_path: Path) -> None:
    """Boxes cut both, a picture that is reduced while it is decoded has its labels reduced, and a lost one is said."""
    frame = rows(tmp_path, x_1=[10, "", ""], x_2=[50, "", ""], y_1=[20, "", ""], y_2=[60, "", ""])
    read = table.read(frame, "train", tmp_path)
    data = ImageTable(read, augmentation("none", PREPROCESS), 20, read.masks())
    pixels, labels, number, bad = collate([data[(row, 0)] for row in range(3)])
    assert isinstance(pixels, torch.Tensor)
    assert pixels.shape == (3, 4, 32, 32)
    assert pixels[1, 3].eq(IGNORED).all()
    for row in (0, 2):
        assert ((pixels[row, 0].float() / 50).round() == pixels[row, 3]).float().mean() > 0.85
    assert (labels.tolist(), number.tolist(), bad) == ([0, 0, 1], [0, 1, 2], [])
    Image.new("L", (9, 9)).save(tmp_path / "c_labels.png")
    none, _, _, error = data[(2, 0)]
    assert none is None
    assert "it has 9 x 9 pixels and its picture c.png 60 x 60" in error


def test_a_picture_without_labels() -> None:
    assert np.array(nothing_known((3, 2))).tolist() == [[IGNORED] * 3] * 2
