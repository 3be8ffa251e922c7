"""Copies across the split are found, whatever their size and compression; other pictures are not."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageFilter

from omlzoo.cli import main
from omlzoo.curation.leakage import find_duplicates
from omlzoo.data import table


def picture(seed: int) -> Image.Image:
    levels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return Image.fromarray(levels).resize((96, 80), Image.Resampling.BICUBIC)


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Five training pictures; of the seven validation pictures four are copies of the first four."""
    rows = []

    def add(name: str, image: Image.Image, split: str, label: int, **how: int) -> None:
        image.save(tmp_path / name, **how)
        shown = split == "validation"
        rows.append(
            {"path": name, "label": label, "split": split, "is_query": shown or None, "is_gallery": shown or None}
        )

    for number in range(5):
        add(f"train{number}.png", picture(number), "train", number)
    add("copy.png", picture(0), "validation", 10)
    add("smaller.png", picture(1).resize((48, 40)), "validation", 10)
    add("compressed.jpg", picture(2), "validation", 11, quality=60)
    add("brighter.png", picture(3).point(lambda level: 30 + level * 0.8), "validation", 11)
    add("other.png", picture(7), "validation", 12)
    add("blurred_other.png", picture(8).filter(ImageFilter.GaussianBlur(2)), "validation", 12)
    add("white.png", Image.new("RGB", (50, 50), "white"), "validation", 12)
    pd.DataFrame(rows).to_csv(tmp_path / "table.csv", index=False)
    return tmp_path / "table.csv"


def test_copies_are_found_and_others_are_not(mixed: Path) -> None:
    found, left_out = find_duplicates(table.read(mixed, "train"))
    assert dict(zip(found["path"], found["train_path"], strict=True)) == {
        "copy.png": "train0.png", "smaller.png": "train1.png", "compressed.jpg": "train2.png", "brighter.png": "train3.png",
    }  # fmt: skip
    assert found["correlation"].is_monotonic_decreasing
    assert left_out == 1, "the white one"


def test_the_command_lists_them(mixed: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(mixed), "--duplicates"]) == 0
    said = capsys.readouterr().out
    assert "4 of 7 validation pictures are also training pictures" in said
    assert "copy.png ~ train0.png (1.000)" in said


def test_without_a_split_there_is_nothing_to_find(drawn: Path) -> None:
    rows = table.read(drawn, "train")
    assert len(find_duplicates(rows.rows((rows.frame["split"] == "train").to_numpy()))[0]) == 0
