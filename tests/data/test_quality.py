"""Measures of pictures whose values one can work out, and issues of pictures made to have them."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageFilter

from omlzoo.data.quality import RULES, measure, picture_quality
from omlzoo.data.table import read


def grey(levels: np.ndarray) -> Image.Image:
    return Image.fromarray(levels.astype(np.uint8))


def test_measures_that_can_be_worked_out() -> None:
    flat = measure(Image.new("RGB", (40, 40), (90, 90, 90)))
    assert (flat["brightest"], flat["darkest"], flat["entropy"]) == (90, 90, 0)
    assert np.isnan(flat["sharpness"])
    halves = np.zeros((50, 50))
    halves[:, 25:] = 200
    found = measure(grey(halves))  # at the edge 4 x 200 - (200 + 200 + 200 + 0), in 2 of 48 columns
    assert found == {"brightest": 200, "darkest": 0, "entropy": 1, "sharpness": 1}
    ramp = measure(grey(np.tile(np.arange(256), (256, 1))))
    assert (ramp["entropy"], ramp["sharpness"]) == (8, 0)
    assert (ramp["darkest"], ramp["brightest"]) == (12, 253)  # of 256 levels, each as often
    checks = measure(grey(255 * (np.indices((20, 20)).sum(axis=0) % 2)))
    assert checks["sharpness"] == 4
    assert np.isnan(measure(Image.new("RGB", (2, 9)))["sharpness"])


def test_larger_pictures_are_measured_at_256_pixels() -> None:
    checks = grey(255 * (np.indices((512, 512)).sum(axis=0) % 2))
    assert measure(checks)["brightest"] - measure(checks)["darkest"] <= 1, "single pixels are averaged away"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of blots, each spoilt in one way, as its name says."""
    place, draw = tmp_path_factory.mktemp("quality"), np.random.default_rng(0)

    def photo() -> np.ndarray:
        blots = Image.fromarray(draw.integers(20, 235, (12, 12, 3)).astype(np.uint8)).resize((120, 120))
        return np.asarray(blots, dtype=float) + draw.normal(0, 12, (120, 120, 1))

    made = {f"good {number}": grey(np.clip(photo(), 0, 255)) for number in range(4)}
    made["dark"] = grey(np.clip(photo(), 0, 255) * 0.2)
    made["light"] = grey(255 - (255 - np.clip(photo(), 0, 255)) * 0.06)
    made["blurry"] = grey(np.clip(photo(), 0, 255)).filter(ImageFilter.GaussianBlur(6))
    made["low information"] = Image.new("RGB", (120, 120), (160, 120, 90))
    made["odd size"] = grey(np.clip(photo(), 0, 255)).resize((30, 30))
    made["odd shape"] = grey(np.clip(photo(), 0, 255)).crop((0, 0, 120, 30))
    for name, image in made.items():
        image.save(place / f"{name}.png")
    made["good 2"].resize((90, 90)).save(place / "copy of 2.jpg", quality=70)
    names = [*(f"{name}.png" for name in made), "copy of 2.jpg"]
    pd.DataFrame({"path": names, "label": "a", "split": "train"}).to_csv(place / "t.csv", index=False)
    return place


def test_each_spoilt_picture_has_its_issue_and_good_ones_have_none(folder: Path) -> None:
    table = read(folder / "t.csv", "check")
    quality = picture_quality(table, progress=False)
    names = table.frame["path"].tolist()
    found = {name: [names[row] for row in rows] for name, rows in quality.issues.items()}
    assert found == {name: [f"{name}.png"] for name in RULES if name != "near copies"}
    assert [[names[row] for row in group] for group in quality.copies] == [["good 2.png", "copy of 2.jpg"]]
    assert set(RULES) == {*quality.issues, "near copies"}
    assert quality.measures["side"].iloc[names.index("odd shape.png")] == 60  # square root of 120 x 30
    assert quality.measures["shape"].iloc[names.index("odd shape.png")] == 4
    assert not len(quality.unreadable)


def test_boxes_are_measured_inside_and_broken_pictures_are_counted(tmp_path: Path) -> None:
    halves = np.zeros((60, 60))
    halves[:, 30:] = 250
    grey(halves).save(tmp_path / "a.png")
    buffer = io.BytesIO()
    grey(np.random.default_rng(0).integers(0, 255, (200, 200))).save(buffer, "JPEG")
    (tmp_path / "cut.jpg").write_bytes(buffer.getvalue()[:3000])
    frame = pd.DataFrame({
        "path": ["a.png", "a.png", "cut.jpg"], "label": "a", "split": "train", "x_1": [0, 30, None],
        "x_2": [30, 60, None], "y_1": [0, 0, None], "y_2": [60, 60, None],
    })  # fmt: skip
    frame.to_csv(tmp_path / "t.csv", index=False)
    quality = picture_quality(read(tmp_path / "t.csv", "check"), progress=False)
    assert quality.measures["brightest"].tolist()[:2] == [0, 250]
    assert quality.measures["shape"].iloc[0] == 2
    assert quality.unreadable.tolist() == [2]
    assert quality.copies == []
    assert quality.flagged.tolist() == [0, 1]
